"""Add a virtual key and activate it at the vendor."""

from typing import Any

from django.utils.translation import gettext as _

from licensing.management.contact_lines import after_storing
from licensing.management.portal_command import CommandParser, PortalCommand
from licensing.operations.actors import COMMAND
from licensing.operations.clock import portal_now
from licensing.operations.keys import add_key


class Command(PortalCommand):
    help = "Adds a virtual key, then contacts the vendor to activate it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--number", required=True, help="ten digits that begin with 50000")
        parser.add_argument("--customer", required=True, help="the customer id")
        parser.add_argument("--pin", required=True, help="four digits")
        parser.add_argument("--email", default="", help="the administrator's e-mail")

    def carry_out(self, **options: Any) -> int:
        given = {name: options[name] for name in ("number", "customer", "pin", "email")}
        key = add_key(portal_now(), COMMAND, **given)
        after_storing(_("Key %(number)s added.") % {"number": key.number}, key.number, self.stdout.write)
        return 0
