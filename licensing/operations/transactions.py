"""One transaction for a piece of work, tried again where the database asks for it."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TypeVar

from django.db import DataError, IntegrityError, InterfaceError, OperationalError, connection, transaction
from django.db.backends.utils import CursorWrapper

from .errors import Refused

Result = TypeVar("Result")
# Opens a transaction, or takes part in the one under way (`plain`).
Opened = Callable[..., AbstractContextManager[CursorWrapper]]
ATTEMPTS = 5
RETRY_AFTER_SECONDS = 1
LONGEST_WAIT_SECONDS = 5
# SQLite has one writer, and serves those who wait for it unfairly: threads of one process queue up here.
_turn = threading.Lock()
# PostgreSQL: serialization failure, deadlock.
_ASKS_AGAIN = {"40001", "40P01"}
# PostgreSQL: no lock within lock_timeout, query cancelled.
_BUSY = {"55P03", "57014"}


# PostgreSQL: division by zero (see `sets.PostgresWords.change`).
OVERTAKEN = "22012"


class Overtaken(Exception):
    """What was read before the locks is no longer so: do it all again."""


class Contended(Refused):
    """`unavailable`, though the database can be had: each attempt was overtaken."""


@contextmanager
def plain(*, is_outermost: bool) -> Iterator[CursorWrapper]:
    """Django's own cursor, in a transaction."""
    with transaction.atomic() if is_outermost else nullcontext(), connection.cursor() as cursor:
        yield cursor


def in_transaction(work: Callable[[CursorWrapper], Result], opened: Opened = plain) -> Result:
    """Do `work` in a transaction of its own; again after a deadlock, a lost connection or an overtaking.

    Within another transaction it is done once, as part of it. `opened` opens the transaction.

    Raises:
        Refused: `unavailable` with `retry_after` seconds: the database cannot be reached or stays locked.
    """
    if connection.in_atomic_block:
        with opened(is_outermost=False) as cursor:
            return work(cursor)
    for attempt in range(ATTEMPTS):
        try:
            with _our_turn(), opened(is_outermost=True) as cursor:
                return work(cursor)
        except (Overtaken, IntegrityError, DataError) as error:
            # An idempotency key that another process stored meanwhile is such an error too.
            if isinstance(error, DataError) and getattr(error.__cause__, "sqlstate", None) != OVERTAKEN:
                raise
            if attempt == ATTEMPTS - 1:
                raise Contended("unavailable", retry_after=RETRY_AFTER_SECONDS) from error
        except (OperationalError, InterfaceError) as error:
            _refuse_unless_worth_another_try(error, attempt)
    raise AssertionError("the last attempt returns or raises")


@contextmanager
def snapshot() -> Iterator[CursorWrapper]:
    """For reading alone: all of it is as it was at one moment, and nobody waits for it.

    Within another transaction it is part of that.
    """
    with connection.cursor() as cursor:
        if connection.in_atomic_block:
            yield cursor
        elif connection.vendor == "sqlite":
            # Django's own would be IMMEDIATE, which keeps every writer away.
            cursor.execute("BEGIN")
            try:
                yield cursor
            finally:
                cursor.execute("ROLLBACK")
        else:
            with transaction.atomic():
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
                yield cursor


@contextmanager
def _our_turn() -> Iterator[None]:
    if connection.vendor != "sqlite":
        yield
    elif _turn.acquire(timeout=LONGEST_WAIT_SECONDS):
        try:
            yield
        finally:
            _turn.release()
    else:
        raise unavailable()


def _waited_for(error: Exception) -> bool:
    """Whether there was no connection to lose: its pool has waited for one as long as anybody may."""
    from psycopg_pool import PoolTimeout

    return isinstance(error.__cause__, PoolTimeout)


def unavailable() -> Refused:
    """The refusal of a call that the database cannot serve now."""
    return Refused("unavailable", retry_after=RETRY_AFTER_SECONDS)


def _refuse_unless_worth_another_try(error: Exception, attempt: int) -> None:
    state = getattr(error.__cause__, "sqlstate", None)
    if state in _ASKS_AGAIN and attempt < ATTEMPTS - 1:
        return
    lost = connection.vendor == "postgresql" and state not in _BUSY and not _waited_for(error)
    connection.close()
    if lost and attempt == 0:
        return
    raise unavailable() from error
