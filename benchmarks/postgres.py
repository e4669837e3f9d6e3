"""PostgreSQL: one portal process and two on one database, the baseline, and pgbench -N as the limit."""

import re
import shutil
import subprocess
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

from licensing.serving.ports import free_port
from tests.postgresql import PostgresServer, binaries, new_database

from . import contenders, history, load
from .load import Load
from .parts import Bench, Part
from .rounds import Seen, measure, ratio
from .verdicts import at_least, nothing

CONNECTIONS = 64
SEATS = 10_000
LIMIT_CLIENTS = 32


def run(bench: Bench) -> Part:
    """All contenders on one server, with full durability."""
    with ExitStack() as stack:
        database = stack.enter_context(PostgresServer(durable=True))
        urls = [stack.enter_context(new_database(database.url())) for _ in range(3)]
        folder = bench.folder / "postgres"
        environment, target = contenders.portal_data(folder, database_url=urls[0], modules=5, seats=SEATS)
        one = stack.enter_context(contenders.portal(environment, target, bench.log))
        two = stack.enter_context(_second_node(folder, one, bench.log))
        plain = stack.enter_context(
            contenders.baseline(bench.folder / "plain", list(target.codes), SEATS, bench.log, urls[1])
        )
        limit = _Limit(urls[2])
        acked = [bench.folder / f"postgres-{number}.acked" for number in (1, 2)]
        spent = {"connections": CONNECTIONS, "seconds": bench.seconds}
        turns = {
            "checkouts and returns": partial(one.load, bench.program, loop="CR", acked=acked[0], **spent),
            "two portals": partial(_both, bench, one, two, acked),
            "heartbeats": partial(one.load, bench.program, once="C", loop="H", **spent),
            "baseline: checkouts and returns": partial(plain.load, bench.program, loop="CR", **spent),
            "pgbench -N": partial(limit.run, bench.seconds),
        }
        one.load(bench.program, loop="CR", acked=acked[0], **spent)
        seen = measure(turns, bench.rounds, bench.tell)
        seats = {(key, code): SEATS for key in target.keys for code in target.codes}
        told = [history.read_acknowledged(path) for path in acked]
        rows = history.rows_of(urls[0])
        mistakes = [fault for one_told in told for fault in history.portal_mistakes(rows, one_told, seats)]
        mistakes += history.check_invariants(environment)
    return Part("PostgreSQL", seen, verdicts=_verdicts(seen, mistakes))


def _verdicts(seen: dict[str, Seen], mistakes: list[str]) -> list:
    ours, limit = seen["checkouts and returns"], seen["pgbench -N"]
    failed = [f"{name}: {wrong}" for name, turn in seen.items() if (wrong := turn.failures())]
    return [
        at_least("PostgreSQL: checkouts and returns to pgbench -N", ratio(ours, limit), 1.5),
        at_least("PostgreSQL: two portals to one", ratio(seen["two portals"], ours), 1),
        at_least(
            "PostgreSQL: checkouts and returns to the baseline",
            ratio(ours, seen["baseline: checkouts and returns"]),
            10,
        ),
        nothing("PostgreSQL: answers that should not have been", failed),
        nothing("PostgreSQL: our history, replayed", mistakes),
    ]


def _second_node(folder: Path, first: contenders.Server, log: Path) -> contenders.Server:
    """Another portal process on the same database, with the same key file and on the same computer."""
    other = folder.with_name(f"{folder.name}-2")
    other.mkdir()
    for name in ("keymanager.env", "keymanager.key", "machine-id", "authority-jwks.json"):
        shutil.copy(folder / name, other / name)
    target = replace(first.target, port=free_port())
    return contenders.portal({"KEYMANAGER_DATA": str(other)}, target, log)


def _both(bench: Bench, one: contenders.Server, two: contenders.Server, acked: list[Path]) -> Load:
    """Half of the connections on each portal, at the same time."""
    before = one.cpu_seconds() + two.cpu_seconds()
    running = [
        load.start(
            bench.program,
            server.target,
            connections=CONNECTIONS // 2,
            seconds=bench.seconds,
            loop="CR",
            acked=path,
        )
        for server, path in zip((one, two), acked, strict=True)
    ]
    first, second = (load.finish(process) for process in running)
    answers = first.requests + second.requests
    statuses = {
        status: first.statuses.get(status, 0) + second.statuses.get(status, 0)
        for status in first.statuses.keys() | second.statuses.keys()
    }
    spent = one.cpu_seconds() + two.cpu_seconds() - before
    return replace(
        first,
        requests=answers,
        statuses=statuses,
        p50=max(first.p50, second.p50),
        p90=max(first.p90, second.p90),
        p99=max(first.p99, second.p99),
        max=max(first.max, second.max),
        lost=first.lost + second.lost,
        unfinished=first.unfinished + second.unfinished,
        cpu=1e6 * spent / max(1, answers),
    )


class _Limit:
    """pgbench's simple update, prepared: what the server does when nobody thinks."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._pgbench = shutil.which("pgbench") or str(binaries() / "pgbench")
        self._run("--initialize", "--quiet", "--scale", "10")

    def run(self, seconds: float) -> Load:
        """Transactions of 32 clients."""
        spent = str(max(1, round(seconds)))
        words = ["--skip-some-updates", "--protocol", "prepared", "--client", str(LIMIT_CLIENTS)]
        told = self._run(*words, "--jobs", "2", "--no-vacuum", "--time", spent)
        tps = re.search(r"tps = ([\d.]+)", told)
        average = re.search(r"latency average = ([\d.]+)", told)
        assert tps is not None, told
        assert average is not None, told
        rate, latency = float(tps[1]), float(average[1])
        return Load(round(rate * seconds), seconds, latency, latency, latency, latency, 0, 0)

    def _run(self, *words: str) -> str:
        done = subprocess.run([self._pgbench, *words, self._url], check=True, capture_output=True, text=True)
        return done.stdout
