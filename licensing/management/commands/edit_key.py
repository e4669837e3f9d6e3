"""Change what a key is activated with, or have an active key bound anew."""

from typing import Any

from django.utils.translation import gettext as _

from licensing.management.contact_lines import after_storing
from licensing.management.portal_command import CommandParser, PortalCommand
from licensing.operations.actors import COMMAND
from licensing.operations.clock import portal_now
from licensing.operations.keys import edit_key


class Command(PortalCommand):
    help = "Changes a key that is not active, or enters the PIN of one to be bound anew; contacts the vendor."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("number", help="the key's number")
        parser.add_argument("--customer", help="the customer id")
        parser.add_argument("--pin", help="four digits")
        parser.add_argument("--email", help="the administrator's e-mail")

    def carry_out(self, **options: Any) -> int:
        given = {name: options[name] for name in ("customer", "pin", "email")}
        key = edit_key(portal_now(), COMMAND, options["number"], **given)
        after_storing(_("Key %(number)s changed.") % {"number": key.number}, key.number, self.stdout.write)
        return 0
