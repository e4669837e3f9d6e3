"""How often a batch speaks to its database, and that what goes wrong on the way is told as what it is."""

import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from uuid import uuid4

import pytest
from django.db import DataError, IntegrityError, connection, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper
from django.db.transaction import TransactionManagementError

from licensing.engine.batch import Batches, Kind, Work
from licensing.engine.cursor import lean
from licensing.models import ErpClient
from licensing.operations.errors import Refused
from licensing.operations.lease_values import Checkout, LeaseCall
from licensing.operations.sets import ask, words_of
from licensing.operations.transactions import ATTEMPTS, in_transaction
from tests.factories import NOW, Portal, make_client, module, request

FEW, MANY = 3, 40
# Messages that ask for an answer: for what is locked and what is there, and for all that is written.
WAITS = 2
INSERT = "INSERT INTO licensing_erpclient (name, token_sha256, networks, created_at) VALUES"


def a_batch(batches: Batches, client: ErpClient, given: list[str]) -> list[str]:
    """Return these leases and take as many; gives the new ones."""
    works = [Work(Kind.RETURN, LeaseCall(client.id, lease_id)) for lease_id in given]
    works += [
        Work(Kind.CHECKOUT, request(client, "FAKTURY", "KASA", idempotency_key=uuid4().hex)) for _ in given
    ]
    done = [one.outcome for one in batches.patiently(works)]
    return [outcome.lease.id for outcome in done if isinstance(outcome, Checkout)]


@contextmanager
def waits() -> Iterator[Callable[[], int]]:
    """How often the database was waited for; SQLite: how many statements but for the rows inserted."""
    if connection.vendor == "sqlite":
        seen: list[str] = []
        connection.connection.set_trace_callback(seen.append)
        yield lambda: len([statement for statement in seen if not statement.startswith("INSERT")])
        connection.connection.set_trace_callback(None)
        return
    with tempfile.TemporaryFile() as trace:
        connection.connection.pgconn.trace(trace.fileno())

        def count() -> int:
            connection.connection.pgconn.untrace()
            trace.seek(0)
            # Time, direction, length, name of each message (libpq, "PQtrace").
            sent = [line.split(b"\t") for line in trace if b"\tF\t" in line]
            return sum(words[3].strip() in {b"Flush", b"Sync", b"Query"} for words in sent)

        yield count


@pytest.mark.django_db(transaction=True)
def test_batch_waits_for_the_database_no_more_often_when_it_is_large(portal: Portal) -> None:
    batches, client = Batches(lambda: NOW), make_client()
    portal.accept("5000006622", [module("FAKTURY", 2 * MANY), module("KASA", 2 * MANY)])
    works = [Work(Kind.CHECKOUT, request(client, "FAKTURY", "KASA")) for _ in range(MANY)]
    given = [one.outcome.lease.id for one in batches.patiently(works)]
    given = a_batch(batches, client, given)
    seen = []
    for size in (FEW, MANY):
        with waits() as count:
            again = a_batch(batches, client, given[:size])
            seen.append(count())
        assert len(again) == size
        given = given[size:] + again
    if connection.vendor == "postgresql":
        assert seen == [WAITS, WAITS]
    else:
        assert seen[0] == seen[1]


def nothing() -> None:
    pass


def a_cursor(sent: Callable[[], None] = nothing) -> AbstractContextManager[CursorWrapper]:
    """As a batch has it, in a transaction of its own."""
    return lean(is_outermost=True, sent=sent)


def clients() -> int:
    with a_cursor() as cursor:
        ((count,),) = ask(cursor, "SELECT COUNT(*) FROM licensing_erpclient", ())()
    return int(count)


def insert_clients(names: list[str]) -> None:
    with a_cursor() as cursor:
        for name in names:
            cursor.execute(f"{INSERT} (%s, %s, '[]', CURRENT_TIMESTAMP)", [name, name])


@pytest.mark.django_db(transaction=True)
def test_what_the_database_refuses_is_told_at_the_end_and_rolls_the_batch_back() -> None:
    with pytest.raises(IntegrityError):
        insert_clients(["one", "two", "one"])
    assert clients() == 0
    insert_clients(["one"])
    assert clients() == 1


@pytest.mark.django_db(transaction=True)
def test_an_error_within_keeps_nothing_and_leaves_a_connection_that_works() -> None:
    with suppress(ZeroDivisionError), a_cursor() as cursor:
        cursor.execute("DELETE FROM licensing_installation")
        make_client()
        raise ZeroDivisionError
    assert clients() == 0
    assert not connection.in_atomic_block
    assert connection.get_autocommit()
    with transaction.atomic():
        make_client()
    assert clients() == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("when", ["before it", "before its commit"])
def test_batch_whose_connection_is_lost_is_done_once_more(when: str) -> None:
    lost: list[str] = []

    def lose() -> None:
        if not lost:
            lost.append(when)
            cut_off(connection)

    def insert(cursor: CursorWrapper) -> str:
        cursor.execute(f"{INSERT} ('one', '1', '[]', CURRENT_TIMESTAMP)")
        if when == "before its commit":
            ask(cursor, "SELECT 1", ())()
            lose()
        return "done"

    clients()
    if when == "before it":
        lose()
    assert in_transaction(insert, partial(lean, sent=nothing)) == "done"
    assert (clients(), lost) == (1, [when])
    assert not connection.in_atomic_block


def cut_off(lost: BaseDatabaseWrapper) -> None:
    """End the connection as its server would; SQLite has no server that could."""
    if lost.vendor == "postgresql":
        with ThreadPoolExecutor(1) as other:
            other.submit(_terminate, lost.connection.info.backend_pid).result()


def _terminate(backend: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [backend])
    connection.close()


@pytest.mark.django_db(transaction=True)
def test_atomic_blocks_within_take_part() -> None:
    with a_cursor() as cursor, suppress(IntegrityError), transaction.atomic():
        cursor.execute(f"{INSERT} ('one', '1', '[]', CURRENT_TIMESTAMP)")
        with suppress(ZeroDivisionError), transaction.atomic():
            make_client()
            raise ZeroDivisionError
        make_client()
    assert clients() == 2


@pytest.mark.django_db(transaction=True)
def test_an_error_that_was_passed_over_keeps_nothing() -> None:
    # On SQLite Django's own block says nothing of it.
    with suppress(TransactionManagementError), a_cursor():
        make_client()
        transaction.set_rollback(True)
    assert clients() == 0


@pytest.mark.django_db(transaction=True)
def test_a_statement_whose_error_was_passed_over_lets_no_commit_be_believed() -> None:
    def passing_over() -> None:
        with a_cursor() as cursor:
            make_client()
            with suppress(Exception):
                ask(cursor, "SELECT CAST(%s AS integer) / 0 FROM nowhere", ["1"])()

    if connection.vendor == "postgresql":
        # Every other statement was rolled back with it, and COMMIT would say nothing of that.
        with pytest.raises(TransactionManagementError):
            passing_over()
        assert clients() == 0
    else:
        passing_over()
        assert clients() == 1


@pytest.mark.django_db(transaction=True)
def test_what_others_ask_comes_after_what_was_sent() -> None:
    with a_cursor() as cursor:
        cursor.execute(f"{INSERT} ('one', '1', '[]', CURRENT_TIMESTAMP)")
        assert ErpClient.objects.count() == 1
        ErpClient.objects.update(name="two")
        assert ask(cursor, "SELECT name FROM licensing_erpclient", ())() == [("two",)]
    assert clients() == 1


@pytest.mark.django_db(transaction=True)
def test_what_is_sent_is_told_before_the_commit_is_waited_for() -> None:
    told: list[str] = []
    with a_cursor(lambda: told.append("sent")):
        make_client()
        assert told == []
    assert told == ["sent"]


@pytest.mark.django_db(transaction=True)
def test_update_that_changes_more_or_fewer_rows_than_it_must_is_tried_again_and_keeps_nothing() -> None:
    attempts: list[int] = []

    def change(count: int, cursor: CursorWrapper) -> str:
        attempts.append(count)
        cursor.execute(f"{INSERT} ('one', '1', '[]', CURRENT_TIMESTAMP)")
        words_of(cursor).change(cursor, "UPDATE licensing_erpclient SET name = %s", ["two"], count)
        return "done"

    for count in (0, 2):
        with pytest.raises(Refused, match="unavailable"):
            in_transaction(partial(change, count), partial(lean, sent=nothing))
        assert attempts == [count] * ATTEMPTS
        assert clients() == 0
        attempts.clear()
    assert in_transaction(partial(change, 1), partial(lean, sent=nothing)) == "done"
    assert (attempts, clients()) == ([1], 1)


@pytest.mark.django_db(transaction=True)
def test_a_value_that_does_not_fit_is_no_overtaking() -> None:
    attempts: list[str] = []

    def insert(cursor: CursorWrapper) -> None:
        attempts.append("once")
        if connection.vendor == "sqlite":
            # It takes texts of any length.
            raise DataError
        cursor.execute(f"{INSERT} ('one', %s, '[]', CURRENT_TIMESTAMP)", ["1" * 1000])

    with pytest.raises(DataError):
        in_transaction(insert, partial(lean, sent=nothing))
    assert attempts == ["once"]


@pytest.mark.django_db(transaction=True)
def test_answers_can_be_read_in_any_order() -> None:
    with a_cursor() as cursor:
        first = ask(cursor, "SELECT 1", ())
        cursor.execute("SELECT 4")
        second = ask(cursor, "SELECT CAST(%s AS integer)", [2])
        assert (second(), first()) == ([(2,)], [(1,)])
