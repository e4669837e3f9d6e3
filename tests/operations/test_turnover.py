"""Seats that change hands within one transaction are written once, and are right all the same."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from licensing.engine.batch import Batches, Kind, Work
from licensing.models import ErpClient, Lease, Module, Seat
from licensing.operations.errors import Refused
from licensing.operations.invariants import check_invariants
from licensing.operations.lease_ids import day_of, id_on, stems_of_keys
from licensing.operations.lease_values import Checkout, CheckoutRequest, HeldLease, LeaseCall
from licensing.operations.terms import read_terms
from licensing.operations.turnover import Turnover
from tests.factories import KEY, NOW, Portal, make_client, module, request, take

pytestmark = pytest.mark.django_db


@pytest.fixture
def client() -> ErpClient:
    return make_client()


def carried_out(*works: Work, now: datetime = NOW) -> list[Any]:
    """The outcomes of one batch."""
    return [done.outcome for done in Batches(lambda: now).patiently(works)]


def returned(client: ErpClient, lease: HeldLease) -> Work:
    return Work(Kind.RETURN, LeaseCall(client.pk, lease.id))


def wanted(client: ErpClient, *modules: str, **changes: object) -> Work:
    return Work(Kind.CHECKOUT, request(client, *modules, **changes))


def seats_of(outcomes: Sequence[object]) -> list[int | None]:
    return [one.lease.modules[0].seat for one in outcomes if isinstance(one, Checkout)]


def test_seat_given_back_is_given_out_in_the_same_batch(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module("HANDEL", 2)])
    first, second = take(client), take(client)
    outcomes = carried_out(wanted(client), returned(client, first), wanted(client))
    assert seats_of(outcomes) == [1]
    assert isinstance(outcomes[2], Refused)
    assert outcomes[2].code == "no_free_seat"
    holders = {holder["user"] for holder in outcomes[2].data["modules"][0]["holders"]}
    assert holders == {second.user}
    assert Module.objects.get().taken == 2
    assert check_invariants(NOW) == []


@pytest.mark.sqlite_only
def test_seat_that_changes_hands_is_written_once(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module("HANDEL", 5), module("KASA", 5)])
    held = [take(client, "HANDEL", "KASA") for _ in range(3)]
    before = dict(Seat.objects.values_list("pk", "lease_id"))
    statements: list[str] = []
    connection.connection.set_trace_callback(statements.append)
    outcomes = carried_out(
        *[returned(client, lease) for lease in held], *[wanted(client, "HANDEL", "KASA")] * 3
    )
    connection.connection.set_trace_callback(None)
    after = dict(Seat.objects.values_list("pk", "lease_id"))
    assert seats_of(outcomes) == [1, 2, 3]
    assert before.keys() == after.keys()
    assert not set(before.values()) & set(after.values())
    written = Counter(statement.split()[1] for statement in statements if statement.startswith("UPDATE"))
    assert written == {"licensing_lease": 1, "licensing_seat": 1, "licensing_module": 1}


def test_lowest_number_is_given_first_whether_it_was_free_or_given_back(
    portal: Portal, client: ErpClient
) -> None:
    portal.accept(KEY, [module("HANDEL", 9)])
    held = [take(client) for _ in range(5)]
    carried_out(returned(client, held[3]), returned(client, held[0]))
    outcomes = carried_out(returned(client, held[2]), *[wanted(client) for _ in range(5)])
    assert seats_of(outcomes) == [1, 3, 4, 6, 7]
    assert check_invariants(NOW) == []


def test_number_that_the_module_has_no_more_is_not_given_again(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module("HANDEL", 3)])
    held = [take(client) for _ in range(3)]
    portal.accept(KEY, [module("HANDEL", 2)])
    outcomes = carried_out(returned(client, held[2]), wanted(client))
    assert isinstance(outcomes[1], Refused)
    assert list(Seat.objects.order_by("number").values_list("number", flat=True)) == [1, 2]
    row = Module.objects.get()
    assert (row.taken, row.ceiling) == (2, 2)
    outcomes = carried_out(returned(client, held[1]), wanted(client))
    assert seats_of(outcomes) == [2]
    assert check_invariants(NOW) == []


def test_low_number_given_back_is_not_given_while_a_high_one_is_held(
    portal: Portal, client: ErpClient
) -> None:
    portal.accept(KEY, [module("HANDEL", 3)])
    held = [take(client) for _ in range(3)]
    portal.accept(KEY, [module("HANDEL", 2)])
    outcomes = carried_out(returned(client, held[0]), wanted(client))
    assert isinstance(outcomes[1], Refused)
    outcomes = carried_out(returned(client, held[2]), wanted(client), wanted(client))
    assert seats_of(outcomes) == [1]
    assert isinstance(outcomes[2], Refused)
    assert check_invariants(NOW) == []


def test_lease_returned_when_it_is_overdue_ends_as_expired_and_its_seat_is_given(
    portal: Portal, client: ErpClient
) -> None:
    portal.accept(KEY, [module("HANDEL", 1)])
    lease = take(client)
    late = lease.expires_at + timedelta(seconds=1)
    outcomes = carried_out(wanted(client), returned(client, lease), now=late)
    assert seats_of(outcomes) == [1]
    ended = Lease.objects.get(id=lease.id)
    assert (ended.ended_at, ended.ended_reason) == (lease.expires_at, "expired")
    assert check_invariants(late) == []


def test_lease_returned_when_its_seat_was_taken_away_gives_nothing_twice(
    portal: Portal, client: ErpClient
) -> None:
    portal.accept(KEY, [module("HANDEL", 2), module("KASA", 5)])
    first, second = take(client, "HANDEL", "KASA"), take(client, "HANDEL", "KASA")
    portal.accept(KEY, [module("HANDEL", 1), module("KASA", 5)])
    late = Seat.objects.get(module__code="HANDEL", number=2).ends_at
    assert late is not None
    outcomes = carried_out(
        returned(client, second), returned(client, first), wanted(client), wanted(client), now=late
    )
    assert seats_of(outcomes) == [1]
    assert Module.objects.get(code="HANDEL").taken == 1
    assert check_invariants(late) == []


def test_lease_returned_twice_in_a_batch_is_given_back_once(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module("HANDEL", 2)])
    lease, _ = take(client), take(client)
    outcomes = carried_out(*[returned(client, lease)] * 2, wanted(client), wanted(client))
    assert outcomes[:2] == [None, None]
    assert seats_of(outcomes) == [1]
    assert isinstance(outcomes[3], Refused)
    assert check_invariants(NOW) == []


def test_nobody_gives_back_another_s_lease(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module("HANDEL", 1)])
    lease = take(client)
    outcomes = carried_out(returned(make_client(), lease), wanted(client))
    assert [one.code for one in outcomes] == ["lease_not_found", "no_free_seat"]


def test_heartbeat_beside_a_return_leaves_an_ended_lease_alone(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module("HANDEL", 1)])
    lease = take(client)
    later = NOW + timedelta(seconds=60)
    beat = Work(Kind.HEARTBEAT, LeaseCall(client.pk, lease.id))
    heard, gone = carried_out(beat, returned(client, lease), now=later)
    assert isinstance(heard, HeldLease)
    assert gone is None
    ended = Lease.objects.get(id=lease.id)
    assert (ended.ended_at, ended.expires_at) == (later, heard.expires_at)
    (refused,) = carried_out(beat, now=later + timedelta(seconds=60))
    assert isinstance(refused, Refused)
    assert Lease.objects.get(id=lease.id).expires_at == ended.expires_at


def given_late(asked: CheckoutRequest, asked_at: datetime, now: datetime) -> Checkout:
    """What a checkout gives that is carried out long after it was asked for."""
    with connection.cursor() as cursor:
        turnover = Turnover(cursor, (), [asked], read_terms())
        turnover.ask(asked_at)
        turnover.ask_free()
        _, (given,) = turnover.carry_out(now)
    assert isinstance(given, Checkout)
    return given


def test_what_became_overdue_while_the_locks_were_waited_for_is_free(
    portal: Portal, client: ErpClient
) -> None:
    portal.accept(KEY, [module("HANDEL", 1)])
    lease = take(client)
    late = lease.expires_at + timedelta(seconds=1)
    given_late(request(client), NOW, late)
    assert Lease.objects.get(id=lease.id).ended_at == lease.expires_at


def test_key_whose_day_ends_while_the_locks_are_waited_for_has_one_lease(
    portal: Portal, client: ErpClient
) -> None:
    portal.accept(KEY, [module("HANDEL", 3)])
    midnight = datetime(2026, 11, 25, tzinfo=UTC)
    just_before, just_after = midnight - timedelta(milliseconds=1), midnight + timedelta(milliseconds=1)
    asked = request(client, idempotency_key="once", body_sha256="a")
    given = given_late(asked, just_before, just_after)
    (stem,) = stems_of_keys([(client.pk, "once")])
    assert given.lease.id.replace("-", "") == id_on(stem, day_of(just_after))
    (again,) = carried_out(Work(Kind.CHECKOUT, asked), now=midnight + timedelta(hours=23))
    assert isinstance(again, Checkout)
    assert (again.replayed, again.lease.id) == (True, given.lease.id)
