"""Statements that are sent together: what is sent, what is told of it, and the connection afterwards."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, date, datetime

import psycopg
import pytest
from psycopg.pq import TransactionStatus

from licensing.engine.pipeline import Pipeline

Connection = psycopg.Connection[tuple[object, ...]]


@pytest.fixture
def connection(postgresql_url: str) -> Iterator[Connection]:
    """A connection in a transaction, with a table that goes away with it."""
    with psycopg.connect(postgresql_url) as connected:
        connected.execute("CREATE TEMPORARY TABLE thing (id bigint PRIMARY KEY, word text)")
        yield connected
        if not connected.closed:
            connected.rollback()


def insert(pipeline: Pipeline, *ids: int) -> None:
    for number in ids:
        pipeline.send("INSERT INTO thing VALUES ($1, $2)", [number, f"word {number}"])


def prepared(connection: Connection) -> list[str]:
    rows = connection.execute(
        "SELECT statement FROM pg_prepared_statements WHERE name LIKE 'lease%'"
    ).fetchall()
    return [str(statement) for (statement,) in rows]


def test_nothing_is_sent_before_somebody_waits(connection: Connection) -> None:
    pipeline = Pipeline(connection)
    insert(pipeline, 1)
    assert connection.execute("SELECT COUNT(*) FROM thing").fetchall() == [(0,)]
    assert pipeline.send("SELECT COUNT(*) FROM thing", ()).rows() == [(1,)]


def test_what_is_started_is_carried_out_before_what_comes_later(connection: Connection) -> None:
    pipeline = Pipeline(connection)
    insert(pipeline, 1)
    first = pipeline.send("SELECT COUNT(*) FROM thing", ())
    pipeline.start()
    insert(pipeline, 2)
    second = pipeline.send("SELECT COUNT(*) FROM thing", ())
    pipeline.start()
    pipeline.start()
    assert (second.rows(), first.rows()) == ([(2,)], [(1,)])
    assert connection.execute("SELECT COUNT(*) FROM thing").fetchall() == [(2,)]


def test_each_statement_is_prepared_once_for_a_connection(connection: Connection) -> None:
    for number in range(3):
        pipeline = Pipeline(connection)
        insert(pipeline, 2 * number, 2 * number + 1)
        pipeline.settle()
    assert prepared(connection) == ["INSERT INTO thing VALUES ($1, $2)"]


def test_statement_that_failed_is_told_and_leaves_a_connection_that_works(connection: Connection) -> None:
    connection.commit()
    for _ in range(2):
        pipeline = Pipeline(connection)
        pipeline.send("BEGIN", ())
        insert(pipeline, 1, 1)
        later = pipeline.send("SELECT 1", ())
        with pytest.raises(psycopg.errors.UniqueViolation):
            later.rows()
        assert connection.info.transaction_status == TransactionStatus.INERROR
        connection.rollback()
    insert(pipeline, 1)
    assert pipeline.send("SELECT word FROM thing", ()).rows() == [("word 1",)]
    # What had been prepared was not prepared again.
    assert sorted(prepared(connection)) == [
        "BEGIN",
        "INSERT INTO thing VALUES ($1, $2)",
        "SELECT word FROM thing",
    ]


def test_statement_that_cannot_be_prepared_is_told(connection: Connection) -> None:
    pipeline = Pipeline(connection)
    for _ in range(2):
        with pytest.raises(psycopg.errors.UndefinedTable):
            pipeline.send("SELECT * FROM nothing", ()).rows()
        connection.rollback()
    assert pipeline.send("SELECT 1", ()).rows() == [(1,)]


def test_who_gives_up_has_a_connection_that_can_be_rolled_back(connection: Connection) -> None:
    connection.commit()
    pipeline = Pipeline(connection)
    insert(pipeline, 1, 1)
    pipeline.start()
    insert(pipeline, 3)
    pipeline.give_up()
    connection.rollback()
    assert connection.execute("SELECT COUNT(*) FROM thing").fetchall() == [(0,)]


def test_lost_connection_is_told(connection: Connection) -> None:
    pipeline = Pipeline(connection)
    end = pipeline.send("SELECT pg_terminate_backend(pg_backend_pid())", ())
    with pytest.raises(psycopg.OperationalError):
        end.rows()
    with pytest.raises(psycopg.OperationalError):
        pipeline.send("SELECT 1", ()).rows()


@pytest.mark.parametrize(
    ("kind", "value", "told"),
    [
        ("text", "zażółć 'gęślą' \\ jaźń\n", "zażółć 'gęślą' \\ jaźń\n"),
        ("text", "", ""),
        ("text", None, None),
        ("bigint", 2**62, 2**62),
        ("integer", -1, -1),
        ("date", date(2026, 11, 30), date(2026, 11, 30)),
        ("timestamptz", datetime(2026, 11, 30, 1, 2, 3, 4, UTC), datetime(2026, 11, 30, 1, 2, 3, 4, UTC)),
        ("uuid", "0b6f7a1e00000000000000000000000f", "0b6f7a1e-0000-0000-0000-00000000000f"),
        ("bigint[]", "{1,null}", [1, None]),
    ],
)
def test_values_reach_the_database_and_come_back(
    connection: Connection, kind: str, value: object, told: object
) -> None:
    assert Pipeline(connection).send(f"SELECT CAST($1 AS {kind})", [value]).rows() == [(told,)]


def test_text_that_postgresql_cannot_keep_is_refused_and_not_cut_short(connection: Connection) -> None:
    pipeline = Pipeline(connection)
    with pytest.raises(psycopg.DataError, match="NUL"):
        pipeline.send("SELECT CAST($1 AS text)", ["one\0two"])
    with pytest.raises(TypeError):
        pipeline.send("SELECT CAST($1 AS text)", [1.5])
    assert pipeline.send("SELECT 1", ()).rows() == [(1,)]


def test_more_than_the_network_holds_goes_both_ways(connection: Connection) -> None:
    pipeline = Pipeline(connection)
    long = "x" * 4_000_000
    answers = [pipeline.send("SELECT CAST($1 AS text)", [long]) for _ in range(8)]
    pipeline.start()
    assert all(answer.rows() == [(long,)] for answer in answers)


def test_statement_tells_what_it_did(connection: Connection) -> None:
    pipeline = Pipeline(connection)
    insert(pipeline, 1, 1)
    with suppress(psycopg.Error):
        pipeline.settle()
    end = pipeline.send("COMMIT", ())
    assert end.tag == ""
    pipeline.settle()
    # An error was passed over, and PostgreSQL says nothing of it but this.
    assert end.tag == "ROLLBACK"
