"""Users' names are kept as long as the setting says."""

from datetime import timedelta

import pytest

from licensing.models import Configuration, ErpClient, Event, Lease, Refusal, RollUp, UsageQuarter
from licensing.operations.actors import PORTAL
from licensing.operations.configuration import change_configuration
from licensing.operations.errors import Refused
from licensing.operations.forgetting import forget_names, forget_quarters, pseudonym
from licensing.operations.leases import checkout, release
from licensing.operations.rollup import roll_up
from tests.factories import KEY, NOW, Portal, give_back, make_client, module, request, take

pytestmark = pytest.mark.django_db


@pytest.fixture
def client(portal: Portal) -> ErpClient:
    portal.accept(KEY, [module("HANDEL", 2)])
    return make_client()


def keep_names_for(days: int) -> None:
    change_configuration(NOW, PORTAL, names_kept_days=days)


def test_names_in_leases_refusals_and_events_become_one_pseudonym(client: ErpClient) -> None:
    keep_names_for(30)
    released, returned = take(client), take(client, idempotency_key="once", body_sha256="a")
    checkout([request(client)], NOW)
    release([released.id], NOW, PORTAL, "went home")
    give_back(client, returned, NOW)
    late = NOW + timedelta(days=30, seconds=1)
    roll_up(NOW + timedelta(days=1))
    assert forget_names(late) == 4
    other = pseudonym("anna.nowak")
    assert set(Lease.objects.values_list("user", "body_sha256")) == {(other, "")}
    assert Refusal.objects.get().user == other
    event = Event.objects.get(kind="lease_released")
    assert (event.data["user"], event.data["workstation"]) == (other, "PC-017")


def test_names_are_replaced_once(client: ErpClient) -> None:
    keep_names_for(30)
    checkout([request(client, "NOTHING")], NOW)
    roll_up(NOW + timedelta(days=1))
    late = NOW + timedelta(days=31)
    assert forget_names(late) == 1
    assert forget_names(late) == 0
    assert forget_names(late + timedelta(days=100)) == 0
    assert Refusal.objects.get().user == pseudonym("anna.nowak")


def test_names_younger_than_the_setting_and_of_live_leases_stay(client: ErpClient) -> None:
    take(client)
    checkout([request(client, "NOTHING")], NOW + timedelta(minutes=10))
    roll_up(NOW + timedelta(days=1))
    assert forget_names(NOW + timedelta(days=90, minutes=9)) == 0
    assert Lease.objects.get().user == Refusal.objects.get().user == "anna.nowak"
    assert forget_names(NOW + timedelta(days=90, minutes=11)) == 1
    assert Lease.objects.get().user == "anna.nowak"


def test_a_shorter_time_is_made_good_and_a_longer_one_brings_nothing_back(client: ErpClient) -> None:
    checkout([request(client, "NOTHING")], NOW)
    roll_up(NOW + timedelta(days=1))
    late = NOW + timedelta(days=40)
    assert forget_names(late) == 0
    keep_names_for(35)
    assert forget_names(late) == 1
    keep_names_for(365)
    assert forget_names(late) == 0


def test_a_pseudonym_is_the_same_for_the_same_name_and_tells_nothing() -> None:
    assert pseudonym("anna.nowak") == pseudonym("anna.nowak") != pseudonym("jan.lis")
    assert "anna" not in pseudonym("anna.nowak")


@pytest.mark.parametrize("days", [29, 3651])
def test_names_are_kept_for_30_to_3650_days(portal: Portal, days: int) -> None:
    with pytest.raises(Refused, match="validation_failed"):
        keep_names_for(days)
    assert Configuration().names_kept_days == 90


def test_quarters_of_more_than_400_days_ago_are_forgotten(client: ErpClient) -> None:
    give_back(client, take(client), NOW + timedelta(minutes=20))
    roll_up(NOW + timedelta(hours=3))
    assert UsageQuarter.objects.count() == 2
    assert forget_quarters(NOW + timedelta(days=400, minutes=10)) == 1
    assert RollUp.objects.get().since == NOW
