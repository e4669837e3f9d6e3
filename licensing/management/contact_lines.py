"""What a contact brought, as the commands print it."""

from collections.abc import Callable

from licensing.models import PendingRelease, VirtualKey
from licensing.operations.actors import COMMAND
from licensing.operations.answers import NEEDS_VENDOR, KeyLine
from licensing.operations.clock import portal_now
from licensing.operations.contact import ContactReport, contact_now
from licensing.operations.errors import Refused
from licensing.operations.key_sentences import needs_vendor_sentence
from licensing.operations.requests import plan

Tell = Callable[[str], None]
# What is true of a key that the vendor has said nothing about.
RELEASE_PENDING, UNANSWERED, NOT_ASKED = "release_pending", "unanswered", "not_asked"


def contact_and_tell(tell: Tell) -> ContactReport:
    """Contact the vendor, or join the contact in flight, and print a line per key."""
    report = contact_now(portal_now, COMMAND, "command")
    tell_lines(report, tell)
    for line in _without_answer(report):
        tell(_text(line))
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
        if line.result == NEEDS_VENDOR:
            raise Refused(line.result, f"{line.number}: {needs_vendor_sentence(line.reason)}")
        if not line.is_good:
            raise Refused(line.reason or line.result, f"{line.number} {line.result}")


def after_storing(what: str, number: str, tell: Tell) -> KeyLine | None:
    """Say what was stored, contact the vendor, and print and give that key's line.

    Trouble there is no error here.
    """
    tell(what)
    report = contact_now(portal_now, COMMAND, "command")
    line = next((line for line in report.lines if line.number == number), None)
    told = line or next((line for line in _without_answer(report) if line.number == number), None)
    if told is not None:
        tell(_text(told))
    if line is None and not report.is_ok:
        tell(f"{report.outcome}: {report.sentence()}")
    return line


def _without_answer(report: ContactReport) -> list[KeyLine]:
    """A line for each key that a contact that failed has brought no word on."""
    if report.is_ok:
        return []
    asked, answered = plan(), {line.number for line in report.lines}
    lines = [
        KeyLine(number, UNANSWERED, report.outcome)
        if number in asked.marks
        else KeyLine(number, NOT_ASKED, refusal or None)
        for number, refusal in VirtualKey.objects.order_by("number").values_list("number", "refusal")
    ]
    pending = PendingRelease.objects.order_by("number").values_list("number", flat=True)
    lines += [KeyLine(number, RELEASE_PENDING, report.outcome) for number in pending]
    return [line for line in lines if line.number not in answered]


def _text(line: KeyLine) -> str:
    return " ".join(filter(None, (line.number, line.result, line.reason, line.active_on)))
