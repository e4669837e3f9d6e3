"""The tests see what they are for: with a fault planted, the test that should catch it fails.

Faults that only a power cut shows are planted in test_power_cut.py.
"""

import dataclasses
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import msgspec
import pytest
from django.db import IntegrityError, connection

from benchmarks import history
from licensing.front.callers import Callers
from licensing.models import ErpClient, Lease, Seat
from licensing.operations import checkout, heartbeat
from licensing.operations.endings import Ending, Overdue
from licensing.operations.errors import Refused
from licensing.operations.invariants import check_invariants
from licensing.operations.refusals import Refusal, refusal_of
from licensing.operations.seat_changes import SeatChanges
from licensing.operations.seats import Stock
from licensing.operations.standing import Standing, stand
from tests.factories import KEY, NOW, Portal, make_client, module, take
from tests.front import test_callers
from tests.operations import test_checkout, test_leases

pytestmark = pytest.mark.django_db

Plant = Callable[[pytest.MonkeyPatch], None]
Check = Callable[..., None]


@pytest.fixture
def client() -> ErpClient:
    return make_client()


def count_then_insert(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is free was counted before the lock, so that a neighbour's seats are not seen."""
    counted: dict[Any, Stock] = {}
    honest = checkout.ask_stock

    def stale(*given: Any) -> Callable[[SeatChanges], dict[Any, Stock]]:
        for place, stock in honest(*given)(SeatChanges()).items():
            counted.setdefault(place, stock)
        return lambda _changes: {
            place: dataclasses.replace(stock, free=list(stock.free)) for place, stock in counted.items()
        }

    monkeypatch.setattr(checkout, "ask_stock", stale)


def expiry_only_by_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkout does not look for overdue leases."""
    monkeypatch.setattr(checkout, "ask_overdue", lambda *_, **__: lambda: Overdue([], []))


def reviving_on_heartbeat(monkeypatch: pytest.MonkeyPatch) -> None:
    """A heartbeat renews what has expired and was not tidied yet."""

    def revive(row: Any, seats: Any, terms: Any, now: datetime, wanted: datetime) -> Standing | Ending:
        return stand(msgspec.structs.replace(row, expires_at=wanted), seats, terms, now, wanted)

    monkeypatch.setattr(heartbeat, "stand", revive)


def refusal_rolls_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal is raised within the transaction of the batch."""

    def give_up(_batch: Any, _request: Any, refusal: Refusal) -> None:
        raise refusal_of(refusal)

    monkeypatch.setattr(checkout._Batch, "_refuse", give_up)


def disabled_token_stays_cached(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was learned of a caller is kept for ever."""
    look = Callers.look

    def look_once(callers: Callers) -> None:
        if callers._version == -1:
            look(callers)

    monkeypatch.setattr(Callers, "look", look_once)


def disabled_client_is_let_in_no_more(portal: Portal, _client: ErpClient) -> None:
    test_callers.test_disabled_client_is_let_in_no_more(portal)


# A fault, the test that fails for it, and how: for another reason it might as well without the fault.
CAUGHT: list[tuple[Plant, Check, type[Exception], str]] = [
    (
        count_then_insert,
        test_checkout.test_checkout_refuses_when_all_seats_are_taken,
        IntegrityError,
        r"module_id, .*number",
    ),
    (
        expiry_only_by_the_worker,
        test_checkout.test_overdue_lease_is_taken_over_whether_or_not_a_worker_ran,
        Refused,
        "no_free_seat",
    ),
    (
        reviving_on_heartbeat,
        test_leases.test_heartbeat_at_exactly_the_end_is_too_late,
        AssertionError,
        "isinstance",
    ),
    (reviving_on_heartbeat, test_leases.test_ended_lease_never_lives_again, AssertionError, "isinstance"),
    (refusal_rolls_back, test_checkout.test_refusal_leaves_its_neighbours_alone, Refused, "module_unknown"),
    (disabled_token_stays_cached, disabled_client_is_let_in_no_more, AssertionError, "is None"),
]


@pytest.mark.parametrize(
    ("plant", "check", "error", "said"),
    CAUGHT,
    ids=[f"{plant.__name__}-{check.__name__}" for plant, check, _, _ in CAUGHT],
)
def test_planted_fault_is_caught(
    plant: Plant,
    check: Check,
    error: type[Exception],
    said: str,
    portal: Portal,
    client: ErpClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plant(monkeypatch)
    with pytest.raises(error, match=said):
        check(portal, client)


def test_database_itself_refuses_seats_that_were_counted_and_then_inserted(
    portal: Portal, client: ErpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    count_then_insert(monkeypatch)
    portal.accept(KEY, [module("HANDEL", 1)])
    take(client)
    with pytest.raises(IntegrityError):
        take(client)


def rows(query: str) -> Iterator[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query)
        yield from cursor.fetchall()


def test_replay_and_invariants_show_leases_beyond_the_seats(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module("HANDEL", 1)])
    nothing = history.Acknowledged({}, frozenset(), ())
    seats = {(KEY, "HANDEL"): 1}
    lease = take(client)
    assert history.portal_mistakes(rows, nothing, seats) == []
    assert check_invariants(NOW) == []
    twin = Lease.objects.get(id=lease.id)
    twin.pk = None
    twin.id = uuid.uuid4()
    twin.save(force_insert=True)
    assert any("2 leases at once" in mistake for mistake in history.portal_mistakes(rows, nothing, seats))
    assert check_invariants(NOW) != []


def test_replay_shows_acknowledged_leases_that_are_missing(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module("HANDEL", 2)])
    lost, kept = take(client, idempotency_key="a"), take(client, idempotency_key="b")
    told = history.Acknowledged({"a": str(lost.id), "b": str(kept.id)}, frozenset([str(kept.id)]), ())
    Seat.objects.filter(lease__id=lost.id).update(lease=None)
    Lease.objects.filter(id=lost.id).delete()
    mistakes = history.portal_mistakes(rows, told, {(KEY, "HANDEL"): 2})
    assert [mistake.split()[-1] for mistake in mistakes] == ["missing", "so", "None"]
