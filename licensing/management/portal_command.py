"""What all commands share: how a refusal, a wrong setting or a lost database is told."""

import os
import sys
from abc import abstractmethod
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.db import DatabaseError
from django.utils import translation
from django.utils.translation import gettext as _

from licensing import logs
from licensing.models.sealed import SealBroken
from licensing.operations.database import why_unreachable
from licensing.operations.errors import Refused
from licensing.serving.data_folder import file_unusable, is_served, lock, open_folder
from licensing.serving.prepare import is_current, migrate, prepare


class PortalCommand(BaseCommand):
    """A command of the portal: prints what it did and exits 0, or one line of error and exits 1."""

    requires_system_checks: list[str] = []
    # Whether the command works on the portal's database, which must then be there, and with its key file.
    needs_database = True
    needs_installation = True

    @abstractmethod
    def carry_out(self, **options: Any) -> int:
        """Do the work; the exit status is returned.

        Raises:
            Refused: told in one line that begins with its code.
        """

    def handle(self, *args: Any, **options: Any) -> None:
        """Carry the command out and translate what went wrong."""
        with translation.override(language()):
            try:
                status = self._prepared(**options)
            except Refused as refusal:
                status = self.fail(refusal.code, refusal.detail)
            except SealBroken as error:
                status = self.fail("key_file_wrong", error)
            except DatabaseError as error:
                status = self.fail("unavailable", _database_sentence(error))
            except OSError as error:
                unusable = file_unusable(error, settings.KEYMANAGER.data)
                status = self.fail(unusable.code, unusable.detail)
            except KeyboardInterrupt:
                status = 130
        if status:
            sys.exit(status)

    def fail(self, code: str, detail: object) -> int:
        """Print one line of error and return the exit status."""
        line = " ".join(f"{code}: {detail}".split()) if detail else code
        self.stderr.write(line)
        return 1

    def _prepared(self, **options: Any) -> int:
        open_folder(settings.KEYMANAGER.data)
        if self.needs_database and not is_current():
            if is_served(settings.KEYMANAGER.data):
                sentence = _("The database is of another version than this command. Start the portal again.")
                raise Refused("database_not_current", sentence)
            # The command comes before the first `serve`.
            with lock(settings.KEYMANAGER.data):
                (prepare if self.needs_installation else migrate)(lambda line: None)
        logs.apply_level(logs.configured_level() or 0)
        return self.carry_out(**options)


def _database_sentence(error: DatabaseError) -> str:
    cause = why_unreachable(error)
    if cause:
        sentence = _("KEYMANAGER_DATABASE_URL: the database that it names cannot be reached: %(cause)s")
        return sentence % {"cause": cause}
    return _("The database cannot be used: %(error)s") % {"error": first_line(error)}


def first_line(error: BaseException) -> str:
    """The first line of an error's text."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def language() -> str:
    """Polish where the shell speaks Polish, else English."""
    wanted = next(filter(None, (os.environ.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))), "")
    return "pl" if wanted.lower().startswith("pl") else "en"


__all__ = ["CommandParser", "PortalCommand"]
