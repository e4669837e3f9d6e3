"""Clustered installation: what the keys are bound to, and which machines serve a database."""

from datetime import timedelta
from pathlib import Path

import pytest

from licensing.models import ClusterNode, Configuration, Installation, Lease, Role, VirtualKey
from licensing.operations import cluster, database
from licensing.operations.actors import COMMAND, Actor
from licensing.operations.cluster import join, keys_to_bind, leave, nodes, note_node, switch_cluster
from licensing.operations.errors import Refused
from licensing.operations.health import worker_silent
from licensing.operations.machine import machine, machine_of_host
from licensing.operations.queue_heartbeat import beat
from licensing.serving import worker
from tests.factories import NOW, Portal, make_client, take
from tests.vendor_link import KEY, PIN, Link

OTHER = "sha256:" + "ab" * 32


@pytest.fixture
def on_postgresql(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rules are those of PostgreSQL, whichever database the run is on."""
    monkeypatch.setattr(database, "is_shareable", lambda: True)


def turn_on(link: Link, name: str = "sql-erp", pin: str = PIN) -> None:
    switch_cluster(link.now(), COMMAND, True, name, {KEY: pin})


def test_turning_the_cluster_on_asks_for_the_pin_of_every_active_key(link: Link, on_postgresql: None) -> None:
    assert keys_to_bind(True, "sql-erp") == []
    link.add()
    assert keys_to_bind(True, "sql-erp") == [KEY]
    assert keys_to_bind(False, "") == []


def test_the_next_contact_binds_anew_and_no_lease_ends(link: Link, on_postgresql: None) -> None:
    link.add()
    take(make_client(), "HANDEL", now=link.now())
    turn_on(link)
    assert machine() == "cluster:SQL-ERP"
    assert link.contact().lines[0].result == "granted"
    assert link.authority.state()["machine"] == "cluster:SQL-ERP"
    assert Lease.objects.filter(ended_at__isnull=True).count() == 1
    assert VirtualKey.objects.filter(pin__isnull=False).count() == 0
    assert keys_to_bind(True, " SQL-Erp ") == [], "the same name in other letters"


def test_renaming_and_turning_off_bind_anew_too(link: Link, on_postgresql: None) -> None:
    link.add()
    turn_on(link)
    link.contact()
    turn_on(link, "sql-2")
    assert link.contact().lines[0].result == "granted"
    switch_cluster(link.now(), COMMAND, False, "sql-2", {KEY: PIN})
    assert link.contact().lines[0].result == "granted"
    assert link.authority.state()["machine"] == machine_of_host()


def test_without_the_pin_the_key_goes_on_and_waits_to_be_bound(link: Link, on_postgresql: None) -> None:
    link.add()
    switch_cluster(link.now(), COMMAND, True, "sql-erp", {})
    assert link.contact().lines[0].reason == "machine_changed"
    assert link.key().state == "active"
    assert keys_to_bind(True, "sql-erp") == [KEY]


def test_a_pin_that_cannot_be_one_changes_nothing(link: Link, on_postgresql: None) -> None:
    link.add()
    with pytest.raises(Refused) as refused:
        turn_on(link, pin="12")
    assert list(refused.value.data["errors"]) == [KEY]
    assert machine() == machine_of_host()


def test_a_wrong_pin_ends_no_lease(link: Link, on_postgresql: None) -> None:
    link.add()
    take(make_client(), "HANDEL", now=link.now())
    turn_on(link, pin="9999")
    assert link.contact().lines[0].reason == "wrong_credentials"
    assert Lease.objects.filter(ended_at__isnull=True).count() == 1


def test_only_an_administrator_switches(portal: Portal) -> None:
    with pytest.raises(Refused, match="not_permitted"):
        switch_cluster(NOW, Actor("olga", Role.OPERATOR), True, "x", {})


# --- nodes ---------------------------------------------------------------------------------------------


def test_a_second_machine_without_the_switch_is_refused(portal: Portal, on_postgresql: None) -> None:
    ClusterNode.objects.create(machine=OTHER, name="SRV-2", seen_at=NOW - timedelta(minutes=2))
    with pytest.raises(Refused, match="second_machine") as refused:
        join(NOW)
    assert "SRV-2" in str(refused.value.detail)
    assert not ClusterNode.objects.filter(machine=machine_of_host()).exists()


def test_with_the_switch_both_serve(portal: Portal, on_postgresql: None) -> None:
    ClusterNode.objects.create(machine=OTHER, name="SRV-2", seen_at=NOW)
    Configuration.objects.update(clustered=True, cluster_name="sql-erp")
    join(NOW)
    assert [(node.name == "SRV-2", node.here, node.alive) for node in nodes(NOW)].count(
        (True, False, True)
    ) == 1


@pytest.mark.parametrize("minutes", [-5, 3])
def test_a_machine_that_has_been_gone_for_three_minutes_is_no_hindrance(
    portal: Portal, on_postgresql: None, minutes: int
) -> None:
    ClusterNode.objects.create(machine=OTHER, name="SRV-2", seen_at=NOW - timedelta(minutes=minutes))
    join(NOW)


def test_after_a_stop_in_peace_another_machine_may_begin_at_once(
    portal: Portal, on_postgresql: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    join(NOW)
    leave(NOW + timedelta(minutes=1))
    monkeypatch.setattr(cluster, "machine_of_host", lambda: OTHER)
    join(NOW + timedelta(minutes=1))


def test_the_same_machine_starts_again_at_any_time(portal: Portal, on_postgresql: None) -> None:
    join(NOW)
    join(NOW)
    assert ClusterNode.objects.count() == 1


def test_on_sqlite_there_is_no_cluster(portal: Portal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "is_shareable", lambda: False)
    with pytest.raises(Refused) as refused:
        switch_cluster(NOW, COMMAND, True, "sql-erp", {})
    assert list(refused.value.data["errors"]) == ["clustered"]


def test_a_sqlite_file_moves_freely(portal: Portal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "is_shareable", lambda: False)
    ClusterNode.objects.create(machine=OTHER, name="SRV-2", seen_at=NOW)
    join(NOW)


def test_a_node_tells_of_itself_once(portal: Portal, tmp_path: Path) -> None:
    note_node(NOW)
    note_node(NOW + timedelta(minutes=1))
    (node,) = nodes(NOW + timedelta(minutes=2))
    assert (node.here, node.alive, node.seen_at) == (True, True, NOW + timedelta(minutes=1))
    assert Installation.objects.count() == 1


@pytest.mark.parametrize(("seen", "silent"), [(timedelta(minutes=1), False), (timedelta(minutes=4), True)])
def test_a_worker_that_stops_takes_the_sign_of_life_along_only_where_no_other_node_works(
    portal: Portal, monkeypatch: pytest.MonkeyPatch, seen: timedelta, silent: bool
) -> None:
    monkeypatch.setattr(worker, "portal_now", lambda: NOW)
    monkeypatch.setattr(worker.connections, "close_all", lambda: None)
    note_node(NOW)
    ClusterNode.objects.create(machine=OTHER, name="other", seen_at=NOW - seen)
    beat(NOW)
    worker._take_leave()
    assert worker_silent(NOW) is silent
