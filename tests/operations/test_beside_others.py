"""Who comes at the same moment: what one has not committed, or has committed just now, misleads no other."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction

from licensing.engine.batch import Batches, Kind, Work
from licensing.models import (
    ErpClient,
    Lease,
    Module,
    Seat,
    VirtualKey,
)
from licensing.operations import heartbeat as heartbeats
from licensing.operations import invariants, withdrawal
from licensing.operations.actors import COMMAND
from licensing.operations.invariants import check_invariants
from licensing.operations.keys import remove_key
from licensing.operations.lease_values import HeldLease, LeaseCall
from licensing.operations.leases import checkout, clamp_to_deadlines, heartbeat, look
from tests.factories import KEY, NOW, OTHER_KEY, Portal, give_back, make_client, module, request, take
from tests.operations.beside import Beside, come_between

pytestmark = pytest.mark.django_db(transaction=True)

SOON = timedelta(seconds=20)
SHORT = timedelta(minutes=10)


@pytest.fixture
def client(transactional_db: None, portal: Portal) -> ErpClient:
    portal.accept(KEY, [module()])
    return make_client()


def call_on(lease: HeldLease) -> LeaseCall:
    return LeaseCall(Lease.objects.get(id=lease.id).client_id, lease.id)


# --- a contact beside a heartbeat --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("granted", "end"),
    [
        ({"life": SHORT}, NOW + SOON + SHORT),
        ({"life": timedelta(hours=72)}, NOW + SOON + timedelta(minutes=30)),
    ],
)
def test_heartbeat_that_waits_for_a_contact_is_judged_by_what_that_brought(
    portal: Portal, client: ErpClient, granted: dict[str, timedelta], end: Any
) -> None:
    call = call_on(take(client))
    batches = Batches(lambda: NOW + SOON)
    batches.patiently([Work(Kind.LOOK, call)])  # so that the terms are kept
    with transaction.atomic():
        portal.accept(KEY, [module()], NOW + SOON, **granted)
        Lease.objects.select_for_update().get()
        beating = Beside(lambda: batches.patiently([Work(Kind.HEARTBEAT, call)]))
        beating.wait_until_he_waits()
    beating.finish()
    assert Lease.objects.get().expires_at == end


@pytest.mark.parametrize("life", [timedelta(seconds=1000), timedelta(seconds=1850)])
def test_contact_bounds_a_heartbeat_that_it_cannot_see_yet(
    portal: Portal, client: ErpClient, life: timedelta
) -> None:
    lease, late = take(client), NOW + timedelta(seconds=900)
    with transaction.atomic():
        heartbeat([call_on(lease)], late)
        contact = Beside(lambda: portal.accept(KEY, [module()], late - SOON, life))
        contact.wait_until_he_waits()
    contact.finish()
    assert Lease.objects.get().expires_at == min(late + timedelta(minutes=30), late - SOON + life)
    assert check_invariants(late) == []


def test_end_of_a_module_bounds_a_heartbeat_that_it_cannot_see_yet(portal: Portal, client: ErpClient) -> None:
    evening = NOW.replace(hour=23, minute=20)
    lease, late = take(client, now=evening), evening + timedelta(minutes=20)
    with transaction.atomic():
        heartbeat([call_on(lease)], late)
        contact = Beside(lambda: portal.accept(KEY, [module(expires_on=evening.date())], late))
        contact.wait_until_he_waits()
    contact.finish()
    assert Lease.objects.get().expires_at == NOW.replace(hour=0) + timedelta(days=1)
    assert Lease.objects.get().expires_as == "module_expired"


def test_deadline_that_came_forward_bounds_a_lease_that_is_just_being_given(
    portal: Portal, client: ErpClient
) -> None:
    grant = portal.grant(KEY, [module()], NOW, SHORT)
    with transaction.atomic():
        take(client)

        def come_forward() -> None:
            VirtualKey.objects.update(grant=grant)
            clamp_to_deadlines(NOW)

        contact = Beside(come_forward)
        contact.wait_until_he_waits()
    contact.finish()
    assert Lease.objects.get().expires_at == NOW + SHORT


# --- a key that is removed ---------------------------------------------------------------------------------


def test_lease_given_while_its_key_is_removed_ends_with_the_key(
    portal: Portal, client: ErpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    portal.accept(OTHER_KEY, [module("KADRY", 1)])
    asked = request(client, "HANDEL", "KADRY")
    come_between(monkeypatch, withdrawal, "lock_modules", lambda: checkout([asked], NOW))
    remove_key(NOW, COMMAND, KEY)
    assert Lease.objects.get().ended_reason == "key_removed"
    assert not Seat.objects.filter(lease__isnull=False).exists()
    assert Module.objects.get().taken == 0


# --- what is read piece by piece ---------------------------------------------------------------------------


def test_lease_returned_while_it_is_looked_at_was_returned(
    portal: Portal, client: ErpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = take(client)
    come_between(monkeypatch, heartbeats, "read_seats", lambda: give_back(client, lease, NOW + SOON))
    seen = look(call_on(lease), NOW + SOON)
    assert (seen.state, seen.ended_reason) == ("ended", "returned")


def test_lease_looked_at_when_it_ends_goes_on_where_a_heartbeat_came_first(client: ErpClient) -> None:
    call = call_on(take(client))
    end = NOW + timedelta(minutes=30)
    with transaction.atomic():
        heartbeat([call], end - SOON)
        looking = Beside(lambda: look(call, end))
        looking.wait_until_he_waits()
    looking.finish()
    assert Lease.objects.get().ended_at is None


def test_invariants_are_looked_at_as_of_one_moment_and_nobody_waits_for_that(
    portal: Portal, client: ErpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease, real = take(client), invariants.read_seats

    def late(*args: Any) -> Any:
        Beside(lambda: give_back(client, lease, NOW + SOON)).finish()
        return real(*args)

    monkeypatch.setattr(invariants, "read_seats", late)
    assert check_invariants(NOW + SOON) == []
    assert Lease.objects.get().ended_reason == "returned"
