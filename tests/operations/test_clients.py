"""ERP clients and their tokens."""

import re

import pytest

from licensing.models import ErpClient, Event, Installation, Role
from licensing.operations.actors import COMMAND, Actor
from licensing.operations.clients import (
    add_erp_client,
    change_erp_client,
    disable_erp_client,
    enable_erp_client,
    replace_token,
    token_sha256,
)
from licensing.operations.errors import Refused
from tests.factories import NOW, Portal

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _portal(portal: Portal) -> None:
    """There is an installation."""


def test_a_token_is_long_random_and_stored_hashed() -> None:
    client, token = add_erp_client(NOW, COMMAND, "Optima")
    assert re.fullmatch(r"km_[A-Za-z0-9_-]{40,}", token)
    stored = ErpClient.objects.get(pk=client.pk)
    assert stored.token_sha256 == token_sha256(token)
    assert token not in str(vars(stored))


def test_a_token_stands_in_no_event() -> None:
    client, token = add_erp_client(NOW, COMMAND, "Optima")
    new = replace_token(NOW, COMMAND, client.pk)
    told = str(list(Event.objects.values()))
    assert token not in told
    assert new not in told


def test_a_new_token_replaces_the_old_one() -> None:
    client, token = add_erp_client(NOW, COMMAND, "Optima")
    new = replace_token(NOW, COMMAND, client.pk)
    assert new != token
    assert ErpClient.objects.get(pk=client.pk).token_sha256 == token_sha256(new)


def test_two_clients_of_one_name_are_refused() -> None:
    add_erp_client(NOW, COMMAND, "Optima")
    with pytest.raises(Refused, match="name_taken"):
        add_erp_client(NOW, COMMAND, " Optima ")
    assert ErpClient.objects.count() == 1


@pytest.mark.parametrize("name", ["", "   ", "x" * 65, "a\nb", "a\u200bb"])
def test_a_name_that_cannot_be_shown_is_refused(name: str) -> None:
    with pytest.raises(Refused) as refusal:
        add_erp_client(NOW, COMMAND, name)
    assert set(refusal.value.data["errors"]) == {"name"}


def test_networks_are_kept_in_one_shape_each_once() -> None:
    client, _ = add_erp_client(
        NOW, COMMAND, "Optima", ["192.168.1.7/24", "192.168.1.0/24", "10.0.0.5", "fd00::/8", " "]
    )
    assert client.networks == ["192.168.1.0/24", "10.0.0.5/32", "fd00::/8"]


@pytest.mark.parametrize("network", ["192.168.1.0/33", "lan", "10.0.0", "1.2.3.4-1.2.3.9"])
def test_what_is_no_network_is_refused(network: str) -> None:
    with pytest.raises(Refused) as refusal:
        add_erp_client(NOW, COMMAND, "Optima", [network])
    assert set(refusal.value.data["errors"]) == {"networks"}
    assert not ErpClient.objects.exists()


def test_a_client_is_renamed_and_its_networks_changed() -> None:
    client, _ = add_erp_client(NOW, COMMAND, "Optima")
    change_erp_client(NOW, COMMAND, client.pk, "XL", ["10.0.0.0/8"])
    client.refresh_from_db()
    assert (client.name, client.networks) == ("XL", ["10.0.0.0/8"])
    assert Event.objects.get(kind="erp_client_changed").data["name_before"] == "Optima"


def test_a_client_cannot_take_the_name_of_another() -> None:
    add_erp_client(NOW, COMMAND, "Optima")
    client, _ = add_erp_client(NOW, COMMAND, "XL")
    with pytest.raises(Refused, match="name_taken"):
        change_erp_client(NOW, COMMAND, client.pk, "Optima", [])


def test_a_change_of_nothing_is_recorded_by_nothing() -> None:
    client, _ = add_erp_client(NOW, COMMAND, "Optima")
    change_erp_client(NOW, COMMAND, client.pk, "Optima", [])
    assert not Event.objects.filter(kind="erp_client_changed").exists()


def test_disabling_and_enabling_are_recorded_once_each() -> None:
    client, _ = add_erp_client(NOW, COMMAND, "Optima")
    for _ in range(2):
        disable_erp_client(NOW, COMMAND, client.pk)
    client.refresh_from_db()
    assert client.disabled_at == NOW
    for _ in range(2):
        enable_erp_client(NOW, COMMAND, client.pk)
    client.refresh_from_db()
    assert client.disabled_at is None
    kinds = Event.objects.values_list("kind", flat=True)
    assert sorted(kind for kind in kinds if kind.endswith("abled")) == [
        "erp_client_disabled",
        "erp_client_enabled",
    ]


def test_every_change_tells_caches_that_they_are_old() -> None:
    versions = [Installation.objects.get(pk=1).version]
    client, _ = add_erp_client(NOW, COMMAND, "Optima")
    for change in (disable_erp_client, enable_erp_client, replace_token):
        versions.append(Installation.objects.get(pk=1).version)
        change(NOW, COMMAND, client.pk)
    versions.append(Installation.objects.get(pk=1).version)
    assert versions == sorted(set(versions))


def test_a_client_that_is_not_there_is_refused() -> None:
    with pytest.raises(Refused, match="erp_client_unknown"):
        disable_erp_client(NOW, COMMAND, 404)


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR])
def test_only_an_administrator_touches_erp_clients(role: Role) -> None:
    client, _ = add_erp_client(NOW, COMMAND, "Optima")
    actor = Actor("jan", role)
    for call in (
        lambda: add_erp_client(NOW, actor, "XL"),
        lambda: change_erp_client(NOW, actor, client.pk, "XL", []),
        lambda: disable_erp_client(NOW, actor, client.pk),
        lambda: enable_erp_client(NOW, actor, client.pk),
        lambda: replace_token(NOW, actor, client.pk),
    ):
        with pytest.raises(Refused, match="not_permitted"):
            call()
