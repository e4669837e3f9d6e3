"""Look for what must never be."""

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from licensing.management.portal_command import PortalCommand
from licensing.operations.clock import portal_now
from licensing.operations.errors import Refused
from licensing.operations.invariants import check_invariants


class Command(PortalCommand):
    help = "Looks through leases, seats, deadlines and events, and prints what is wrong."

    def carry_out(self, **options: Any) -> int:
        findings = check_invariants(portal_now())
        for finding in findings:
            self.stdout.write(finding)
        if findings:
            count = len(findings)
            sentence = ngettext("%(count)s finding", "%(count)s findings", count)
            raise Refused("invariants_broken", sentence % {"count": count})
        self.stdout.write(_("Leases, seats, deadlines and events are as they must be."))
        return 0
