"""A cursor for the engine's batches on SQLite: the same statements, without what each costs in Django.

Django translates the placeholders of every statement anew, and wraps every call for errors and signals;
over the dozen short statements of a batch that is a third of their time.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from django.db.backends.utils import CursorWrapper

_execute = sqlite3.Cursor.execute
_executemany = sqlite3.Cursor.executemany


class BatchCursor(CursorWrapper):
    """What the lease operations use of a cursor. Errors are the driver's: see `wrap_database_errors`."""

    def __init__(self, cursor: CursorWrapper) -> None:
        super().__init__(cursor.cursor, cursor.db)
        self.fetchall = cursor.cursor.fetchall
        self.fetchone = cursor.cursor.fetchone

    def execute(self, sql: str, params: Sequence[Any] = ()) -> None:  # type: ignore[override]
        """Run one statement; placeholders are `%s`."""
        _execute(self.cursor, _with_question_marks(sql), params)

    def executemany(self, sql: str, param_list: Iterable[Sequence[Any]]) -> None:  # type: ignore[override]
        """Run one statement for many rows."""
        _executemany(self.cursor, _with_question_marks(sql), param_list)

    @property
    def rowcount(self) -> int:
        """How many rows the last statement changed."""
        changed: int = self.cursor.rowcount
        return changed


@lru_cache(maxsize=128)
def _with_question_marks(sql: str) -> str:
    return sql % (("?",) * sql.count("%s"))
