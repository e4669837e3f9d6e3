"""`kill -9` of the web process under load: nothing acknowledged is lost, and it serves again at once."""

import contextlib
import http.client
import json
import random
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from benchmarks import contenders, history, load
from tests.portal_process import Serve, wait_until

# A hundred kills in parts, for no test may take longer than five minutes (pyproject.toml).
KILLS, MANY_KILLS, PARTS = 2, 20, 5
CONNECTIONS = 16
MODULES, SEATS = 10, 100_000
# One lease in ten is kept: if seats ran out, every refusal would name a hundred thousand holders.
WORK = "CR" * 9 + "C"
# Seconds between kills; `serve` takes a web server that ran for 5 s for one that had started well.
SHORTLY, SETTLED = 2.0, 5.5
MENDING = 5.0
BODY = {
    "modules": ["M0_0"],
    "workstation": "PC-017",
    "user": "anna",
    "program": {"name": "ERP", "version": "1"},
}


@dataclass
class Portal:
    """A portal at work, and how to call it."""

    serve: Serve
    target: load.Target
    data: Path

    def post(self, key: str) -> tuple[int, str, bool]:
        """Check out under an idempotency key: status, lease, whether it was repeated."""
        connection = http.client.HTTPConnection("127.0.0.1", self.serve.port, timeout=5)
        headers = {
            "Authorization": f"Bearer {self.target.token}",
            "Content-Type": "application/json",
            "Idempotency-Key": key,
        }
        connection.request("POST", "/api/v1/leases", json.dumps(BODY), headers)
        answer = connection.getresponse()
        lease_id = json.loads(answer.read()).get("id", "")
        connection.close()
        return answer.status, lease_id, answer.getheader("Idempotency-Replayed") == "true"

    def answers(self) -> bool:
        """Whether the port answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.serve.port, timeout=1)
        try:
            connection.request("GET", "/livez")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def kill_web(self) -> float:
        """Kill the process that serves the port; how many seconds until another one answers."""
        front = self.serve.child("licensing.front")
        for process in [*front.children(recursive=True), front]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        began = time.monotonic()
        wait_until(self.answers, what=self.serve.output)
        return time.monotonic() - began


@pytest.fixture
def portal(tmp_path: Path) -> Iterator[Portal]:
    environment, target = contenders.portal_data(tmp_path / "data", modules=MODULES, seats=SEATS)
    with Serve(Path(environment["KEYMANAGER_DATA"])) as serve:
        serve.wait_until_ready()
        yield Portal(serve, load.Target(serve.port, target.token, target.codes, target.keys), serve.data)
        serve.stop()


def kill_under_load(portal: Portal, kills: int, between: float, folder: Path, seed: int = 0) -> list[float]:
    """Kill the web process again and again while programs log in and out.

    Gives the seconds until it served again, for each kill.
    """
    acked = folder / "acked"
    chance = random.Random(seed)
    program = load.compiled(folder)
    seconds = kills * (between + MENDING)
    working = load.start(
        program, portal.target, connections=CONNECTIONS, seconds=seconds, loop=WORK, retry=True, acked=acked
    )
    again = []
    for _ in range(kills):
        time.sleep(between + chance.random())
        again.append(portal.kill_web())
    seen = load.finish(working)
    assert seen.lost >= kills
    assert seen.failures() == {"lost": seen.lost}
    told = history.read_acknowledged(acked)
    assert len(told.taken) > 100 * kills
    url = f"sqlite:///{portal.data / 'keymanager.sqlite3'}"
    seats = {(key, code): SEATS for key in portal.target.keys for code in portal.target.codes}
    assert history.portal_mistakes(history.rows_of(url), told, seats) == []
    assert history.check_invariants({"KEYMANAGER_DATA": str(portal.data)}) == []
    return again


def test_kills_under_load_lose_no_acknowledged_lease(portal: Portal, tmp_path: Path) -> None:
    assert len(kill_under_load(portal, KILLS, SHORTLY, tmp_path)) == KILLS


def test_repeated_call_after_a_kill_gets_the_same_lease(portal: Portal) -> None:
    status, lease_id, repeated = portal.post("before the kill")
    assert (status, repeated) == (201, False)
    portal.kill_web()
    assert portal.post("before the kill") == (201, lease_id, True)
    assert portal.post("after the kill")[1] != lease_id


@pytest.mark.full
@pytest.mark.parametrize("part", range(1, PARTS + 1))
def test_a_hundred_kills_lose_no_acknowledged_lease_and_it_serves_again_in_5_s(
    part: int, portal: Portal, tmp_path: Path, measured: Callable[[str], None]
) -> None:
    again = kill_under_load(portal, MANY_KILLS, SETTLED, tmp_path, seed=part)
    usual, slowest = statistics.median(again), max(again)
    measured(f"{len(again)} kills, served again after {usual:.1f} s, at the slowest after {slowest:.1f} s")
    assert len(again) == MANY_KILLS
    assert slowest <= MENDING
