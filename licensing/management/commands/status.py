"""Tell how things stand."""

from typing import Any

import msgspec
from django.utils.translation import gettext as _

from licensing.api.keys import status_message
from licensing.api.messages import StatusAnswer
from licensing.management.portal_command import CommandParser, PortalCommand
from licensing.operations.clock import portal_now
from licensing.operations.installation import installation_key
from licensing.operations.status import status


class Command(PortalCommand):
    help = "Tells how things stand: the light with its reasons, and each key."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="as GET /api/v1/status answers")

    def carry_out(self, **options: Any) -> int:
        # Without the key file no grant can be read: it would look as if no key were active.
        installation_key()
        message = status_message(status(portal_now()))
        if options["json"]:
            self.stdout.write(msgspec.json.encode(message).decode())
        else:
            self._tell(message)
        return 0

    def _tell(self, message: StatusAnswer) -> None:
        self.stdout.write(" ".join([message.light, *message.reasons]))
        for key in message.keys:
            words = [key.number, key.state, key.refusal, *key.reasons]
            end = key.contact_deadline
            until = _("works until %(end)s") % {"end": end} if end else None
            self.stdout.write(" ".join(filter(None, [*words, until])))
        for number in message.release_pending:
            self.stdout.write(_("%(number)s release pending") % {"number": number})
