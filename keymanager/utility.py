"""Django's command line; a command that does not exist is told as other wrong usage is."""

import sys

from django.core.management import ManagementUtility, get_commands
from django.core.management.base import BaseCommand


class Utility(ManagementUtility):
    """Runs a command of the portal or of Django; one that there is not is a line of error and status 2."""

    def fetch_command(self, subcommand: str) -> BaseCommand:
        """The command of that name."""
        if subcommand not in get_commands():
            line = f"unknown_command: there is no command {subcommand!r}; manage.py help lists them all"
            print(line, file=sys.stderr)
            sys.exit(2)
        return super().fetch_command(subcommand)
