"""The database edited by hand gives not one seat and not one hour more, and breaks nothing."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta

import pytest
from django.db import connection

from licensing.models import ErpClient, Installation, Lease, Module, Seat, VirtualKey
from licensing.models.sealed import seal
from licensing.operations.clock import local_now, portal_now
from licensing.operations.errors import Refused
from licensing.operations.invariants import check_invariants
from licensing.operations.leases import Checkout, HeldLease, LeaseCall, checkout, heartbeat, look
from licensing.operations.mending import mend
from licensing.operations.seat_changes import GivenSeat, SeatChanges
from licensing.operations.transactions import Overtaken
from tests.factories import KEY, NOW, OTHER_KEY, Portal, beat, give_back, make_client, module, request, take

pytestmark = pytest.mark.django_db

SEATS = 3
MINUTE = timedelta(minutes=1)
DEADLINE = NOW + timedelta(hours=72)


@pytest.fixture
def client() -> ErpClient:
    return make_client()


@pytest.fixture
def full(portal: Portal, client: ErpClient) -> list[HeldLease]:
    """All seats of HANDEL taken."""
    portal.accept(KEY, [module("HANDEL", SEATS), module("KASA", 1, expires_on=date(2026, 11, 30))])
    return [take(client, user=f"u{place}") for place in range(SEATS)]


@contextmanager
def without_constraints() -> Iterator[None]:
    """As a tool does that checks nothing."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("PRAGMA ignore_check_constraints=ON")
            yield
            cursor.execute("PRAGMA ignore_check_constraints=OFF")
        else:
            yield


def given_now(client: ErpClient, count: int = 8, now=NOW) -> int:
    """How many of some checkouts are given; the others must be refused in order, without an error."""
    outcomes = checkout([request(client) for _ in range(count)], now)
    return sum(isinstance(outcome, Checkout) for outcome in outcomes)


def alive(client: ErpClient, leases: list[HeldLease], now) -> int:
    """How many of the leases go on after a heartbeat."""
    outcomes = heartbeat([LeaseCall(client.pk, lease.id) for lease in leases], now)
    return sum(isinstance(outcome, HeldLease) for outcome in outcomes)


MODULE_EDITS = {
    "seats": {"seats": 100, "ceiling": 100},
    "seats_counted_no_more": {"seats": None, "ceiling": None},
    "ceiling": {"ceiling": 100},
    "taken_lowered": {"taken": 0},
    "all_of_them": {"seats": 100, "ceiling": 100, "taken": 0},
    "code": {"code": "KASA2"},
}


@pytest.mark.parametrize("edit", MODULE_EDITS.values(), ids=MODULE_EDITS)
def test_edited_module_gives_no_seat_more(full, client: ErpClient, edit: dict[str, object]) -> None:
    Module.objects.filter(code="HANDEL").update(**edit)
    assert given_now(client) == 0
    mend(NOW)
    given = given_now(client)
    assert given + alive(client, full, NOW + MINUTE) <= SEATS
    assert check_invariants(NOW + MINUTE) == []


@pytest.mark.parametrize("edit", MODULE_EDITS.values(), ids=MODULE_EDITS)
def test_edited_module_gives_no_seat_more_after_the_next_contact(
    portal: Portal, full, client: ErpClient, edit: dict[str, object]
) -> None:
    Module.objects.filter(code="HANDEL").update(**edit)
    portal.accept(KEY, [module("HANDEL", SEATS), module("KASA", 1)])
    given = given_now(client)
    assert given + alive(client, full, NOW + MINUTE) <= SEATS


def test_lowered_columns_only_cost_seats_until_they_are_mended(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module("HANDEL", SEATS)])
    Module.objects.update(ceiling=1, seats=1)
    assert given_now(client) == 1
    mend(NOW)
    assert given_now(client) == SEATS - 1


def test_ceiling_below_the_seats_breaks_nothing(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module("HANDEL", SEATS)])
    with without_constraints():
        if connection.vendor == "sqlite":
            Module.objects.update(ceiling=1)
    assert given_now(client) <= SEATS


SEAT_EDITS: dict[str, Callable[[], object]] = {
    "cleared": lambda: Seat.objects.update(lease=None),
    "deleted": lambda: Seat.objects.all().delete(),
    "one_cleared": lambda: Seat.objects.filter(number=2).update(lease=None),
    "added_free": lambda: Seat.objects.bulk_create(
        [Seat(module=Module.objects.get(code="HANDEL"), number=number) for number in range(4, 40)]
    ),
    "numbered_beyond": lambda: Seat.objects.filter(number=1).update(number=77),
    "moved_to_another_module": lambda: Seat.objects.filter(number=1).update(
        module=Module.objects.get(code="KASA")
    ),
    "marked_as_ending": lambda: Seat.objects.filter(number=1).update(ends_at=NOW + timedelta(days=900)),
}


@pytest.mark.parametrize("edit", SEAT_EDITS.values(), ids=SEAT_EDITS)
def test_edited_seats_give_no_seat_more(full, client: ErpClient, edit: Callable[[], object]) -> None:
    edit()
    new = given_now(client)
    assert new == 0
    goes_on = alive(client, full, NOW + MINUTE)
    new += given_now(client, now=NOW + MINUTE)
    assert goes_on + new <= SEATS
    mend(NOW + MINUTE)
    new += given_now(client, now=NOW + MINUTE)
    assert goes_on + new <= SEATS
    assert check_invariants(NOW + MINUTE) == []


def test_lease_whose_seat_was_cleared_by_hand_notices_at_its_heartbeat(full, client: ErpClient) -> None:
    Seat.objects.filter(number=2).update(lease=None)
    (outcome,) = heartbeat([LeaseCall(client.pk, full[1].id)], NOW + MINUTE)
    assert isinstance(outcome, Refused)
    assert outcome.data == {"ended_reason": "released_by_admin", "ended_at": NOW + MINUTE}
    mend(NOW + MINUTE)
    assert given_now(client, now=NOW + MINUTE) == 1


def test_leases_ended_by_hand_free_their_seats(full, client: ErpClient) -> None:
    Lease.objects.filter(id=full[0].id).update(ended_at=NOW, ended_reason="returned")
    mend(NOW)
    assert given_now(client) == 1


def test_seat_given_to_another_lease_by_hand_ends_both(full, client: ErpClient) -> None:
    Seat.objects.filter(number=2).update(lease=Lease.objects.get(id=full[0].id))
    assert alive(client, full, NOW + MINUTE) == 1
    mend(NOW + MINUTE)
    assert given_now(client, now=NOW + MINUTE) == 2
    assert check_invariants(NOW + MINUTE) == []


def test_withdrawn_seat_whose_marks_were_edited_ends_all_the_same(
    portal: Portal, full, client: ErpClient
) -> None:
    end = full[2].expires_at
    for edit in ("both", "seat", "lease", "later"):
        portal.accept(KEY, [module("HANDEL", 2)], NOW)
        if edit in ("both", "seat"):
            Seat.objects.filter(number=3).update(ends_at=None)
        if edit in ("both", "lease"):
            Lease.objects.filter(id=full[2].id).update(withdrawn={})
        if edit == "later":
            Seat.objects.filter(number=3).update(ends_at=end + timedelta(days=9))
        renewed = beat(client, full[2], NOW + MINUTE)
        assert (renewed.withdrawn, renewed.expires_at) == (("HANDEL",), end)
    (outcome,) = heartbeat([LeaseCall(client.pk, full[2].id)], end)
    assert isinstance(outcome, Refused)
    assert outcome.data["ended_reason"] == "withdrawn"


def test_edited_expiry_gives_no_hour_beyond_the_deadline(full, client: ErpClient) -> None:
    Lease.objects.update(expires_at=NOW + timedelta(days=900))
    assert look(LeaseCall(client.pk, full[0].id), NOW).expires_at == DEADLINE
    assert beat(client, full[0], NOW + MINUTE).expires_at == DEADLINE
    assert alive(client, full, DEADLINE) == 0
    found = look(LeaseCall(client.pk, full[1].id), DEADLINE)
    assert (found.ended_reason, found.ended_at) == ("contact_lost", DEADLINE)


def test_lease_that_was_lengthened_ends_with_its_last_seat_all_the_same(
    portal: Portal, full, client: ErpClient
) -> None:
    portal.accept(KEY, [module("HANDEL", 0)], NOW)
    end = full[0].expires_at
    Lease.objects.update(expires_at=NOW + timedelta(days=1))
    (outcome,) = heartbeat([LeaseCall(client.pk, full[0].id)], end)
    assert isinstance(outcome, Refused)
    assert outcome.data == {"ended_reason": "withdrawn", "ended_at": end}


def test_seat_that_was_taken_meanwhile_is_not_given(full, client: ErpClient) -> None:
    seat = Seat.objects.get(number=1, module__code="HANDEL")
    changes = SeatChanges()
    changes.give(GivenSeat(seat.pk, seat.module_id, 1, Lease.objects.get(id=full[1].id).pk))
    with connection.cursor() as cursor, pytest.raises(Overtaken):
        changes.store(cursor)


LEASE_EDITS = {
    "modules": {
        "modules": [{"code": "HANDEL", "key": KEY, "seat": 1}, {"code": "KASA", "key": KEY, "seat": 1}]
    },
    "no_modules": {"modules": []},
    "other_key": {"modules": [{"code": "HANDEL", "key": OTHER_KEY, "seat": 1}]},
    "taken_at": {"taken_at": NOW + timedelta(days=900)},
    "last_seen_at": {"last_seen_at": NOW + timedelta(days=900)},
    "expires_as": {"expires_as": "whim"},
    "withdrawn": {"withdrawn": {"HANDEL": "2031-01-01T00:00:00.000000Z"}},
    "not_taken": {"not_taken": [{"code": "X", "reason": "no_free_seat"}]},
    "seat_number": {"modules": [{"code": "HANDEL", "key": KEY, "seat": 1}]},
}


@pytest.mark.parametrize("edit", LEASE_EDITS.values(), ids=LEASE_EDITS)
def test_edited_lease_gives_neither_seat_nor_hour(full, client: ErpClient, edit: dict[str, object]) -> None:
    Lease.objects.update(**edit)
    goes_on = alive(client, full, NOW + MINUTE)
    mend(NOW + MINUTE)
    assert goes_on + given_now(client, now=NOW + MINUTE) <= SEATS
    assert alive(client, full, DEADLINE) == 0


def test_lease_brought_back_to_life_by_hand_holds_nothing(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module("HANDEL", 1)])
    lease = take(client)
    give_back(client, lease, NOW)
    other = take(client)
    Lease.objects.filter(id=lease.id).update(ended_at=None, ended_reason="")
    assert alive(client, [lease, other], NOW + MINUTE) == 1


def test_lease_whose_modules_are_no_json_of_ours_ends(full, client: ErpClient) -> None:
    Lease.objects.filter(id=full[0].id).update(modules={"edited": True})
    Lease.objects.filter(id=full[1].id).update(withdrawn={"HANDEL": "never"}, not_taken={"edited": 1})
    assert alive(client, full, NOW + MINUTE) == 2
    assert alive(client, full, DEADLINE) == 0


KEY_EDITS: dict[str, Callable[[Portal], dict[str, object]]] = {
    "grant_of_another_key": lambda portal: {"grant": portal.grant(OTHER_KEY, [module("HANDEL", 99)])},
    "grant_with_a_changed_byte": lambda portal: {
        "grant": portal.grant(KEY, [module("HANDEL", 99)])[:-8] + "AAAAAAAA"
    },
    "grant_emptied": lambda portal: {"grant": ""},
    "number": lambda portal: {"number": OTHER_KEY},
}


@pytest.mark.parametrize("edit", KEY_EDITS.values(), ids=KEY_EDITS)
def test_key_with_an_edited_grant_gives_nothing(
    portal: Portal, full, client: ErpClient, edit: Callable[[Portal], dict[str, object]]
) -> None:
    VirtualKey.objects.filter(number=KEY).update(**edit(portal))
    (outcome,) = checkout([request(client)], NOW)
    assert isinstance(outcome, Refused)
    assert outcome.code == "module_unknown"
    assert alive(client, full, NOW + MINUTE) == 0


def test_grant_of_another_installation_gives_nothing(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module("HANDEL", 1)])
    stranger = Portal("A" * 43)
    VirtualKey.objects.update(grant=stranger.grant(KEY, [module("HANDEL", 99)]))
    assert given_now(client) == 0


def test_other_columns_of_a_key_move_no_deadline(portal: Portal, full, client: ErpClient) -> None:
    later = NOW + timedelta(days=900)
    VirtualKey.objects.update(
        last_contact_at=later, lost_told_for=later, serial=99, revision=99, added_at=later
    )
    assert alive(client, full, DEADLINE - timedelta(hours=1)) == 0  # they expired long ago
    (outcome,) = checkout([request(client)], DEADLINE)
    assert isinstance(outcome, Refused)
    assert outcome.code == "contact_lost"


def test_edited_clock_offset_turns_no_clock_back(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module("HANDEL", 1)])
    with connection.cursor() as cursor:
        cursor.execute("UPDATE licensing_installation SET clock_offset = %s", ["-999999"])
    assert portal_now() > local_now() + timedelta(days=900)
    assert given_now(client, now=portal_now()) == 0
    # A value sealed for another column does not open either.
    with connection.cursor() as cursor:
        cursor.execute("UPDATE licensing_installation SET clock_offset = %s", [seal("other", "-999999")])
    assert portal_now() > local_now() + timedelta(days=900)


def test_installation_of_another_name_has_no_keys(portal: Portal, full, client: ErpClient) -> None:
    Installation.objects.update(thumbprint="B" * 43)
    assert given_now(client) == 0


def test_key_set_without_a_signature_of_the_vendor_is_not_believed(
    portal: Portal, full, client: ErpClient
) -> None:
    Installation.objects.update(authority_key_set=json.dumps({"keys": []}))
    assert alive(client, full, NOW + MINUTE) == SEATS
