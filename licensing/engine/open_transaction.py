"""A transaction that one thread writes and another commits (SQLite)."""

from types import TracebackType

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.transaction import TransactionManagementError


class OpenTransaction:
    """What is within the block is one transaction; it stays open after it, until `commit`.

    Django's `atomic` commits on the thread that began it. Within the block Django believes itself in such a
    block, so that what uses `atomic` there takes part. Nobody else may use the connection before `commit`.

    Raises:
        OperationalError: another process holds the database's write lock.
    """

    def __init__(self, database: BaseDatabaseWrapper) -> None:
        self._database = database

    def __enter__(self) -> "OpenTransaction":
        database = self._database
        with database.wrap_database_errors:
            database.connection.execute("BEGIN IMMEDIATE")
        database.in_atomic_block, database.autocommit = True, False
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        database = self._database
        is_broken, database.needs_rollback = database.needs_rollback, False
        database.in_atomic_block, database.autocommit = False, True
        if error is not None or is_broken:
            database.connection.rollback()
        if error is None and is_broken:
            raise TransactionManagementError("an error within the block was passed over")

    def commit(self) -> None:
        """Commit, on whichever thread; where that fails nothing is kept."""
        try:
            self._database.connection.commit()
        except BaseException:
            self._database.connection.rollback()
            raise
