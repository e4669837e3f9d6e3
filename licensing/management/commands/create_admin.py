"""Make an administrator of the pages."""

import getpass
import secrets
import sys
from typing import Any

from django.utils.translation import gettext as _

from licensing.management.portal_command import CommandParser, PortalCommand
from licensing.models import Role
from licensing.operations.actors import COMMAND
from licensing.operations.clock import portal_now
from licensing.operations.errors import Refused
from licensing.operations.users import create_user


class Command(PortalCommand):
    help = "Makes an administrator, who may log in to the pages at once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--username", default="admin", help="the log-in name (%(default)s)")
        parser.add_argument("--email", default="", help="where the administrator is written to")
        parser.add_argument("--password", help="better left out: asked for, or read from standard input")

    def carry_out(self, **options: Any) -> int:
        password = options["password"] or _ask()
        made = password or secrets.token_urlsafe(12)
        user = create_user(
            portal_now(), COMMAND, options["username"], made, Role.ADMINISTRATOR, options["email"]
        )
        self.stdout.write(_("Administrator %(name)s created.") % {"name": user.get_username()})
        if not password:
            self.stdout.write(_("Password, shown this once:"))
            self.stdout.write(made)
        return 0


def _ask() -> str:
    """The password typed twice at a terminal, or the first line of standard input; empty where none is."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    password = getpass.getpass("Password: ")
    if getpass.getpass("Once more: ") != password:
        raise Refused("passwords_differ", _("The two passwords are not the same."))
    return password
