"""Seats taken away and given by a new grant, modules that go, and deadlines that come forward."""

from datetime import datetime, timedelta

import pytest

from licensing.models import ErpClient, Installation, Lease, Module, OfflineActivation, Seat, VirtualKey
from licensing.operations.errors import Refused
from licensing.operations.invariants import check_invariants
from licensing.operations.leases import (
    Checkout,
    HeldLease,
    LeaseCall,
    checkout,
    clamp_to_deadlines,
    expire_overdue,
    heartbeat,
    look,
)
from licensing.operations.modules import list_modules
from tests.factories import KEY, NOW, OTHER_KEY, Portal, beat, give_back, make_client, module, request, take

pytestmark = pytest.mark.django_db

INACTIVITY = timedelta(seconds=1800)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def client() -> ErpClient:
    return make_client()


def given(client: ErpClient, *modules: str, now: datetime) -> bool:
    """Whether a checkout is given now."""
    return isinstance(checkout([request(client, *modules)], now)[0], Checkout)


def ended(client: ErpClient, lease: HeldLease, now: datetime) -> tuple[str, datetime]:
    """Why and when a lease ended, as a heartbeat tells it."""
    (outcome,) = heartbeat([LeaseCall(client.pk, lease.id)], now)
    assert isinstance(outcome, Refused)
    return outcome.data["ended_reason"], outcome.data["ended_at"]


def test_seats_taken_away_end_at_the_end_of_their_lease_at_that_moment(
    portal: Portal, client: ErpClient
) -> None:
    portal.accept(KEY, [module("HANDEL", 3)])
    leases = [take(client) for _ in range(3)]
    portal.accept(KEY, [module("HANDEL", 1)], NOW + MINUTE)
    low = beat(client, leases[0], NOW + 2 * MINUTE)
    assert (low.withdrawn, low.expires_at) == ((), NOW + 2 * MINUTE + INACTIVITY)
    for lease in leases[1:]:
        renewed = beat(client, lease, NOW + 2 * MINUTE)
        assert (renewed.withdrawn, renewed.expires_at) == (("HANDEL",), NOW + INACTIVITY)
        assert ended(client, lease, NOW + INACTIVITY) == ("withdrawn", NOW + INACTIVITY)


def test_lease_goes_on_with_its_other_modules_and_names_the_withdrawn_one(
    portal: Portal, client: ErpClient
) -> None:
    portal.accept(KEY, [module("HANDEL", 1), module("KASA", 5)])
    lease = take(client, "HANDEL", "KASA")
    portal.accept(KEY, [module("KASA", 5)], NOW + MINUTE)
    renewed = beat(client, lease, NOW + 2 * MINUTE)
    assert (renewed.withdrawn, renewed.expires_at) == (("HANDEL",), NOW + 2 * MINUTE + INACTIVITY)
    after = beat(client, lease, NOW + INACTIVITY)
    assert (after.withdrawn, after.expires_at) == (("HANDEL",), NOW + 2 * INACTIVITY)
    # Its seat has ended, the module's row goes with the next grant.
    expire_overdue(NOW + INACTIVITY)
    assert not Seat.objects.filter(module__code="HANDEL").exists()
    portal.accept(KEY, [module("KASA", 5)], NOW + INACTIVITY)
    assert [held.code for held in Module.objects.all()] == ["KASA"]
    assert beat(client, lease, NOW + INACTIVITY + MINUTE).withdrawn == ("HANDEL",)


def test_lease_ends_with_the_last_of_its_seats(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module("HANDEL", 1), module("KASA", 1)])
    lease = take(client, "HANDEL", "KASA")
    portal.accept(KEY, [module("KASA", 1)], NOW + MINUTE)
    beat(client, lease, NOW + 10 * MINUTE)
    portal.accept(KEY, [module("KASA", 0)], NOW + 11 * MINUTE)
    renewed = beat(client, lease, NOW + 20 * MINUTE)
    assert renewed.withdrawn == ("HANDEL", "KASA")
    assert renewed.expires_at == NOW + 10 * MINUTE + INACTIVITY
    assert beat(client, lease, NOW + INACTIVITY + MINUTE).expires_at == NOW + 10 * MINUTE + INACTIVITY
    assert ended(client, lease, NOW + 10 * MINUTE + INACTIVITY) == (
        "withdrawn",
        NOW + 10 * MINUTE + INACTIVITY,
    )


def test_seats_that_grow_again_before_the_end_are_as_if_nothing_happened(
    portal: Portal, client: ErpClient
) -> None:
    portal.accept(KEY, [module("HANDEL", 3)])
    leases = [take(client) for _ in range(3)]
    portal.accept(KEY, [module("HANDEL", 1)], NOW + MINUTE)
    portal.accept(KEY, [module("HANDEL", 2)], NOW + 2 * MINUTE)
    second, third = (beat(client, lease, NOW + 3 * MINUTE) for lease in leases[1:])
    assert (second.withdrawn, second.expires_at) == ((), NOW + 3 * MINUTE + INACTIVITY)
    assert (third.withdrawn, third.expires_at) == (("HANDEL",), NOW + INACTIVITY)
    assert ended(client, leases[2], NOW + INACTIVITY)[0] == "withdrawn"
    assert Lease.objects.get(id=leases[1].id).expires_as == "expired"


def test_module_that_comes_back_before_the_end_is_as_if_nothing_happened(
    portal: Portal, client: ErpClient
) -> None:
    portal.accept(KEY, [module("HANDEL", 2), module("KASA")])
    lease = take(client)
    portal.accept(KEY, [module("KASA")], NOW + MINUTE)
    assert not given(client, now=NOW + MINUTE)
    portal.accept(KEY, [module("HANDEL", 2)], NOW + 2 * MINUTE)
    assert beat(client, lease, NOW + 3 * MINUTE).withdrawn == ()
    assert given(client, now=NOW + 3 * MINUTE)
    assert not given(client, now=NOW + 3 * MINUTE)


def test_none_is_given_while_as_many_are_held_as_the_module_now_has(
    portal: Portal, client: ErpClient
) -> None:
    portal.accept(KEY, [module("HANDEL", 5)])
    leases = [take(client) for _ in range(5)]
    portal.accept(KEY, [module("HANDEL", 3)], NOW + MINUTE)
    # Low numbers fall free, but three are still held: by 2, 4 and 5.
    give_back(client, leases[0], NOW + MINUTE)
    give_back(client, leases[2], NOW + MINUTE)
    assert not given(client, now=NOW + 2 * MINUTE)
    give_back(client, leases[4], NOW + 2 * MINUTE)
    assert take(client, now=NOW + 2 * MINUTE).modules[0].seat == 1
    assert not given(client, now=NOW + 2 * MINUTE)
    assert check_invariants(NOW + 2 * MINUTE) == []


def test_number_held_only_falls_until_it_is_within_the_seats(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module("HANDEL", 6)])
    leases = [take(client) for _ in range(6)]
    portal.accept(KEY, [module("HANDEL", 2)], NOW)
    held = []
    for minute in range(32):
        now = NOW + minute * MINUTE
        given(client, now=now)
        heartbeat([LeaseCall(client.pk, lease.id) for lease in leases], now)
        held.append(list_modules(now)[0].taken)
    assert held == [6] * 30 + [2, 2]


def test_seats_taken_away_do_not_lengthen_what_ends_earlier(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module("HANDEL", 1)], life=timedelta(minutes=20))
    lease = take(client)
    portal.accept(KEY, [module("HANDEL", 0)], NOW, life=timedelta(minutes=10))
    assert ended(client, lease, NOW + 10 * MINUTE) == ("contact_lost", NOW + 10 * MINUTE)


def test_module_that_becomes_counted_has_its_seats_numbered_by_age(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module("BI", None)])
    first = [take(client, "BI", now=NOW + second * timedelta(seconds=1)) for second in range(2)]
    give_back(client, first[0], NOW + timedelta(seconds=2))
    # The youngest lease sits on the lowest number.
    youngest = take(client, "BI", now=NOW + timedelta(seconds=3))
    portal.accept(KEY, [module("BI", 1)], NOW + timedelta(seconds=4))
    old, young = (
        look(LeaseCall(client.pk, key.id), NOW + timedelta(seconds=4)) for key in (first[1], youngest)
    )
    assert (old.modules[0].seat, old.withdrawn) == (1, ())
    assert (young.modules[0].seat, young.withdrawn) == (2, ("BI",))
    assert not given(client, "BI", now=NOW + timedelta(seconds=5))
    assert check_invariants(NOW + timedelta(seconds=5)) == []


def test_module_that_is_counted_no_more_tells_no_seats_and_takes_none_away(
    portal: Portal, client: ErpClient
) -> None:
    portal.accept(KEY, [module("BI", 2)])
    leases = [take(client, "BI") for _ in range(2)]
    portal.accept(KEY, [module("BI", 1)], NOW)
    portal.accept(KEY, [module("BI", None)], NOW)
    assert given(client, "BI", now=NOW)
    for lease in leases:
        renewed = beat(client, lease, NOW + MINUTE)
        assert (renewed.modules[0].seat, renewed.withdrawn) == (None, ())
    assert check_invariants(NOW + MINUTE) == []


def test_uncounted_module_without_holders_becomes_counted(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module("BI", None)])
    give_back(client, take(client, "BI"), NOW)
    portal.accept(KEY, [module("BI", 1)], NOW)
    assert take(client, "BI").modules[0].seat == 1
    assert not given(client, "BI", now=NOW)


def test_lease_over_two_keys_keeps_the_module_of_the_other_key(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module("HANDEL", 1)], life=timedelta(minutes=50))
    portal.accept(OTHER_KEY, [module("CRM", 1)])
    lease = take(client, "HANDEL", "CRM")
    portal.accept(KEY, [module("HANDEL", 0)], NOW, life=timedelta(minutes=50))
    later = NOW + INACTIVITY - MINUTE
    assert beat(client, lease, later).contact_deadline == NOW + timedelta(minutes=50)
    # From the end of the withdrawn seat on, its key's deadline bounds the lease no more.
    renewed = beat(client, lease, NOW + INACTIVITY)
    assert renewed.expires_at == NOW + 2 * INACTIVITY
    assert renewed.contact_deadline == NOW + timedelta(hours=72)
    assert check_invariants(NOW + INACTIVITY) == []


def test_grant_that_changes_nothing_touches_no_lease(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module("HANDEL", 3), module("BI", None)])
    lease = take(client, "HANDEL", "BI")
    portal.accept(KEY, [module("HANDEL", 3), module("BI", None)], NOW + MINUTE)
    found = look(LeaseCall(client.pk, lease.id), NOW + MINUTE)
    assert (found.expires_at, found.withdrawn) == (lease.expires_at, ())


def test_grant_that_expires_a_module_ends_its_leases(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module("HANDEL"), module("KASA")])
    lease, other = take(client, "HANDEL"), take(client, "KASA")
    yesterday = NOW.date() - timedelta(days=1)
    portal.accept(KEY, [module("HANDEL", expires_on=yesterday), module("KASA")], NOW + MINUTE)
    assert ended(client, lease, NOW + MINUTE) == ("module_expired", datetime(2026, 11, 24, tzinfo=NOW.tzinfo))
    assert beat(client, other, NOW + MINUTE).state == "active"


def test_every_accepted_grant_tells_other_processes_that_terms_changed(portal: Portal) -> None:
    before = Installation.objects.get().version
    portal.accept(KEY, [module()])
    assert Installation.objects.get().version > before


def test_leases_are_shortened_where_a_deadline_came_forward(portal: Portal, client: ErpClient) -> None:
    key = portal.accept(KEY, [module("HANDEL")])
    portal.accept(OTHER_KEY, [module("CRM")])
    lease, other = take(client, "HANDEL"), take(client, "CRM")
    jws = portal.grant(KEY, [module("HANDEL")], NOW, timedelta(minutes=3))
    VirtualKey.objects.filter(pk=key.pk).update(grant=jws)
    clamp_to_deadlines(NOW)
    assert Lease.objects.get(id=lease.id).expires_at == NOW + 3 * MINUTE
    assert Lease.objects.get(id=other.id).expires_at == other.expires_at
    expire_overdue(NOW + 3 * MINUTE)
    assert Lease.objects.get(id=lease.id).ended_reason == "contact_lost"


def test_nothing_is_shortened_where_there_is_nothing(portal: Portal) -> None:
    clamp_to_deadlines(NOW)
    assert not OfflineActivation.objects.exists()
    assert not Lease.objects.exists()
