"""Look for what must never be."""

from typing import Any

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
            raise Refused("invariants_broken", f"{len(findings)} findings")
        self.stdout.write("Leases, seats, deadlines and events are as they must be.")
        return 0
