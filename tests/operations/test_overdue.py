"""After a long stop much is overdue at once: a caller waits for little of it, and meets none of it."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from licensing.models import ErpClient, Lease, Module
from licensing.operations import checkout as checkouts
from licensing.operations import endings
from licensing.operations.endings import Overdue, lock_and_end
from licensing.operations.errors import Refused
from licensing.operations.invariants import check_invariants
from licensing.operations.lease_values import hex_of
from licensing.operations.leases import Checkout, checkout, expire_overdue
from licensing.operations.transactions import in_transaction
from tests.factories import KEY, NOW, Portal, make_client, module, request, take

pytestmark = pytest.mark.django_db

LATER = NOW + timedelta(hours=1)


@pytest.fixture(autouse=True)
def _few_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three of them are much."""
    monkeypatch.setattr(checkouts, "AT_ONCE", 3)
    monkeypatch.setattr(endings, "AT_ONCE", 3)


@pytest.fixture
def client(portal: Portal) -> ErpClient:
    portal.accept(KEY, [module("HANDEL", 8), module("KASA", 5)])
    return make_client()


def taken(client: ErpClient, counts: dict[str, int]) -> None:
    """So many leases of each module, one after another."""
    for late, (code, count) in enumerate(counts.items()):
        for place in range(count):
            take(client, code, now=NOW + timedelta(minutes=late, seconds=place))


def not_ended() -> int:
    return Lease.objects.filter(ended_at=None).count()


def kinds(outcomes: Sequence[Checkout | Refused]) -> list[str]:
    return ["given" if isinstance(one, Checkout) else one.code for one in outcomes]


def test_checkout_ends_no_more_at_once_than_it_has_to(client: ErpClient) -> None:
    taken(client, {"HANDEL": 8})
    first = min(Lease.objects.values_list("row_number", flat=True))
    assert kinds(checkout([request(client)], LATER)) == ["given"]
    assert not_ended() == 8 - 3 + 1
    assert Lease.objects.get(row_number=first).ended_at == NOW + timedelta(minutes=30)
    assert check_invariants(LATER) == []


def test_as_many_are_ended_as_are_asked_for(client: ErpClient) -> None:
    taken(client, {"HANDEL": 8})
    assert kinds(checkout([request(client)] * 9, LATER)) == ["given"] * 8 + ["no_free_seat"]
    assert not_ended() == 8


def test_seat_that_has_ended_is_free_however_many_others_ended_before(client: ErpClient) -> None:
    taken(client, {"HANDEL": 8, "KASA": 5})
    assert kinds(checkout([request(client, "KASA")] * 5, LATER)) == ["given"] * 5
    assert Module.objects.get(code="KASA").taken == 5
    assert check_invariants(LATER) == []


def test_seat_that_the_vendor_took_away_and_that_has_ended_is_free_too(
    portal: Portal, client: ErpClient
) -> None:
    portal.accept(KEY, [module("HANDEL", 8), module("KASA", 5), module("BI", 5)])
    taken(client, {"HANDEL": 8})
    for _ in range(5):
        take(client, "KASA", "BI")
    portal.accept(KEY, [module("HANDEL", 8), module("KASA", 1), module("BI", 5)])
    assert kinds(checkout([request(client, "KASA")] * 2, LATER)) == ["given", "no_free_seat"]
    assert Module.objects.get(code="KASA").taken == 1


def test_refusal_counts_nothing_that_has_ended(client: ErpClient) -> None:
    taken(client, {"HANDEL": 8, "KASA": 2})
    live = [take(client, "KASA", now=NOW + timedelta(minutes=50)) for _ in range(3)]
    (*_, refused) = checkout([request(client, "KASA")] * 3, LATER)
    assert isinstance(refused, Refused)
    (full,) = refused.data["modules"]
    assert full["taken"] == len(live) + 2


def test_lease_asked_for_again_is_told_as_ended(client: ErpClient) -> None:
    taken(client, {"HANDEL": 7})
    asked = request(client, "KASA", idempotency_key="K", body_sha256="x")
    checkout([asked], NOW + timedelta(minutes=5))
    (again,) = checkout([asked], LATER)
    assert isinstance(again, Checkout)
    assert (again.replayed, again.lease.state) == (True, "ended")
    assert again.lease.ended_at == NOW + timedelta(minutes=35)


def test_worker_ends_all_of_it(client: ErpClient) -> None:
    taken(client, {"HANDEL": 8, "KASA": 2})
    assert expire_overdue(LATER) == 10
    assert not_ended() == 0


def test_lease_that_was_renewed_before_its_modules_were_locked_does_not_end(client: ErpClient) -> None:
    found = Overdue([hex_of(str(take(client).id))], [])
    assert in_transaction(lambda cursor: lock_and_end(cursor, found, NOW)) == 0
    assert not_ended() == 1
