"""Run the portal: web server and worker, supervised; with --demo the reference authority too."""

import argparse
from typing import Any

from licensing.management.portal_command import CommandParser, PortalCommand
from licensing.serving.serve import Options, serve


def port(text: str) -> int:
    """A port's number, 1 to 65535."""
    number = int(text)
    if not 1 <= number <= 65535:
        raise argparse.ArgumentTypeError(f"{number} is no port from 1 to 65535")
    return number


class Command(PortalCommand):
    help = "Runs the portal: prepares the database, then runs and supervises the web server and the worker."
    needs_database = False

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (%(default)s)")
        parser.add_argument("--port", type=port, default=8000, help="the port to listen on (%(default)s)")
        parser.add_argument("--demo", action="store_true", help="with a reference authority and made-up keys")
        parser.add_argument("--authority-port", type=port, default=9400, help="its port (%(default)s)")

    def carry_out(self, **options: Any) -> int:
        authority_port = options["authority_port"] if options["demo"] else None
        serve(Options(options["host"], options["port"], authority_port), self.tell)
        return 0

    def tell(self, line: str) -> None:
        """Print a line at once; whoever closed our output does not stop the portal."""
        try:
            self.stdout.write(line)
            self.stdout.flush()
        except OSError:
            pass
