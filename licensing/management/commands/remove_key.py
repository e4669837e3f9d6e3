"""Remove a virtual key and release it at the vendor."""

from typing import Any

from django.utils.translation import gettext as _

from licensing.management.contact_lines import after_storing
from licensing.management.portal_command import CommandParser, PortalCommand
from licensing.models import PendingRelease
from licensing.operations.actors import COMMAND
from licensing.operations.answers import NEEDS_VENDOR
from licensing.operations.clock import portal_now
from licensing.operations.key_sentences import needs_vendor_sentence
from licensing.operations.keys import remove_key


class Command(PortalCommand):
    help = "Removes a key: its leases end, and the vendor is told to release it, now or at the next contact."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("number", help="the key's number")
        parser.add_argument("--pin", help="four digits; needed where the key waits to be bound anew")

    def carry_out(self, **options: Any) -> int:
        removal = remove_key(portal_now(), COMMAND, options["number"], options["pin"])
        line = after_storing(
            _("Key %(number)s removed.") % {"number": removal.number}, removal.number, self.stdout.write
        )
        if removal.needs_vendor or (line is not None and line.result == NEEDS_VENDOR):
            told = needs_vendor_sentence(line.reason if line else None)
            self.stdout.write(f"{removal.number}: {told}")
        elif PendingRelease.objects.filter(number=removal.number).exists():
            told = _("%(number)s: release pending, done at the next contact.")
            self.stdout.write(told % {"number": removal.number})
        return 0
