"""Whether it gets slower as it grows: live leases from 10 to 100,000, modules from 1 to 500."""

from contextlib import ExitStack
from functools import partial
from pathlib import Path

from . import contenders
from .parts import Bench, Part
from .rounds import measure, ratio
from .verdicts import at_least, at_most

LEASES = (10, 1_000, 100_000)
# Keys, and modules of each.
MODULES = ((1, 1), (1, 50), (10, 50))
# Per cent.
MOST_SLOWER = 15
FILLERS = 50
MOST_FILLING_SECONDS = 600


def run(bench: Bench) -> list[Part]:
    """Both kinds of growth, each in one go."""
    return [_leases(bench), _modules(bench)]


def _leases(bench: Bench) -> Part:
    with ExitStack() as stack:
        turns = {}
        for count in LEASES:
            folder = bench.folder / f"leases-{count}"
            environment, target = contenders.portal_data(folder, modules=5, seats=LEASES[-1])
            server = stack.enter_context(contenders.portal(environment, target, bench.log))
            live = _fill(bench, server, count, folder / "filled")
            turns[f"{count:,} live leases: checkouts and returns"] = partial(
                server.load, bench.program, connections=64, seconds=bench.seconds, loop="CR"
            )
            turns[f"{count:,} live leases: heartbeats"] = partial(
                server.load, bench.program, connections=64, seconds=bench.seconds, loop="H", leases=live
            )
        seen = measure(turns, bench.rounds, bench.tell)
    few, many = f"{LEASES[0]:,} live leases", f"{LEASES[-1]:,} live leases"
    verdicts = [
        at_least(
            f"{what} with {LEASES[-1]:,} live leases to {LEASES[0]}",
            100 * ratio(seen[f"{many}: {what}"], seen[f"{few}: {what}"]),
            100 - MOST_SLOWER,
            "%",
        )
        for what in ("checkouts and returns", "heartbeats")
    ]
    return Part("Live leases", seen, verdicts=verdicts)


def _fill(bench: Bench, server: contenders.Server, count: int, acked: Path) -> Path:
    """Take so many leases, and give the file of their ids."""
    programs = min(FILLERS, count)
    options = {"connections": programs, "paced": 0.0001, "rounds": count // programs, "loop": "C"}
    filled = server.load(bench.program, acked=acked, seconds=MOST_FILLING_SECONDS, **options)
    if filled.statuses != {"201": count}:
        raise SystemExit(f"{count} leases were to be taken, and this came: {filled.statuses}")
    bench.tell(f"  {count:,} leases taken, {filled.rate:,.0f}/s")
    ids = acked.with_suffix(".ids")
    ids.write_text("".join(f"{line.split()[2]}\n" for line in acked.read_text().splitlines()))
    return ids


def _modules(bench: Bench) -> Part:
    with ExitStack() as stack:
        turns = {}
        for keys, each in MODULES:
            folder = bench.folder / f"modules-{keys}-{each}"
            environment, target = contenders.portal_data(folder, keys=keys, modules=each, seats=1000)
            server = stack.enter_context(contenders.portal(environment, target, bench.log))
            name = f"{keys * each} modules"
            turns[f"{name}: checkouts and returns"] = partial(
                server.load, bench.program, connections=64, seconds=bench.seconds, loop="CR"
            )
            turns[f"{name}: GET /modules, one connection"] = partial(
                server.load, bench.program, connections=1, seconds=1, loop="G", path="/api/v1/modules"
            )
        seen = measure(turns, bench.rounds, bench.tell)
    least, most = (f"{keys * each} modules" for keys, each in (MODULES[0], MODULES[-1]))
    what = "checkouts and returns"
    verdicts = [
        at_least(
            f"{what} with {most} to {least}",
            100 * ratio(seen[f"{most}: {what}"], seen[f"{least}: {what}"]),
            100 - MOST_SLOWER,
            "%",
        ),
        at_most(
            f"GET /modules with {most}, p50", seen[f"{most}: GET /modules, one connection"].p50(), 10, "ms"
        ),
    ]
    return Part("Modules", seen, verdicts=verdicts)
