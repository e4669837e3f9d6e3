"""Checkout: what is given, what is refused, and in which words."""

from datetime import timedelta

import pytest

from licensing.models import ErpClient
from licensing.operations.errors import Refused
from licensing.operations.leases import checkout
from tests.factories import KEY, NOW, Portal, give_back, make_client, module, request, take

pytestmark = pytest.mark.django_db


@pytest.fixture
def client() -> ErpClient:
    return make_client()


def refusal(client: ErpClient, *modules: str, now=NOW, **changes: object) -> Refused:
    """The refusal of a checkout that must be refused."""
    (outcome,) = checkout([request(client, *modules, **changes)], now)
    assert isinstance(outcome, Refused)
    return outcome


def test_checkout_gives_the_lowest_free_seat_of_each_module(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module("HANDEL", 5), module("KASA", None)])
    first = take(client, "HANDEL", "KASA")
    second = take(client, "HANDEL")
    give_back(client, first, NOW)
    third = take(client, "HANDEL")
    assert [held.seat for held in first.modules] == [1, None]
    assert second.modules[0].seat == 2
    assert third.modules[0].seat == 1


def test_checkout_refuses_when_all_seats_are_taken(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module("HANDEL", 2)])
    take(client)
    take(client, now=NOW + timedelta(seconds=5), user="jan.kos")
    found = refusal(client, now=NOW + timedelta(seconds=10))
    assert found.code == "no_free_seat"
    assert found.data["retry_after"] == 1790
    (full,) = found.data["modules"]
    assert full["next_free_at"] == NOW + timedelta(seconds=1800)
    assert (full["code"], full["seats"], full["taken"]) == ("HANDEL", 2, 2)
    assert [holder["user"] for holder in full["holders"]] == ["anna.nowak", "jan.kos"]
