"""Pack logs and what else a supporter needs into a ZIP file."""

import shutil
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _

from licensing.management.portal_command import CommandParser, PortalCommand
from licensing.operations.actors import COMMAND
from licensing.operations.clock import local_now
from licensing.operations.errors import Refused
from licensing.operations.log_pack import pack_logs


class Command(PortalCommand):
    help = "Packs logs, versions, settings without secrets, contacts and the schema's state into a ZIP file."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--to", type=Path, help="where to put it; else it is kept in the data folder")

    def carry_out(self, **options: Any) -> int:
        path = pack_logs(local_now(), COMMAND, self._progress)
        if options["to"] is not None:
            try:
                path = Path(shutil.move(path, options["to"]))
            except OSError as error:
                raise Refused("file_not_written", f"{options['to']}: {error.strerror}") from error
        self.stdout.write(_("Logs packed into %(path)s.") % {"path": path})
        return 0

    def _progress(self, packed: int, of: int) -> None:
        self.stdout.write(f"  {packed}/{of}")
