"""Cursors for the engine's batches: the same statements, without what each costs in Django.

On SQLite Django translates the placeholders of every statement anew and wraps every call for errors and
signals; over the dozen short statements of a batch that is a third of their time. On PostgreSQL it merges
parameters into the text, so that the server plans every statement anew; here they are prepared once. And it
waits for every answer, each time with two changes of process; here statements go out one after another, and
the batch waits where it reads (libpq, "Pipeline Mode").
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from django.db.backends.utils import CursorWrapper

from licensing.operations.sets import Rows
from licensing.operations.transactions import Overtaken

_execute = sqlite3.Cursor.execute
_executemany = sqlite3.Cursor.executemany


class SqliteCursor(CursorWrapper):
    """Placeholders are translated once for each statement; errors are the driver's own."""

    def __init__(self, cursor: Any, database: Any) -> None:
        super().__init__(cursor, database)
        self.fetchall = cursor.fetchall
        self.fetchone = cursor.fetchone

    @property
    def rowcount(self) -> int:
        """How many rows the last statement changed."""
        changed: int = self.cursor.rowcount
        return changed

    def execute(self, sql: str, params: Sequence[Any] = ()) -> None:  # type: ignore[override]
        """Run one statement; placeholders are `%s`."""
        _execute(self.cursor, _with_question_marks(sql), params)

    def executemany(self, sql: str, param_list: Iterable[Sequence[Any]]) -> None:  # type: ignore[override]
        """Run one statement for many rows."""
        _executemany(self.cursor, _with_question_marks(sql), param_list)


class PostgresCursor(CursorWrapper):
    """Within a pipeline: nothing waits but reading, and what fails is told by the next that waits.

    Each statement is prepared when it is first run, and planned no more.
    """

    def __init__(self, database: Any) -> None:
        super().__init__(None, database)
        self._expected: list[tuple[Any, int]] = []

    def execute(self, sql: str, params: Sequence[Any] = ()) -> None:  # type: ignore[override]
        """Send one statement; placeholders are `%s`."""
        # A cursor for each: what it answers comes later, perhaps after the next was sent.
        self.cursor = _postgres_cursor(self.db.connection)
        self.cursor.execute(sql, params, prepare=True)

    def ask(self, sql: str, params: Sequence[Any]) -> Rows:
        """Send one statement and give what waits for its rows (`operations.sets.ask`)."""
        self.execute(sql, params)
        rows: Rows = self.cursor.fetchall
        return rows

    def expect(self, count: int) -> None:
        """The last statement must change so many rows (`operations.sets.expect`): see `check`."""
        self._expected.append((self.cursor, count))

    def check(self) -> None:
        """See whether each statement did what was expected, once the pipeline has ended.

        Raises:
            Overtaken: one did not change as many rows as it must.
        """
        if any(cursor.rowcount != count for cursor, count in self._expected):
            raise Overtaken


def _postgres_cursor(connection: Any) -> Any:
    import psycopg

    return psycopg.Cursor(connection)


@contextmanager
def batch_cursor(cursor: CursorWrapper) -> Iterator[CursorWrapper]:
    """The lean cursor beside Django's; an error leaves as Django's own."""
    database = cursor.db
    with database.wrap_database_errors:
        if database.vendor == "sqlite":
            yield SqliteCursor(cursor.cursor, database)
        else:
            with database.connection.pipeline():
                lean = PostgresCursor(database)
                yield lean
            lean.check()


@lru_cache(maxsize=128)
def _with_question_marks(sql: str) -> str:
    return sql % (("?",) * sql.count("%s"))
