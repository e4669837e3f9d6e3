"""Many at once: never more leases than seats, no deadlock, no error, on either database."""

import json
import os
import subprocess
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.conf import settings as django_settings
from django.db import IntegrityError, OperationalError, connection, transaction

from licensing.models import ErpClient, Lease, Module, Seat
from licensing.operations import transactions
from licensing.operations.errors import Refused
from licensing.operations.invariants import check_invariants
from licensing.operations.leases import checkout
from licensing.operations.transactions import ATTEMPTS, Overtaken, in_transaction
from tests.factories import KEY, NOW, OTHER_KEY, Portal, make_client, make_portal, module, request, take
from tests.operations.fighter import Fighters, Tally

pytestmark = pytest.mark.django_db(transaction=True)

SEATS = 5


@pytest.fixture
def portal(transactional_db: None, settings: Any, tmp_path: Path) -> Portal:
    settings.KEYMANAGER = settings.KEYMANAGER  # noted, so that it is put back
    return make_portal(tmp_path)


@pytest.fixture
def client(portal: Portal) -> ErpClient:
    portal.accept(KEY, [module("HANDEL", SEATS), module("BI", None)])
    portal.accept(OTHER_KEY, [module("BI", 2)])
    return make_client()


def environment() -> dict[str, str]:
    """The surroundings of another process on the same database."""
    name = str(connection.settings_dict["NAME"])
    if connection.vendor == "sqlite":
        url = f"sqlite:///{name}"
    else:
        url = urlunsplit(urlsplit(os.environ["KEYMANAGER_DATABASE_URL"])._replace(path=f"/{name}"))
    return os.environ | {
        "KEYMANAGER_DATABASE_URL": url,
        "KEYMANAGER_AUTHORITY_JWKS": str(django_settings.KEYMANAGER.authority_jwks),
        "DJANGO_SETTINGS_MODULE": "keymanager.settings",
    }


def fight_in_processes(
    client: ErpClient, processes: int, threads: int, turns: int
) -> tuple[list[Tally], int]:
    """Fight in processes of their own; gives what each saw, and the most seats held that we saw meanwhile."""
    program = "import django; django.setup(); from tests.operations.fighter import main; main()"
    command = [sys.executable, "-c", program, str(client.pk), str(threads), str(turns)]
    running = [
        subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, text=True)
        for _ in range(processes)
    ]
    most = 0
    while any(process.poll() is None for process in running):
        most = max(most, Seat.objects.filter(module__code="HANDEL", lease__isnull=False).count())
        time.sleep(0.02)
    return [Tally(**json.loads(process.communicate()[0])) for process in running], most


def nothing_is_wrong() -> None:
    assert check_invariants(NOW) == []
    assert not Lease.objects.filter(ended_at__isnull=True).exists()
    assert not Seat.objects.filter(lease__isnull=False).exists()
    assert set(Module.objects.values_list("taken", flat=True)) == {0}


def threads_fight(client: ErpClient, turns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # A computer under load may let threads wait longer than a caller should.
    monkeypatch.setattr(transactions, "LONGEST_WAIT_SECONDS", 60)
    tally = Fighters(client.pk, 64, turns).run()
    assert tally.errors == []
    assert tally.most <= SEATS
    assert tally.given >= SEATS
    nothing_is_wrong()


def processes_fight(client: ErpClient, turns: int) -> None:
    tallies, most = fight_in_processes(client, 2, 16, turns)
    assert [tally.errors for tally in tallies] == [[], []]
    assert sum(tally.given for tally in tallies) >= SEATS
    assert most <= SEATS
    nothing_is_wrong()


def test_64_threads_never_hold_more_than_the_seats(
    client: ErpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads_fight(client, 4, monkeypatch)


def test_two_processes_never_hold_more_than_the_seats(client: ErpClient) -> None:
    processes_fight(client, 8)


@pytest.mark.full
def test_64_threads_never_hold_more_than_the_seats_for_long(
    client: ErpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads_fight(client, 40, monkeypatch)


@pytest.mark.full
def test_two_processes_never_hold_more_than_the_seats_for_long(client: ErpClient) -> None:
    processes_fight(client, 80)


def test_same_idempotency_key_in_many_threads_takes_one_seat(client: ErpClient) -> None:
    found: list[object] = []

    def ask() -> None:
        try:
            found.extend(checkout([request(client, idempotency_key="once", body_sha256="a")], NOW))
        finally:
            connection.close()

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcome.replayed for outcome in found) == [False] + [True] * 7  # type: ignore[attr-defined]
    assert Module.objects.get(code="HANDEL").taken == 1


def test_overdue_leases_are_taken_over_by_many_at_once(client: ErpClient) -> None:
    leases = [take(client) for _ in range(SEATS)]
    late = max(lease.expires_at for lease in leases)
    codes: list[str] = []

    def ask() -> None:
        try:
            (outcome,) = checkout([request(client)], late)
            codes.append(outcome.code if isinstance(outcome, Refused) else "given")
        finally:
            connection.close()

    threads = [threading.Thread(target=ask) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(codes) == ["given"] * SEATS + ["no_free_seat"] * 7
    assert check_invariants(late) == []


# --- what the database may say ------------------------------------------------------------------------


class Failing:
    """Work that fails so often before it succeeds."""

    def __init__(self, error: Exception, times: int) -> None:
        self.error = error
        self.times = times
        self.calls = 0

    def __call__(self, cursor: object) -> str:
        self.calls += 1
        if self.calls <= self.times:
            raise self.error
        return "done"


def database_error(state: str | None) -> OperationalError:
    class Cause(Exception):
        sqlstate = state

    error = OperationalError("the database says no")
    error.__cause__ = Cause()
    return error


@pytest.mark.parametrize(
    "error", [Overtaken(), IntegrityError(), database_error("40P01"), database_error("40001")]
)
def test_work_that_was_overtaken_is_done_again(error: Exception) -> None:
    work = Failing(error, ATTEMPTS - 1)
    assert in_transaction(work) == "done"
    assert work.calls == ATTEMPTS


@pytest.mark.parametrize("error", [Overtaken(), database_error("40P01")])
def test_work_that_is_overtaken_for_ever_is_refused(error: Exception) -> None:
    with pytest.raises(Refused, match="unavailable") as refused:
        in_transaction(Failing(error, 99))
    assert refused.value.data == {"retry_after": 1}


@pytest.mark.parametrize("state", ["55P03", "57014"])
def test_lock_that_is_not_had_in_time_is_refused_at_once(state: str) -> None:
    work = Failing(database_error(state), 99)
    with pytest.raises(Refused, match="unavailable"):
        in_transaction(work)
    assert work.calls == 1


def test_lost_connection_is_tried_again_once() -> None:
    work = Failing(database_error(None), 1)
    if connection.vendor == "postgresql":
        assert in_transaction(work) == "done"
        with pytest.raises(Refused, match="unavailable"):
            in_transaction(Failing(database_error(None), 2))
    else:
        with pytest.raises(Refused, match="unavailable"):
            in_transaction(work)


def test_within_another_transaction_work_is_done_once() -> None:
    work = Failing(Overtaken(), 1)
    with pytest.raises(Overtaken), transaction.atomic():
        in_transaction(work)
    assert work.calls == 1


def test_call_that_waits_too_long_for_its_turn_is_refused(
    client: ErpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transactions, "LONGEST_WAIT_SECONDS", 0.05)
    held, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("UPDATE licensing_module SET taken = taken")
                held.set()
                go_on.wait(10)
        finally:
            connection.close()

    def work(cursor: Any) -> None:
        held.set()
        go_on.wait(10)

    def take_the_turn() -> None:
        try:
            in_transaction(work)
        finally:
            connection.close()

    thread = threading.Thread(target=take_the_turn if connection.vendor == "sqlite" else hold)
    thread.start()
    try:
        assert held.wait(10)
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SET lock_timeout = '50ms'")
        with pytest.raises(Refused, match="unavailable"):
            checkout([request(client)], NOW + timedelta(seconds=1))
    finally:
        go_on.set()
        thread.join()
        connection.close()
