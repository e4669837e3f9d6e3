"""Run the portal: web server and worker, supervised; with --demo the reference authority too."""

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from licensing.serving.serve import add_arguments, main


class Command(BaseCommand):
    help = "Runs the portal: prepares the database, then runs and supervises web server and worker."

    def add_arguments(self, parser: CommandParser) -> None:
        add_arguments(parser)

    def run_from_argv(self, argv: list[str]) -> None:
        """Leave it to the program that `manage.py serve` is without Django."""
        sys.exit(main(argv[2:]))

    def handle(self, *args: Any, **options: Any) -> None:
        """Called by code: `serve` takes signals, so it is a program and no function."""
        raise SystemExit("serve is a program: run `manage.py serve`")
