"""Run the worker alone, e.g. under systemd; `serve` runs and supervises one itself."""

from typing import Any

from licensing.management.portal_command import PortalCommand
from licensing.serving.worker import run


class Command(PortalCommand):
    help = "Runs the worker: contacts, mails, tidying. `serve` runs one itself."

    def carry_out(self, **options: Any) -> int:
        return 0 if run() else 1
