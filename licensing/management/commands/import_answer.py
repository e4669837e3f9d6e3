"""Read the vendor's answer to a contact request from a file."""

from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _

from licensing.management.contact_lines import require_good, tell_lines
from licensing.management.portal_command import CommandParser, PortalCommand
from licensing.operations.activation import import_answer
from licensing.operations.actors import COMMAND
from licensing.operations.clock import portal_now
from licensing.operations.errors import Refused

MOST_BYTES = 4 * 1024 * 1024


class Command(PortalCommand):
    help = "Takes the vendor's answer from a file; prints a line per key, as a contact does."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="the file that the vendor's desk gave")

    def carry_out(self, **options: Any) -> int:
        report = import_answer(portal_now(), COMMAND, _text(options["file"]))
        tell_lines(report, self.stdout.write)
        require_good(report)
        return 0


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(MOST_BYTES + 1)[:MOST_BYTES].decode("utf-8-sig")
    except OSError as error:
        raise Refused("file_not_read", f"{path}: {error.strerror}") from error
    except UnicodeDecodeError:
        raise Refused("malformed", _("%(path)s is no answer file of the vendor.") % {"path": path}) from None
