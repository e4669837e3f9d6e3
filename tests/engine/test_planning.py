"""However little a database knows of its tables, a batch reads the leases by their indexes."""

import re
from collections.abc import Iterator
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection, connections

from licensing.engine.batch import Batches, Kind, Work
from licensing.engine.planning import plan_once
from licensing.operations.lease_values import Checkout, LeaseCall
from licensing.operations.sets import words_of
from tests.factories import NOW, Portal, make_client, module, request

WHOLE = ("Seq Scan on licensing_lease ", "SCAN licensing_lease ", "SCAN l ")


@pytest.fixture
def planned_once(transactional_db: None) -> Iterator[None]:
    """Connections as the front makes them."""
    options = connections.databases["default"]["OPTIONS"]
    before = dict(options)
    forget_connections()
    plan_once()
    yield
    forget_connections()
    options.clear()
    options.update(before)


def forget_connections() -> None:
    """The next connection is a new one."""
    connection.close()
    if connection.vendor == "postgresql":
        connection.close_pool()


@pytest.mark.usefixtures("planned_once")
def test_no_statement_of_a_batch_reads_the_leases_whole(portal: Portal) -> None:
    times = [NOW]
    batches = Batches(lambda: times[-1])
    client = make_client()
    portal.accept("5000006622", [module("FAKTURY", 5)])
    seen: list[str] = []
    if connection.vendor == "sqlite":
        connection.ensure_connection()
        connection.connection.set_trace_callback(seen.append)
    wanted = [Work(Kind.CHECKOUT, request(client, "FAKTURY", idempotency_key=uuid4().hex)) for _ in range(2)]
    given = [done.outcome for done in batches.patiently(wanted)]
    calls = [LeaseCall(client.id, one.lease.id) for one in given if isinstance(one, Checkout)]
    assert len(calls) == len(wanted)
    batches.patiently([Work(Kind.HEARTBEAT, call) for call in calls])
    batches.patiently([Work(Kind.RETURN, call) for call in calls])
    # What is overdue is ended by the next checkout.
    batches.patiently(wanted)
    times.append(NOW + timedelta(hours=1))
    batches.patiently([Work(Kind.CHECKOUT, request(client, "FAKTURY"))])
    plans = plans_of_sqlite(seen) if connection.vendor == "sqlite" else plans_of_postgresql()
    assert sum("licensing_lease" in plan or " l " in plan for plan in plans) >= 5
    assert [plan for plan in plans if any(whole in plan for whole in WHOLE)] == []
    # The index of live leases has as many entries as they are, and more: it is read by an instant alone.
    live = [plan for plan in plans if "lease_live" in plan]
    assert live
    assert [
        plan for plan in live if plan.count("lease_live") != len(re.findall(r"expires_at ?<", plan))
    ] == []


def plans_of_sqlite(statements: list[str]) -> list[str]:
    """How each of these statements would be carried out."""
    connection.connection.set_trace_callback(None)
    with connection.cursor() as cursor:
        plans = []
        for statement in statements:
            if statement.startswith(("SELECT", "UPDATE", "DELETE")):
                cursor.execute(f"EXPLAIN QUERY PLAN {statement}")
                plans.append("\n".join(f"{row[3]} " for row in cursor.fetchall()))
    return plans


def plans_of_postgresql() -> list[str]:
    """How this connection carries out what it has prepared."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, cardinality(parameter_types) FROM pg_prepared_statements")
        plans = []
        for name, parameters in cursor.fetchall():
            given = ", ".join(["NULL"] * parameters)
            cursor.execute(f'EXPLAIN EXECUTE "{name}"' + (f"({given})" if given else ""))
            plans.append("\n".join(row[0] for row in cursor.fetchall()))
    return plans


@pytest.mark.django_db
def test_a_set_of_any_texts_reaches_the_database_unchanged() -> None:
    texts = ['say "hi"', "back\\slash", "{a,b}", "NULL", "", "zażółć", "a'b", "%s", " a ", "\\", '"', None]
    texts += ["\n\t\x01\x7f", "\\n", '\\"\n', '\\\\"\r']
    with connection.cursor() as cursor:
        words = words_of(cursor)
        rows = [(place, text) for place, text in enumerate(texts)]
        source = words.rows("r", place="number", word="text")
        cursor.execute(f"SELECT r.place, r.word FROM {source}", words.columns(rows))
        assert sorted(cursor.fetchall()) == rows
