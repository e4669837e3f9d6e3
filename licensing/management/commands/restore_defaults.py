"""Put every setting of the Configuration back to its default."""

from typing import Any

from django.utils.translation import gettext as _

from licensing.management.portal_command import PortalCommand
from licensing.operations.actors import COMMAND
from licensing.operations.clock import portal_now
from licensing.operations.configuration import restore_defaults


class Command(PortalCommand):
    help = "Puts every setting back to its default and prints which ones changed."

    def carry_out(self, **options: Any) -> int:
        changes = restore_defaults(portal_now(), COMMAND)
        for change in changes:
            values = "" if change.before is change.after is None else f": {change.before} → {change.after}"
            self.stdout.write(f"{change.field}{values}")
        told = _("Settings put back to their defaults: %(count)s")
        self.stdout.write(told % {"count": len(changes)})
        return 0
