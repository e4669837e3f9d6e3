"""Prepare the data folder and the database as `serve` does before it starts anything."""

from typing import Any

from django.conf import settings

from licensing.management.portal_command import CommandParser, PortalCommand
from licensing.operations.clock import known_now, portal_now
from licensing.operations.cluster import join
from licensing.operations.users import first_run_token
from licensing.serving.demo_portal import furnish
from licensing.serving.demo_settings import kept_demo
from licensing.serving.prepare import prepare


class Command(PortalCommand):
    help = "Prepares database, installation and static files; `serve` does it at every start."
    needs_database = False

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--demo", action="store_true", help="with what `serve --demo` has in the portal")

    def carry_out(self, **options: Any) -> int:
        prepare(self._tell)
        join(portal_now())
        if options["demo"]:
            furnish(kept_demo(settings.KEYMANAGER.data), known_now())
        elif token := first_run_token():
            self._tell(f"There is no administrator yet. The one-time token for the first-run page: {token}")
        return 0

    def _tell(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()
