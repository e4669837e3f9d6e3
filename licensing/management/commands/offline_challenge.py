"""Print the message to send to the vendor where there is no network."""

from typing import Any

from licensing.management.portal_command import CommandParser, PortalCommand, language
from licensing.operations.activation import offline_challenge
from licensing.operations.clock import portal_now


class Command(PortalCommand):
    help = "Prints the message for the vendor's SMS number, mailbox or telephone."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--language", choices=["pl", "en"], help="of the vendor's answer")

    def carry_out(self, **options: Any) -> int:
        wanted = (options["language"] or language()).upper()
        self.stdout.write(offline_challenge(portal_now(), wanted).message)
        return 0
