"""Transactions that Django's `atomic` cannot hold: it begins and commits at once, and on one thread."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

from django.db import Error
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.transaction import TransactionManagementError


@contextmanager
def within_block(database: BaseDatabaseWrapper) -> Iterator[None]:
    """Let Django believe that it is in an atomic block, so that what uses `atomic` within takes part.

    Where the block fails, the transaction under way is rolled back.
    """
    database.in_atomic_block, database.autocommit = True, False
    is_done = False
    try:
        yield
        refuse_broken(database)
        is_done = True
    finally:
        database.in_atomic_block, database.autocommit, database.needs_rollback = False, True, False
        if not is_done:
            _roll_back(database)


def _roll_back(database: BaseDatabaseWrapper) -> None:
    try:
        with database.wrap_database_errors:
            database.connection.rollback()
    except Error:
        # What went wrong before is what counts; the connection is of no use any more.
        database.close()


def refuse_broken(database: BaseDatabaseWrapper) -> None:
    """Before a commit.

    Raises:
        TransactionManagementError: an error within the block was passed over; nothing of it may be kept.
    """
    if database.needs_rollback:
        raise broken()


def broken() -> TransactionManagementError:
    """Something within a block failed, and whoever asked for it went on."""
    return TransactionManagementError("an error within the block was passed over")


class OpenTransaction:
    """What is within the block is one transaction (SQLite); it stays open after it, until `commit`.

    Nobody else may use the connection before `commit`.

    Raises:
        OperationalError: another process holds the database's write lock.
    """

    def __init__(self, database: BaseDatabaseWrapper) -> None:
        self._database = database
        self._block = within_block(database)

    def __enter__(self) -> "OpenTransaction":
        database = self._database
        with database.wrap_database_errors:
            database.connection.execute("BEGIN IMMEDIATE")
        self._block.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._block.__exit__(kind, error, trace)

    def commit(self) -> None:
        """Commit, on whichever thread; where that fails nothing is kept."""
        own = self._database.connection
        try:
            own.commit()
        except BaseException:
            try:
                own.rollback()
            except sqlite3.Error:
                # It would hold the write lock for ever: Django is to make another.
                own.close()
                self._database.connection = None
            raise
