"""A transaction that one thread writes and another commits."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta

import pytest
from django.db import DEFAULT_DB_ALIAS, connection, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from licensing.engine.open_transaction import OpenTransaction
from licensing.models import Event
from tests.factories import NOW

pytestmark = [pytest.mark.sqlite_only, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def database() -> BaseDatabaseWrapper:
    """The wrapper itself, which is the same on every thread."""
    found = connections[DEFAULT_DB_ALIAS]
    found.ensure_connection()
    return found


def make_event(subject: str) -> None:
    Event.objects.create(at=NOW + timedelta(seconds=1), kind="test", actor="", subject=subject, data={})


def seen_elsewhere() -> set[str]:
    """The events that another connection sees."""

    def look() -> set[str]:
        try:
            return set(Event.objects.filter(kind="test").values_list("subject", flat=True))
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(look).result()


def test_what_is_written_is_kept_once_another_thread_commits(database: BaseDatabaseWrapper) -> None:
    with OpenTransaction(database) as opened:
        make_event("one")
    assert seen_elsewhere() == set()
    with ThreadPoolExecutor(1) as thread:
        thread.submit(opened.commit).result()
    assert seen_elsewhere() == {"one"}
    with transaction.atomic():
        make_event("two")
    assert seen_elsewhere() == {"one", "two"}


def test_an_error_within_keeps_nothing(database: BaseDatabaseWrapper) -> None:
    with suppress(ZeroDivisionError), OpenTransaction(database):
        make_event("one")
        raise ZeroDivisionError
    make_event("two")
    assert seen_elsewhere() == {"two"}


def test_atomic_within_takes_part(database: BaseDatabaseWrapper) -> None:
    with OpenTransaction(database) as opened:
        make_event("one")
        with suppress(ZeroDivisionError), transaction.atomic():
            make_event("two")
            raise ZeroDivisionError
        assert connection.in_atomic_block
    opened.commit()
    assert seen_elsewhere() == {"one"}


def test_an_error_that_was_passed_over_keeps_nothing(database: BaseDatabaseWrapper) -> None:
    opened = OpenTransaction(database)
    opened.__enter__()
    make_event("one")
    with suppress(ZeroDivisionError), transaction.atomic(savepoint=False):
        raise ZeroDivisionError
    with pytest.raises(transaction.TransactionManagementError):
        opened.__exit__(None, None, None)
    assert seen_elsewhere() == set()


def test_a_commit_that_fails_keeps_nothing_and_leaves_the_connection_usable(
    database: BaseDatabaseWrapper,
) -> None:
    with OpenTransaction(database) as opened, database.cursor() as cursor:
        make_event("one")
        # Looked at when it commits (SQLite, "PRAGMA defer_foreign_keys").
        cursor.execute("PRAGMA defer_foreign_keys = ON")
        cursor.execute("INSERT INTO licensing_seat (module_id, number) VALUES (-1, 1)")
    with pytest.raises(Exception, match="FOREIGN KEY"):
        opened.commit()
    make_event("two")
    assert seen_elsewhere() == {"two"}


class Broken:
    """A connection of which nothing more can be had."""

    def __init__(self) -> None:
        self.is_closed = False

    def commit(self) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    rollback = commit

    def close(self) -> None:
        self.is_closed = True


def test_a_connection_that_cannot_even_roll_back_is_replaced(database: BaseDatabaseWrapper) -> None:
    opened, good, broken = OpenTransaction(database), database.connection, Broken()
    database.connection = broken
    with pytest.raises(sqlite3.OperationalError):
        opened.commit()
    assert broken.is_closed
    assert database.connection is None
    good.close()
    make_event("one")
    assert seen_elsewhere() == {"one"}
