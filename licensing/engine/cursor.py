"""Cursors for the engine's batches: the same statements, without what each costs in Django.

On SQLite Django translates the placeholders of every statement anew and wraps every call for errors and
signals; over the dozen short statements of a batch that is a third of their time. On PostgreSQL it merges
parameters into the text, so that the server plans every statement anew; here they are prepared once. And it
waits for every answer, each time with two changes of process; here statements go out together, and the batch
waits where it reads (`pipeline`).
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

from licensing.operations.sets import Row, Rows
from licensing.operations.transactions import plain

from .open_transaction import broken, refuse_broken, within_block

if TYPE_CHECKING:
    from .pipeline import Answer

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
    """Nothing waits but reading, and what fails is told by the next that waits (`pipeline.Pipeline`)."""

    _last: "Answer"

    def __init__(self, database: Any) -> None:
        # Not loaded where nobody needs it.
        from .pipeline import Pipeline

        super().__init__(None, database)
        self.pipeline = Pipeline(database.connection)

    def execute(self, sql: str, params: Sequence[Any] = ()) -> None:  # type: ignore[override]
        """Send one statement; placeholders are `%s`."""
        self._last = self.pipeline.send(_with_numbers(sql), params)

    def ask(self, sql: str, params: Sequence[Any]) -> Rows:
        """Send one statement and give what waits for its rows (`operations.sets.ask`)."""
        return self.pipeline.send(_with_numbers(sql), params).rows

    def fetchall(self) -> list[Row]:
        """The rows of the last statement."""
        return self._last.rows()

    def start(self) -> None:
        """Let the server begin (`operations.sets.start`)."""
        self.pipeline.start()

    @contextmanager
    def beside_others(self) -> Iterator[None]:
        """Whatever else asks the database, asks it after what was sent here."""

        def settled(execute: Callable[..., Any], *asked: Any) -> Any:
            self.pipeline.settle()
            return execute(*asked)

        try:
            with self.db.execute_wrapper(settled):
                yield
                self.pipeline.settle()
        except BaseException:
            self.pipeline.give_up()
            raise


@contextmanager
def lean(*, is_outermost: bool, sent: Callable[[], None]) -> Iterator[CursorWrapper]:
    """The lean cursor in a transaction (`operations.transactions.in_transaction`).

    `sent` is called when nothing is left but to wait for the commit.
    """
    if connection.vendor == "postgresql" and is_outermost:
        database = connections[DEFAULT_DB_ALIAS]
        # As Django does for a cursor of its own.
        database.close_if_health_check_failed()
        database.ensure_connection()
        with _pipelined(database, sent) as pipelined:
            yield pipelined
    else:
        with plain(is_outermost=is_outermost) as usual:
            with batch_cursor(usual) as cursor:
                yield cursor
            sent()


@contextmanager
def batch_cursor(cursor: CursorWrapper) -> Iterator[CursorWrapper]:
    """The lean cursor beside Django's, within a transaction; an error leaves as Django's own."""
    database = cursor.db
    with database.wrap_database_errors:
        if database.vendor == "sqlite":
            yield SqliteCursor(cursor.cursor, database)
        else:
            sending = PostgresCursor(database)
            with sending.beside_others():
                yield sending


@contextmanager
def _pipelined(database: BaseDatabaseWrapper, sent: Callable[[], None]) -> Iterator[PostgresCursor]:
    """A transaction whose beginning and end are sent along with its statements, and not waited for alone.

    Where one of those fails, PostgreSQL passes over all that comes after it, and the commit too.
    """
    with within_block(database), database.wrap_database_errors:
        cursor = PostgresCursor(database)
        cursor.execute("BEGIN")
        with cursor.beside_others():
            yield cursor
            refuse_broken(database)
            end = cursor.pipeline.send("COMMIT", ())
            cursor.pipeline.begin_to_settle()
            try:
                sent()
            finally:
                cursor.pipeline.end_settling()
            # PostgreSQL rolls back without a word of error where one within the block was passed over.
            if end.tag != "COMMIT":
                raise broken()


@lru_cache(maxsize=128)
def _with_numbers(sql: str) -> str:
    return sql % tuple(f"${place + 1}" for place in range(sql.count("%s")))


@lru_cache(maxsize=128)
def _with_question_marks(sql: str) -> str:
    return sql % (("?",) * sql.count("%s"))
