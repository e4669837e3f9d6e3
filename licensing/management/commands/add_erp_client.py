"""Register an application that may call the lease API."""

from typing import Any

from django.utils.translation import gettext as _

from licensing.management.portal_command import CommandParser, PortalCommand
from licensing.operations.actors import COMMAND
from licensing.operations.clients import add_erp_client
from licensing.operations.clock import portal_now


class Command(PortalCommand):
    help = "Registers an ERP client; its token, shown this once, stands alone on the last line."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="what the client is called in the pages")
        parser.add_argument(
            "--network", action="append", default=[], help="where it may call from, e.g. 192.168.1.0/24"
        )

    def carry_out(self, **options: Any) -> int:
        client, token = add_erp_client(portal_now(), COMMAND, options["name"], options["network"])
        added = _("ERP client %(name)s added. Its token is shown this once:")
        self.stdout.write(added % {"name": client.name})
        self.stdout.write(token)
        return 0
