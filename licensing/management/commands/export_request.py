"""Write the contact request into a file."""

from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _

from licensing.management.portal_command import CommandParser, PortalCommand
from licensing.operations.activation import export_request
from licensing.operations.actors import COMMAND
from licensing.operations.clock import portal_now
from licensing.operations.errors import Refused


class Command(PortalCommand):
    help = "Writes the request for the vendor's desk into a file (or into a folder, under its usual name)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="where to write it")

    def carry_out(self, **options: Any) -> int:
        path: Path = options["file"]
        if not (path if path.is_dir() else path.parent).is_dir():
            raise Refused("file_not_written", _("There is no folder %(path)s.") % {"path": path.parent})
        request = export_request(portal_now(), COMMAND)
        if path.is_dir():
            path /= request.filename
        try:
            path.write_text(request.text, encoding="ascii")
        except OSError as error:
            raise Refused("file_not_written", f"{path}: {error.strerror}") from error
        self.stdout.write(_("Request written to %(path)s.") % {"path": path})
        if request.replaces_earlier:
            self.stdout.write(_("An answer to an earlier request file is worth nothing any more."))
        return 0
