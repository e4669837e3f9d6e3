"""How often a batch speaks to its database, and that what goes wrong on the way is told as what it is."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.backends.utils import CursorWrapper

from licensing.engine.batch import Batches, Kind, Work
from licensing.engine.cursor import batch_cursor
from licensing.models import ErpClient
from licensing.operations.lease_values import Checkout, LeaseCall
from licensing.operations.sets import ask
from tests.factories import NOW, Portal, make_client, module, request

FEW, MANY = 3, 40
# Messages that ask for an answer: begin; version and locks; what is there; the end of the pipeline, with all
# that is written, which takes two; commit.
MOST_WAITS = 6


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
        # One fewer where rows that are asked for later have come with those before.
        assert max(seen) <= MOST_WAITS
        assert max(seen) - min(seen) <= 1
    else:
        assert seen[0] == seen[1]


@contextmanager
def a_cursor() -> Iterator[CursorWrapper]:
    """As a batch has it, in a transaction of its own."""
    with transaction.atomic(), connection.cursor() as django_cursor, batch_cursor(django_cursor) as cursor:
        yield cursor


def insert_clients(names: list[str]) -> None:
    with a_cursor() as cursor:
        for name in names:
            cursor.execute(
                "INSERT INTO licensing_erpclient (name, token_sha256, networks, created_at)"
                " VALUES (%s, %s, '[]', CURRENT_TIMESTAMP)",
                [name, name],
            )


@pytest.mark.django_db(transaction=True)
def test_what_the_database_refuses_is_told_at_the_end_and_rolls_the_batch_back() -> None:
    with pytest.raises(IntegrityError):
        insert_clients(["one", "two", "one"])
    with a_cursor() as cursor:
        assert ask(cursor, "SELECT COUNT(*) FROM licensing_erpclient", ())() == [(0,)]


@pytest.mark.django_db(transaction=True)
def test_answers_can_be_read_in_any_order() -> None:
    with a_cursor() as cursor:
        first = ask(cursor, "SELECT 1", ())
        cursor.execute("SELECT 4")
        second = ask(cursor, "SELECT %s", [2])
        assert (second(), first()) == ([(2,)], [(1,)])
