"""Test the connection to the vendor step by step."""

from typing import Any

from licensing.management.contact_lines import require_good, tell_lines
from licensing.management.portal_command import PortalCommand
from licensing.operations.actors import COMMAND
from licensing.operations.clock import portal_now
from licensing.operations.diagnosis import diagnose, step_sentence, step_title
from licensing.operations.errors import Refused
from licensing.vendor.diagnosis import Step


class Command(PortalCommand):
    help = "Contacts the vendor step by step, up to the first step that fails, and says what to do about it."

    _failed: Step | None = None

    def carry_out(self, **options: Any) -> int:
        report = diagnose(portal_now, COMMAND, self._tell)
        tell_lines(report, self.stdout.write)
        require_good(report)
        if self._failed is not None:
            # The contact was good all the same, e.g. where only the clock is wrong.
            raise Refused(self._failed.code or "failed", step_sentence(self._failed))
        return 0

    def _tell(self, step: Step) -> None:
        verdict = "ok" if step.ok else step.code
        self.stdout.write(f"{step_title(step.name)}: {verdict} ({step.seconds * 1000:.0f} ms)")
        self.stdout.flush()
        if not step.ok:
            self._failed = step
