"""Begin anew after the key file was lost."""

from typing import Any

from django.utils.translation import gettext as _

from licensing.management.portal_command import CommandParser, PortalCommand
from licensing.operations.actors import COMMAND
from licensing.operations.clock import portal_now
from licensing.operations.errors import Refused
from licensing.operations.installation import new_installation

CONFIRMATION = "new installation"


class Command(PortalCommand):
    help = "Makes a new installation in place of one whose key file is lost."
    needs_installation = False

    def add_arguments(self, parser: CommandParser) -> None:
        parser.epilog = f"Asks for the words “{CONFIRMATION}” on standard input."

    def carry_out(self, **options: Any) -> int:
        self.stdout.write(
            _(
                "All leases end, stored passwords and PINs are lost, and the vendor must reset each key "
                "before this portal can activate it again."
            )
        )
        self.stdout.write(_("Type “%(words)s” to go on:") % {"words": CONFIRMATION})
        self.stdout.flush()
        try:
            typed = input()
        except EOFError:
            typed = ""
        if typed.strip().lower() != CONFIRMATION:
            raise Refused("not_confirmed", _("Nothing was changed."))
        without_factors = new_installation(portal_now(), COMMAND)
        self.stdout.write(
            _(
                "There is a new installation. Start the portal again, ask the vendor to reset the keys, then "
                "enter their PINs."
            )
        )
        if without_factors:
            self.stdout.write(
                _(
                    "Second factors that the lost key file sealed are removed; these users log in by the "
                    "password alone, and may set up others: %(names)s."
                )
                % {"names": ", ".join(without_factors)}
            )
        return 0
