"""Enter the code that the vendor gave."""

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from licensing.management.portal_command import CommandParser, PortalCommand
from licensing.operations.activation import activate_offline
from licensing.operations.actors import COMMAND
from licensing.operations.clock import portal_now
from licensing.protocol.times import format_instant


class Command(PortalCommand):
    help = "Renews the modules by the code that the vendor gave for today's message."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("code", nargs="+", help="16 symbols")

    def carry_out(self, **options: Any) -> int:
        renewal = activate_offline(portal_now(), COMMAND, " ".join(options["code"]), "command")
        for number, deadline in sorted(renewal.keys.items()):
            self.stdout.write(
                _("%(number)s works until %(end)s") % {"number": number, "end": format_instant(deadline)}
            )
        left = renewal.codes_left
        sentence = ngettext(
            "There is a code for %(days)s more day.", "There are codes for %(days)s more days.", left
        )
        self.stdout.write(sentence % {"days": left})
        return 0
