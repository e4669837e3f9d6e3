"""Heartbeat, return, look and release."""

from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import uuid4

import msgspec
import pytest

from licensing.models import Configuration, ErpClient, Event, Installation, Lease, Module, Role, Seat
from licensing.operations.actors import PORTAL, Actor
from licensing.operations.clock import UNKNOWN
from licensing.operations.errors import Refused
from licensing.operations.heartbeat import Beating, beating, write_promises
from licensing.operations.lease_values import Promise
from licensing.operations.leases import (
    HeldLease,
    LeaseCall,
    checkout,
    end_leases_of_key,
    expire_overdue,
    heartbeat,
    look,
    release,
    renew_live,
    renew_promised,
    return_leases,
)
from licensing.operations.mending import mend
from licensing.operations.transactions import in_transaction
from tests.factories import KEY, NOW, OTHER_KEY, Portal, beat, give_back, make_client, module, request, take

pytestmark = pytest.mark.django_db

INACTIVITY = timedelta(seconds=1800)
OPERATOR = Actor("olga", Role.OPERATOR)

SECOND = timedelta(seconds=1)


@pytest.fixture
def client() -> ErpClient:
    return make_client()


def ended(client: ErpClient, lease: HeldLease, now: datetime) -> tuple[str, datetime]:
    """Why and when a lease ended, as a heartbeat tells it."""
    (outcome,) = heartbeat([LeaseCall(client.pk, lease.id)], now)
    assert isinstance(outcome, Refused)
    assert outcome.code == "lease_ended"
    return outcome.data["ended_reason"], outcome.data["ended_at"]


# --- heartbeat ------------------------------------------------------------------------------------------


def test_heartbeat_gives_a_fresh_inactivity_time(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module()])
    lease = take(client)
    later = NOW + timedelta(minutes=20)
    renewed = beat(client, lease, later)
    assert renewed.expires_at == later + INACTIVITY
    assert renewed.last_seen_at == later
    assert look(LeaseCall(client.pk, lease.id), later) == msgspec.structs.replace(renewed, limit=None)


def test_heartbeat_never_passes_the_contact_deadline(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module()])
    deadline = NOW + timedelta(hours=72)
    lease = take(client, now=deadline - timedelta(minutes=40))
    assert beat(client, lease, deadline - timedelta(minutes=20)).expires_at == deadline
    assert ended(client, lease, deadline) == ("contact_lost", deadline)


def test_heartbeat_never_passes_the_end_of_a_module(portal: Portal, client: ErpClient) -> None:
    end = datetime(2026, 11, 25, tzinfo=NOW.tzinfo)
    portal.accept(KEY, [module("HANDEL", expires_on=NOW.date()), module("KASA")])
    lease = take(client, "KASA", "HANDEL", now=end - timedelta(minutes=50))
    assert beat(client, lease, end - timedelta(minutes=25)).expires_at == end
    assert ended(client, lease, end + timedelta(minutes=1)) == ("module_expired", end)


def test_heartbeat_never_brings_the_end_forward(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module()])
    lease = take(client)
    Configuration.objects.filter(pk=1).update(inactivity_seconds=70)
    assert beat(client, lease, NOW + timedelta(seconds=10)).expires_at == NOW + INACTIVITY


def test_heartbeat_brings_the_end_forward_where_the_contact_deadline_came_forward(
    portal: Portal, client: ErpClient
) -> None:
    portal.accept(KEY, [module()])
    lease = take(client)
    portal.accept(KEY, [module()], NOW, life=timedelta(minutes=5))
    assert beat(client, lease, NOW + timedelta(minutes=1)).expires_at == NOW + timedelta(minutes=5)


def test_heartbeat_goes_further_once_contact_has_moved_the_deadline(
    portal: Portal, client: ErpClient
) -> None:
    portal.accept(KEY, [module()], life=timedelta(minutes=40))
    lease = take(client)
    later = NOW + timedelta(minutes=20)
    assert beat(client, lease, later).expires_at == NOW + timedelta(minutes=40)
    portal.accept(KEY, [module()], later)
    assert beat(client, lease, later).expires_at == later + INACTIVITY


def test_heartbeat_at_exactly_the_end_is_too_late(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module()])
    lease = take(client)
    beat(client, lease, lease.expires_at - timedelta(microseconds=1))
    again = look(LeaseCall(client.pk, lease.id), lease.expires_at)
    assert ended(client, lease, again.expires_at) == ("expired", again.expires_at)


def test_ended_lease_never_lives_again(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module()])
    lease = take(client)
    assert ended(client, lease, lease.expires_at)[0] == "expired"
    # Not even where the clock is set back afterwards.
    assert ended(client, lease, NOW) == ("expired", lease.expires_at)
    assert Seat.objects.get().lease_id is None
    assert Module.objects.get().taken == 0


def test_heartbeat_of_another_client_s_lease_finds_nothing(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module()])
    lease = take(client)
    stranger = make_client()
    for key in (lease.id, str(uuid4())):
        (outcome,) = heartbeat([LeaseCall(stranger.pk, key)], NOW)
        assert isinstance(outcome, Refused)
        assert (outcome.code, outcome.detail, outcome.data) == ("lease_not_found", "", {})
    assert look(LeaseCall(client.pk, lease.id), NOW).last_seen_at == NOW


def test_heartbeats_of_a_batch_have_outcomes_of_their_own(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module()])
    live, returned = take(client), take(client)
    give_back(client, returned, NOW)
    calls = [live.id, str(uuid4()), returned.id, live.id]
    first, unknown, gone, again = heartbeat(
        [LeaseCall(client.pk, key) for key in calls], NOW + INACTIVITY / 2
    )
    assert isinstance(first, HeldLease)
    assert first == again
    assert [outcome.code for outcome in (unknown, gone) if isinstance(outcome, Refused)] == [
        "lease_not_found",
        "lease_ended",
    ]


def test_statements_of_heartbeats_do_not_grow_with_modules_or_batch(
    portal: Portal, client: ErpClient, django_assert_max_num_queries
) -> None:
    portal.accept(KEY, [module(f"M{place}", 100) for place in range(8)])
    codes = [f"M{place}" for place in range(8)]
    outcomes = checkout([request(client, *codes) for _ in range(40)], NOW)
    calls = [LeaseCall(client.pk, outcome.lease.id) for outcome in outcomes]
    with django_assert_max_num_queries(10):  # 7 of them read the terms, which the engine keeps
        heartbeat(calls, NOW + timedelta(minutes=1))


def test_heartbeat_of_a_lease_whose_key_is_not_active_ends_it(portal: Portal, client: ErpClient) -> None:
    key = portal.accept(KEY, [module()])
    lease = take(client)
    type(key).objects.filter(pk=key.pk).update(state="inactive", grant=None)
    assert ended(client, lease, NOW + timedelta(minutes=1)) == ("key_inactive", NOW + timedelta(minutes=1))


# --- return ---------------------------------------------------------------------------------------------


def test_return_frees_the_seats(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module("HANDEL", 1), module("KASA", None)])
    lease = take(client, "HANDEL", "KASA")
    give_back(client, lease, NOW + timedelta(minutes=1))
    assert ended(client, lease, NOW) == ("returned", NOW + timedelta(minutes=1))
    assert set(Module.objects.values_list("taken", flat=True)) == {0}
    take(client, "HANDEL")


def test_return_may_be_called_however_often(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module("HANDEL", 2)])
    lease, other = take(client), take(client)
    call = LeaseCall(client.pk, lease.id)
    assert return_leases([call, call], NOW) == [None, None]
    assert return_leases([call], NOW) == [None]
    assert Module.objects.get().taken == 1
    assert look(LeaseCall(client.pk, other.id), NOW).state == "active"


def test_return_of_a_lease_that_ended_in_another_way_is_no_mistake(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module()])
    lease = take(client)
    give_back(client, lease, lease.expires_at + timedelta(hours=1))
    assert ended(client, lease, NOW) == ("expired", lease.expires_at)


def test_return_of_an_unknown_or_another_s_lease_finds_nothing(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module()])
    lease = take(client)
    outcomes = return_leases([LeaseCall(make_client().pk, lease.id), LeaseCall(client.pk, str(uuid4()))], NOW)
    assert [outcome.code for outcome in outcomes if outcome] == ["lease_not_found"] * 2
    assert look(LeaseCall(client.pk, lease.id), NOW).state == "active"


# --- look -----------------------------------------------------------------------------------------------


def test_look_judges_the_end_itself(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module()])
    lease = take(client)
    found = look(LeaseCall(client.pk, lease.id), lease.expires_at)
    assert (found.state, found.ended_at, found.ended_reason) == ("ended", lease.expires_at, "expired")
    assert ended(client, lease, NOW)[0] == "expired"


def test_look_of_an_unknown_lease_is_refused(portal: Portal, client: ErpClient) -> None:
    with pytest.raises(Refused, match="lease_not_found"):
        look(LeaseCall(client.pk, str(uuid4())), NOW)


def test_ended_lease_is_remembered_for_30_days(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module()])
    lease = take(client)
    give_back(client, lease, NOW)
    call = LeaseCall(client.pk, lease.id)
    last = NOW + timedelta(days=30) - timedelta(microseconds=1)
    assert look(call, last).ended_reason == "returned"
    assert return_leases([call], last) == [None]
    with pytest.raises(Refused, match="lease_not_found"):
        look(call, NOW + timedelta(days=30))
    (outcome,) = return_leases([call], NOW + timedelta(days=30))
    assert outcome is not None


def test_ended_lease_is_told_while_portal_time_is_unknown(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module()])
    lease = take(client)
    give_back(client, lease, NOW)
    assert ended(client, lease, UNKNOWN) == ("returned", NOW)


def test_ended_lease_is_told_after_its_key_is_gone(portal: Portal, client: ErpClient) -> None:
    key = portal.accept(KEY, [module()])
    lease = take(client)
    end_leases_of_key(KEY, "key_removed", NOW)
    key.delete()
    found = look(LeaseCall(client.pk, lease.id), NOW)
    assert (found.ended_reason, found.contact_deadline, found.keys) == ("key_removed", lease.expires_at, {})


# --- the portal ends leases -----------------------------------------------------------------------------


def test_release_ends_a_lease_and_records_who_and_why(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module("HANDEL", 1)])
    lease = take(client)
    assert release([lease.id], NOW + timedelta(minutes=1), OPERATOR, "went home") == 1
    assert ended(client, lease, NOW) == ("released_by_admin", NOW + timedelta(minutes=1))
    event = Event.objects.get(kind="lease_released")
    assert (event.actor, event.subject) == ("olga", str(lease.id))
    assert event.data == {
        "user": "anna.nowak",
        "workstation": "PC-017",
        "modules": ["HANDEL"],
        "reason": "went home",
    }
    take(client, now=NOW + timedelta(minutes=1))


def test_release_leaves_what_has_ended_alone(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module()])
    overdue, returned = take(client), take(client)
    give_back(client, returned, NOW)
    assert release([overdue.id, returned.id, str(uuid4())], overdue.expires_at, OPERATOR) == 0
    assert ended(client, overdue, NOW)[0] == "expired"
    assert not Event.objects.filter(kind="lease_released").exists()


def test_viewer_may_not_release(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module()])
    lease = take(client)
    with pytest.raises(Refused, match="not_permitted"):
        release([lease.id], NOW, Actor("vera", Role.VIEWER))
    assert look(LeaseCall(client.pk, lease.id), NOW).state == "active"


def test_expire_overdue_ends_only_what_is_overdue(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module()])
    take(client)
    live = take(client, now=NOW + timedelta(seconds=1))
    assert expire_overdue(NOW + INACTIVITY) == 1
    assert expire_overdue(NOW + INACTIVITY) == 0
    assert str(Lease.objects.get(ended_at__isnull=True).id) == live.id


@pytest.mark.parametrize("reason", ["key_inactive", "key_removed"])
def test_loss_of_a_key_ends_every_lease_with_a_module_of_it(
    portal: Portal, client: ErpClient, reason: str
) -> None:
    portal.accept(KEY, [module("HANDEL"), module("KASA")])
    portal.accept(OTHER_KEY, [module("CRM")])
    mixed, own, other = take(client, "HANDEL", "CRM"), take(client, "KASA"), take(client, "CRM")
    assert end_leases_of_key(KEY, reason, NOW + timedelta(minutes=1)) == 2
    assert ended(client, mixed, NOW) == ended(client, own, NOW) == (reason, NOW + timedelta(minutes=1))
    assert look(LeaseCall(client.pk, other.id), NOW).state == "active"
    assert not Module.objects.filter(key__number=KEY).exists()


def test_lease_overdue_when_its_key_was_lost_has_expired(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module()])
    lease = take(client)
    assert end_leases_of_key(KEY, "key_inactive", lease.expires_at) == 0
    assert ended(client, lease, NOW)[0] == "expired"


def test_key_that_comes_back_gives_its_modules_again(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module("HANDEL", 1)])
    take(client)
    end_leases_of_key(KEY, "key_inactive", NOW)
    portal.accept(KEY, [module("HANDEL", 1)])
    assert take(client).modules[0].seat == 1


def test_renewal_of_all_live_leases_leaves_alone_what_has_ended_or_is_overdue(
    portal: Portal, client: ErpClient
) -> None:
    portal.accept(KEY, [module()])
    overdue, returned = take(client), take(client)
    give_back(client, returned, NOW)
    live = take(client, now=NOW + timedelta(seconds=1))
    now = overdue.expires_at
    assert renew_live(lambda: now) == 1
    assert look(LeaseCall(client.pk, live.id), now).expires_at == now + INACTIVITY
    assert Lease.objects.get(id=live.id).last_seen_at == live.last_seen_at
    assert ended(client, overdue, now) == ("expired", overdue.expires_at)
    assert ended(client, returned, now) == ("returned", NOW)


def test_renewal_of_what_may_have_been_promised_takes_in_what_ended_just_now(
    portal: Portal, client: ErpClient
) -> None:
    portal.accept(KEY, [module()])
    long_ago, just_now, told = (
        take(client),
        take(client, now=NOW + 60 * SECOND),
        take(client, now=NOW + 60 * SECOND),
    )
    now = just_now.expires_at + 5 * SECOND
    assert ended(client, told, now) == ("expired", told.expires_at)
    assert renew_promised(now, 30 * SECOND) == 1
    assert look(LeaseCall(client.pk, just_now.id), now).expires_at == now + INACTIVITY
    assert ended(client, long_ago, now) == ("expired", long_ago.expires_at)
    assert ended(client, told, now) == ("expired", told.expires_at)


def test_renewal_of_live_leases_revives_none_that_ends_before_its_turn(
    portal: Portal, client: ErpClient
) -> None:
    portal.accept(KEY, [module()])
    lease = take(client)
    times = iter([lease.expires_at - SECOND, lease.expires_at])
    assert renew_live(lambda: next(times)) == 1
    assert ended(client, lease, lease.expires_at) == ("expired", lease.expires_at)


def test_renewal_of_all_live_leases_keeps_within_their_bounds(portal: Portal, client: ErpClient) -> None:
    deadline = NOW + INACTIVITY + timedelta(seconds=5)
    portal.accept(KEY, [module()], life=deadline - NOW)
    lease = take(client)
    assert renew_live(lambda: NOW + timedelta(seconds=60)) == 1
    assert look(LeaseCall(client.pk, lease.id), NOW).expires_at == deadline
    assert ended(client, lease, deadline) == ("contact_lost", deadline)


FAR = timedelta(days=1)


def on(lease: HeldLease) -> Beating:
    """What heartbeats from memory start with."""
    found = beating(1, lease)
    assert found is not None
    return found


def test_first_heartbeat_of_a_lease_may_be_reckoned_up_to_the_first_bound_of_its_modules(
    portal: Portal, client: ErpClient
) -> None:
    deadline = NOW + timedelta(hours=1)
    portal.accept(KEY, [module("HANDEL")], life=timedelta(hours=5))
    portal.accept(OTHER_KEY, [module("KASA")], life=deadline - NOW)
    lease = take(client, "HANDEL", "KASA")
    assert not on(lease).prolong(deadline - INACTIVITY, FAR), "its end has another reason then"
    later = deadline - INACTIVITY - timedelta(microseconds=1)
    assert (given := on(lease)).prolong(later, FAR)
    assert given.expires_at == beat(client, lease, later).expires_at


def test_heartbeat_after_a_heartbeat_may_be_reckoned_while_it_changes_nothing_but_the_end(
    portal: Portal, client: ErpClient
) -> None:
    deadline = NOW + timedelta(hours=1)
    portal.accept(KEY, [module("HANDEL"), module("KASA")], life=deadline - NOW)
    first = beat(client, take(client, "HANDEL", "KASA"), NOW)
    later = NOW + timedelta(seconds=3)
    assert not on(first).prolong(first.expires_at, FAR), "it has ended"
    assert not on(first).prolong(deadline - INACTIVITY, FAR), "its end has another reason then"
    again = on(first)
    assert not again.prolong(later, timedelta(seconds=2)), "too far beyond what is written"
    assert again == on(first), "and nothing was done"
    assert again.prolong(later, timedelta(seconds=3))
    heard = beat(client, first, later)
    assert (again.expires_at, again.last_seen_at) == (heard.expires_at, heard.last_seen_at)
    for name in ("id", "state", "inactivity_seconds", "contact_deadline", "withdrawn"):
        assert getattr(again, name) == getattr(heard, name), "what the answer tells"
    assert again.prolong(NOW, FAR)
    assert again.expires_at == heard.expires_at, "an earlier moment takes nothing away"
    assert beating(client.pk, look(LeaseCall(client.pk, first.id), later)) is None, "nobody has judged it now"
    portal.accept(KEY, [module("HANDEL", 5)], later, life=deadline - later)
    assert beating(client.pk, beat(client, first, later)) is None, "a seat of it was taken away"


# --- what ends leases from outside the engine ---------------------------------------------------------------


def version() -> int:
    return Installation.objects.values_list("version", flat=True).get()


def a_seat_was_edited_away(lease: HeldLease) -> None:
    Seat.objects.filter(lease__id=lease.id).update(lease=None)


def a_module_was_edited_away(_lease: HeldLease) -> None:
    Seat.objects.all().delete()
    Module.objects.all().delete()


@pytest.mark.parametrize("edit", [a_seat_was_edited_away, a_module_was_edited_away])
@pytest.mark.parametrize("end", [mend, lambda now: renew_live(lambda: now)])
def test_whatever_finds_that_a_lease_ends_raises_the_version(
    portal: Portal, client: ErpClient, edit: Callable[[HeldLease], None], end: Callable[[datetime], int]
) -> None:
    portal.accept(KEY, [module()])
    lease = take(client)
    edit(lease)
    before = version()
    end(NOW + timedelta(seconds=1))
    assert ended(client, lease, NOW + timedelta(seconds=1))[0] == "released_by_admin"
    assert version() > before


def test_release_and_return_raise_the_version(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module()])
    first, second = take(client), take(client)
    before = version()
    release([first.id], NOW, PORTAL)
    released = version()
    give_back(client, second, NOW)
    assert before < released < version()


def test_renewal_that_ends_nothing_leaves_the_version_alone(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module()])
    take(client)
    before = version()
    renew_live(lambda: NOW + timedelta(seconds=1))
    assert version() == before


def test_promise_that_comes_after_a_later_heartbeat_shortens_nothing(
    portal: Portal, client: ErpClient
) -> None:
    portal.accept(KEY, [module("HANDEL", 1)])
    lease = take(client)
    promise = Promise(lease.id, lease.expires_at + SECOND, NOW + SECOND)
    later = beat(client, lease, NOW + 2 * SECOND)
    in_transaction(lambda cursor: write_promises(cursor, [promise]))
    row = Lease.objects.get(id=lease.id)
    assert (row.expires_at, row.last_seen_at) == (later.expires_at, later.last_seen_at)
