"""`make bench`: SQLite, 64 connections, our API, the baseline, and the limit, in turns."""

from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from . import contenders, history, load
from .parts import Bench
from .rounds import Seen, Turn, measure, ratio
from .verdicts import Verdict, at_least, at_most, nothing

CONNECTIONS = 64
SEATS = 10_000
MODULES = 5
WARM_UP_SECONDS = 2
# Fewer seats than connections: here seats run out all the time.
SCARCE = 40


@dataclass
class Results:
    """A run's numbers by name, and what must hold."""

    commit_ms: float
    seen: dict[str, Seen]
    verdicts: list[Verdict] = field(default_factory=list)


def run(bench: Bench) -> Results:
    """Measure, check, judge."""
    folder, program = bench.folder, bench.program
    with ExitStack() as stack:
        environment, target = contenders.portal_data(folder / "portal", modules=MODULES, seats=SEATS)
        log = bench.log
        ours = stack.enter_context(contenders.portal(environment, target, log))
        plain = stack.enter_context(contenders.baseline(folder / "baseline", list(target.codes), SEATS, log))
        limits = {
            "hello": stack.enter_context(contenders.hello(log)),
            "granian": stack.enter_context(contenders.granian_hello(log)),
        }
        acked = {name: folder / f"{name}.acked" for name in ("portal", "baseline")}
        turns = _turns(bench, {"portal": ours, "baseline": plain, **limits}, acked)
        for turn in _warm_ups(program, [ours, plain], list(limits.values()), acked):
            turn()
        results = Results(bench.commit_ms, measure(turns, bench.rounds, bench.tell))
        portal_url = f"sqlite:///{folder / 'portal' / 'keymanager.sqlite3'}"
        portal_seats = {(key, code): SEATS for key in target.keys for code in target.codes}
        told = history.read_acknowledged(acked["portal"])
        mistakes = history.portal_mistakes(history.rows_of(portal_url), told, portal_seats)
        mistakes += history.check_invariants(environment)
        told = history.read_acknowledged(acked["baseline"])
        url = f"sqlite:///{folder / 'baseline' / 'baseline.sqlite3'}"
        baseline_mistakes = history.baseline_mistakes(history.rows_of(url), told, SEATS)
        contended = _contended(bench)
    results.verdicts = _judged(results)
    results.verdicts += [
        nothing("our history, replayed", mistakes),
        nothing(f"our history with {SCARCE} seats for {CONNECTIONS} connections", contended),
        nothing("the baseline's history, replayed", baseline_mistakes),
    ]
    return results


def _turns(bench: Bench, servers: dict[str, contenders.Server], acked: dict[str, Path]) -> dict[str, Turn]:
    def turn(who: str, **options: object) -> Turn:
        everything = {
            "connections": CONNECTIONS,
            "seconds": bench.seconds,
            "acked": acked.get(who),
            **options,
        }
        return partial(servers[who].load, bench.program, **everything)

    alone = {"connections": 1, "seconds": bench.seconds / 2}
    return {
        "checkouts and returns": turn("portal", loop="CR"),
        "baseline: checkouts and returns": turn("baseline", loop="CR"),
        "hello": turn("hello", loop="G"),
        "hello of granian's RSGI": turn("granian", loop="G"),
        "heartbeats": turn("portal", once="C", loop="H"),
        "baseline: heartbeats": turn("baseline", once="C", loop="H"),
        "five modules": turn("portal", loop="CR", each=5),
        "alone": turn("portal", loop="CR", **alone),
        "baseline: alone": turn("baseline", loop="CR", **alone),
    }


def _warm_ups(
    program: Path, servers: list[contenders.Server], limits: list[contenders.Server], acked: dict[str, Path]
) -> list[Turn]:
    spent = {"connections": CONNECTIONS, "seconds": WARM_UP_SECONDS}
    turns = [
        partial(server.load, program, loop="CHR", acked=acked[server.name], **spent) for server in servers
    ]
    return [*turns, *(partial(limit.load, program, loop="G", **spent) for limit in limits)]


def _contended(bench: Bench) -> list[str]:
    """The same API where seats run out all the time: how fast is of no interest here."""
    folder, program = bench.folder, bench.program
    environment, target = contenders.portal_data(folder / "scarce", modules=1, seats=SCARCE)
    acked = folder / "scarce.acked"
    with contenders.portal(environment, target, bench.log):
        seen = load.run(program, target, connections=CONNECTIONS, seconds=3, loop="CR", acked=acked)
    bench.tell(f"  scarce seats: {seen.statuses.get('201', 0)} given, {seen.statuses.get('409', 0)} refused")
    url = f"sqlite:///{folder / 'scarce' / 'keymanager.sqlite3'}"
    seats = {(key, code): SCARCE for key in target.keys for code in target.codes}
    mistakes = [f"{count} answers {status}" for status, count in seen.failures("409").items()]
    mistakes += history.portal_mistakes(history.rows_of(url), history.read_acknowledged(acked), seats)
    return mistakes + history.check_invariants(environment)


def _judged(results: Results) -> list[Verdict]:
    seen, commit = results.seen, results.commit_ms
    pairs, beats, hello = seen["checkouts and returns"], seen["heartbeats"], seen["hello"]
    failures = [f"{name}: {found}" for name, turn in seen.items() if (found := turn.failures())]
    return [
        at_least(
            "checkouts and returns to the baseline", ratio(pairs, seen["baseline: checkouts and returns"]), 20
        ),
        at_least("checkouts and returns to hello", 100 * ratio(pairs, hello), 40, "%"),
        at_most("checkouts and returns, p99", pairs.p99(), 60 * commit, "ms"),
        at_least("heartbeats to the baseline", ratio(beats, seen["baseline: heartbeats"]), 20),
        at_least("heartbeats to hello", 100 * ratio(beats, hello), 60, "%"),
        at_least("five modules to one", 100 * ratio(seen["five modules"], pairs), 60, "%"),
        at_least("one connection alone to the baseline", ratio(seen["alone"], seen["baseline: alone"]), 1),
        at_most("one connection alone, p50", seen["alone"].p50(), 6 * commit, "ms"),
        nothing("answers that should not have been", failures),
    ]
