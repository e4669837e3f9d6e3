"""Housekeeping around leases, and what check_invariants finds."""

from datetime import timedelta

import pytest

from licensing.models import ErpClient, Lease, Module, Refusal, Seat, VirtualKey
from licensing.operations.errors import Refused
from licensing.operations.invariants import check_invariants
from licensing.operations.leases import LeaseCall, checkout, look
from licensing.operations.mending import mend
from licensing.operations.rollup import roll_up
from licensing.operations.tidy import (
    OVERDUE_FOR,
    forget_ended_leases,
    forget_refusals,
    tidy_leases,
)
from tests.factories import KEY, NOW, Portal, give_back, make_client, module, request, take

pytestmark = pytest.mark.django_db

INACTIVITY = timedelta(seconds=1800)


@pytest.fixture
def client() -> ErpClient:
    return make_client()


def test_tidying_ends_what_was_overdue_for_a_minute_and_is_harmless_when_run_twice(
    portal: Portal, client: ErpClient
) -> None:
    portal.accept(KEY, [module()])
    lease = take(client)
    assert tidy_leases(lease.expires_at + OVERDUE_FOR - timedelta(microseconds=1)) == 0
    assert tidy_leases(lease.expires_at + OVERDUE_FOR) == 1
    assert tidy_leases(lease.expires_at + OVERDUE_FOR) == 0
    assert Lease.objects.get().ended_reason == "expired"


def test_leases_that_ended_35_days_ago_are_forgotten_once_rolled_up(
    portal: Portal, client: ErpClient
) -> None:
    portal.accept(KEY, [module()])
    old, recent = take(client), take(client)
    give_back(client, old, NOW)
    give_back(client, recent, NOW + timedelta(seconds=1))
    live = take(client, now=NOW + timedelta(days=2))
    late = NOW + timedelta(days=35)
    assert forget_ended_leases(late) == 0
    roll_up(late)
    assert forget_ended_leases(late) == 1
    assert {str(key) for key in Lease.objects.values_list("id", flat=True)} == {recent.id, live.id}


def test_the_api_speaks_of_ended_leases_for_30_days(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module()])
    lease = take(client)
    give_back(client, lease, NOW)
    call = LeaseCall(client.pk, lease.id)
    assert look(call, NOW + timedelta(days=30, seconds=-1)).state == "ended"
    with pytest.raises(Refused, match="lease_not_found"):
        look(call, NOW + timedelta(days=30))


def test_refusals_are_forgotten_after_400_days(portal: Portal, client: ErpClient) -> None:
    checkout([request(client)], NOW)
    checkout([request(client)], NOW + timedelta(days=1))
    assert forget_refusals(NOW + timedelta(days=400, hours=1)) == 1
    assert Refusal.objects.get().at == NOW + timedelta(days=1)


def test_invariants_hold_through_a_life_of_leases(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module("HANDEL", 3), module("BI", None)])
    leases = [take(client, "HANDEL", "BI") for _ in range(3)]
    give_back(client, leases[0], NOW)
    portal.accept(KEY, [module("HANDEL", 1)])
    assert check_invariants(NOW) == []
    assert mend(NOW) == 0
    late = NOW + INACTIVITY
    assert check_invariants(late) == []
    tidy_leases(late)
    assert check_invariants(late) == []


def test_invariants_find_a_lease_that_lost_its_seat(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module()])
    lease = take(client)
    Seat.objects.update(lease=None)
    found = check_invariants(NOW)
    assert len(found) == 2
    assert str(lease.id) in found[1]


def test_invariants_find_a_seat_of_an_ended_lease(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module()])
    take(client)
    Lease.objects.update(ended_at=NOW, ended_reason="returned")
    assert [KEY in found for found in check_invariants(NOW)] == [True]
    assert mend(NOW) == 1
    assert check_invariants(NOW) == []
    assert Module.objects.get().taken == 0


def test_invariants_find_a_counter_that_is_wrong(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module()])
    take(client)
    Module.objects.update(taken=4)
    assert len(check_invariants(NOW)) == 1
    assert mend(NOW) == 1
    assert check_invariants(NOW) == []


def test_invariants_find_a_lease_that_outlives_what_was_granted(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module()])
    lease = take(client)
    Lease.objects.update(expires_at=NOW + timedelta(hours=73))
    (found,) = check_invariants(NOW)
    assert str(lease.id) in found


def test_invariants_find_a_lease_that_should_have_ended(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module()])
    take(client)
    VirtualKey.objects.update(state="inactive", grant=None)
    (found,) = check_invariants(NOW)
    assert "key_inactive" in found


def test_invariants_find_seats_held_beyond_what_was_bought(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module("HANDEL", 2)])
    take(client)
    take(client)
    portal.accept(KEY, [module("HANDEL", 1)])
    Seat.objects.update(ends_at=None)
    Lease.objects.update(withdrawn={})
    beyond, unmarked = check_invariants(NOW)
    assert "HANDEL" in beyond
    assert "HANDEL" not in unmarked


def test_invariants_find_a_grant_that_does_not_verify(portal: Portal) -> None:
    portal.accept(KEY, [module()])
    VirtualKey.objects.update(grant="edited")
    (found,) = check_invariants(NOW)
    assert KEY in found


def test_invariants_find_an_end_for_no_reason(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module()])
    lease = take(client)
    give_back(client, lease, NOW)
    Lease.objects.update(ended_reason="whim")
    (found,) = check_invariants(NOW)
    assert str(lease.id) in found


def test_invariants_find_a_release_that_no_event_tells_of(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module()])
    lease = take(client)
    give_back(client, lease, NOW)
    Lease.objects.update(ended_reason="released_by_admin")
    (found,) = check_invariants(NOW)
    assert str(lease.id) in found


def test_missing_module_row_is_made_again(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module("HANDEL", 2)])
    Module.objects.all().delete()
    assert len(check_invariants(NOW)) == 1
    assert mend(NOW) == 1
    assert take(client).modules[0].seat == 1


def test_missing_seat_numbers_are_made_again(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module("HANDEL", 4)])
    leases = [take(client) for _ in range(4)]
    for lease in leases[:3]:
        give_back(client, lease, NOW)
    Seat.objects.filter(number__in=[1, 2]).delete()
    assert mend(NOW) == 1
    assert check_invariants(NOW) == []
    assert [take(client).modules[0].seat for _ in range(3)] == [1, 2, 3]


def test_free_seats_far_above_are_not_filled_up_to(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module("BI", None)])
    take(client, "BI")
    Seat.objects.create(module=Module.objects.get(), number=2_147_483_647)
    assert mend(NOW) == 1
    assert list(Seat.objects.values_list("number", flat=True)) == [1]
    take(client, "BI")
    assert check_invariants(NOW) == []


def test_tidied_lease_that_was_edited_has_an_event(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module()])
    lease = take(client)
    Seat.objects.all().delete()
    tidy_leases(NOW)
    assert look(LeaseCall(client.pk, lease.id), NOW).ended_reason == "released_by_admin"
    assert check_invariants(NOW) == []
