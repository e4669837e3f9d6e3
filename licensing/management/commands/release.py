"""Release the leases of a user or workstation, or one lease."""

import unicodedata
import uuid
from typing import Any

from django.utils.translation import gettext as _

from licensing.management.portal_command import CommandParser, PortalCommand
from licensing.models import Lease
from licensing.operations.actors import COMMAND
from licensing.operations.clock import portal_now
from licensing.operations.errors import Refused
from licensing.operations.leases import release


class Command(PortalCommand):
    help = "Ends live leases; the ERP programs that hold them are told at their next heartbeat."

    def add_arguments(self, parser: CommandParser) -> None:
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("--user", help="all leases of a user")
        which.add_argument("--workstation", help="all leases of a workstation")
        which.add_argument("--lease", type=uuid.UUID, help="one lease, by its id")
        parser.add_argument("--reason", default="", help="kept with the event")

    def carry_out(self, **options: Any) -> int:
        now = portal_now()
        live = Lease.objects.filter(ended_at=None, expires_at__gt=now)
        if options["lease"]:
            found = live.filter(id=options["lease"])
        elif options["user"] is not None:
            found = live.filter(user=_stored_form(options["user"]))
        else:
            found = live.filter(workstation=_stored_form(options["workstation"]))
        ids = list(found.values_list("id", flat=True))
        if options["lease"] and not ids:
            raise Refused("lease_not_found", _("There is no live lease %(id)s.") % {"id": options["lease"]})
        count = release(ids, now, COMMAND, options["reason"]) if ids else 0
        self.stdout.write(_("Leases released: %(count)s") % {"count": count})
        return 0


def _stored_form(name: str) -> str:
    return unicodedata.normalize("NFC", name).strip()
