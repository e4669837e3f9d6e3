"""What an older portal's database holds is kept: leases with their seats, and to what keys are bound."""

import copy
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import pytest
from django.apps.registry import Apps
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.loader import MigrationLoader

from tests.factories import NOW
from tests.portal_process import manage

ALIAS = "older"
BEFORE = "0011_lease_id_of_its_key"
BEFORE_BINDINGS = "0013_seat_module_without_index"
KINDS = ("Installation", "VirtualKey", "Module", "Seat", "ErpClient", "Lease")
pytestmark = pytest.mark.both_databases


@pytest.fixture
def migrate(database_url: str, tmp_path: Path) -> Callable[..., None]:
    """What brings the database of `older` to a migration, or to the last."""

    def run(*target: str) -> None:
        done = manage(tmp_path, "migrate", "licensing", *target, KEYMANAGER_DATABASE_URL=database_url)
        assert done.returncode == 0, done.stderr

    return run


@pytest.fixture
def older(
    database_url: str, migrate: Callable[..., None], django_db_setup: None, django_db_blocker: Any
) -> Iterator[BaseDatabaseWrapper]:
    """A database as it was before."""
    migrate(BEFORE)
    described = copy.deepcopy(connections.databases["default"])
    name = urlsplit(database_url).path
    described["NAME"] = name if described["ENGINE"].endswith("sqlite3") else name.removeprefix("/")
    # A pool would be kept for the next database of this alias.
    described["OPTIONS"].pop("pool", None)
    connections.databases[ALIAS] = described
    with django_db_blocker.unblock():
        try:
            yield connections[ALIAS]
        finally:
            connections[ALIAS].close()
            del connections[ALIAS], connections.databases[ALIAS]


def managers(apps: Apps) -> dict[str, Any]:
    return {name: apps.get_model("licensing", name).objects.using(ALIAS) for name in KINDS}


def make_leases(older: BaseDatabaseWrapper) -> list[UUID]:
    """Three leases, the youngest made first: two hold a seat each, one has ended."""
    all_of = managers(MigrationLoader(older).project_state([("licensing", BEFORE)]).apps)
    key = all_of["VirtualKey"].create(number="5000006622", customer="1", added_at=NOW)
    module = all_of["Module"].create(key=key, code="HANDEL", seats=3, ceiling=3, taken=2)
    client = all_of["ErpClient"].create(name="ERP", token_sha256="0" * 64, created_at=NOW, networks=[])
    ids = [uuid4() for _ in range(3)]
    for place, lease_id in enumerate(ids):
        ended = {"ended_at": NOW, "ended_reason": "returned"} if place == 1 else {}
        lease = all_of["Lease"].create(
            id=lease_id, client=client, user=f"user {place}", workstation="PC", program_name="ERP",
            program_version="1", modules=[{"code": "HANDEL", "key": key.number, "seat": place + 1}],
            taken_at=NOW - timedelta(minutes=place), last_seen_at=NOW, expires_at=NOW, **ended,
        )  # fmt: skip
        all_of["Seat"].create(module=module, number=place + 1, lease=None if ended else lease)
    return ids


def test_leases_are_numbered_by_their_age_and_keep_their_seats(
    older: BaseDatabaseWrapper, migrate: Callable[..., None]
) -> None:
    youngest, ended, oldest = make_leases(older)
    migrate()
    all_of = managers(MigrationLoader(older).project_state().apps)
    leases, seats = all_of["Lease"].order_by("row_number"), all_of["Seat"].order_by("number")
    assert list(leases.values_list("id", "user")) == [
        (oldest, "user 2"), (ended, "user 1"), (youngest, "user 0")
    ]  # fmt: skip
    assert list(seats.values_list("number", "lease__id")) == [(1, youngest), (2, None), (3, oldest)]


def test_rows_made_afterwards_come_after_the_others(
    older: BaseDatabaseWrapper, migrate: Callable[..., None]
) -> None:
    make_leases(older)
    migrate()
    all_of = managers(MigrationLoader(older).project_state().apps)
    lease, seat = all_of["Lease"].order_by("pk").last(), all_of["Seat"].order_by("pk").last()
    last = lease.pk, seat.pk
    lease.pk, lease.id, seat.pk, seat.number = None, uuid4(), None, 4
    lease.save(using=ALIAS, force_insert=True)
    seat.save(using=ALIAS, force_insert=True)
    assert (lease.pk > last[0], seat.pk > last[1]) == (True, True)


def test_active_keys_are_bound_to_the_machine_that_was_last_reported(
    older: BaseDatabaseWrapper, migrate: Callable[..., None]
) -> None:
    migrate(BEFORE_BINDINGS)
    all_of = managers(MigrationLoader(older).project_state([("licensing", BEFORE_BINDINGS)]).apps)
    all_of["Installation"].create(
        thumbprint="A" * 43,
        private_key="",
        clock_offset="",
        name="SRV",
        machine="cluster:ERP",
        created_at=NOW,
    )
    for number, fields in {
        "5000000001": {"state": "active", "grant": "x", "refusal": "clone_suspected"},
        "5000000002": {"state": "active", "grant": "x", "refusal": "suspended"},
        "5000000003": {"refusal": "wrong_credentials"},
    }.items():
        all_of["VirtualKey"].create(number=number, customer="1", added_at=NOW, **fields)
    migrate()
    keys = managers(MigrationLoader(older).project_state().apps)["VirtualKey"].order_by("number")
    assert list(keys.values_list("bound_machine", "binding_asked")) == [
        ("cluster:ERP", "clone_suspected"), ("cluster:ERP", ""), ("", "")
    ]  # fmt: skip
