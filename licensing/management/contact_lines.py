"""What a contact brought, as the commands print it."""

from collections.abc import Callable

from licensing.operations.actors import COMMAND
from licensing.operations.answers import KeyLine
from licensing.operations.clock import portal_now
from licensing.operations.contact import ContactReport, contact_now
from licensing.operations.errors import Refused

Tell = Callable[[str], None]


def contact_and_tell(tell: Tell) -> ContactReport:
    """Contact the vendor, or join the contact in flight, and print a line per key."""
    report = contact_now(portal_now, COMMAND, "command")
    tell_lines(report, tell)
    return report


def tell_lines(report: ContactReport, tell: Tell) -> None:
    """Print a line per key: number, result, reason, and where else it is active."""
    for line in report.lines:
        tell(_text(line))


def require_good(report: ContactReport) -> None:
    """Refuse with the cause unless every key that was asked was granted or released."""
    if not report.is_ok:
        raise Refused(report.outcome, report.sentence())
    for line in report.lines:
        if not line.is_good:
            raise Refused(line.reason or line.result, f"{line.number} {line.result}")


def after_storing(what: str, number: str, tell: Tell) -> None:
    """Say what was stored, contact the vendor and print that key's line; trouble there is no error here."""
    tell(what)
    report = contact_now(portal_now, COMMAND, "command")
    lines = [line for line in report.lines if line.number == number]
    if lines:
        tell(_text(lines[0]))
    elif not report.is_ok:
        tell(f"{report.outcome}: {report.sentence()}")


def _text(line: KeyLine) -> str:
    return " ".join(filter(None, (line.number, line.result, line.reason, line.active_on)))
