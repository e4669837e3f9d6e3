"""Nine o'clock: two thousand ERP programs log in within ten seconds with five modules each.

Then they send heartbeats.
Besides: how long the portal takes to start, and how much memory it has afterwards.
"""

from . import contenders, history, load, machine
from .parts import Bench, Part
from .rounds import Seen
from .verdicts import at_least, at_most, nothing

PROGRAMS = 2_000
MODULES = 5
WITHIN_SECONDS = 10
# A heartbeat a minute is 33 a second; here all of them come within ten.
HEARTBEATS_WITHIN_SECONDS = 10
MOST_P99_MS = 250
MOST_MEMORY_MIB = 300
MOST_START_SECONDS = 5


def run(bench: Bench) -> Part:
    """One morning."""
    folder = bench.folder / "morning"
    environment, target = contenders.portal_data(folder, modules=MODULES, seats=PROGRAMS)
    acked = folder / "acked"
    with contenders.portal(environment, target, bench.log):
        pass  # the first start makes what later starts find
    with contenders.portal(environment, target, bench.log) as server:
        options = {"connections": PROGRAMS, "each": MODULES, "acked": acked}
        came = server.load(bench.program, loop="C", paced=WITHIN_SECONDS, **options)
        bench.tell(f"  the morning: {came.statuses}, p99 {came.p99:.0f} ms")
        ids = acked.with_suffix(".ids")
        ids.write_text("".join(f"{line.split()[2]}\n" for line in acked.read_text().splitlines()))
        beats = server.load(
            bench.program, connections=PROGRAMS, loop="H", leases=ids, paced=HEARTBEATS_WITHIN_SECONDS
        )
        memory = machine.pss([process.pid for process in server.processes()])
        started = server.start_seconds
    seats = {(key, code): PROGRAMS for key in target.keys for code in target.codes}
    rows = history.rows_of(f"sqlite:///{folder / 'keymanager.sqlite3'}")
    mistakes = history.portal_mistakes(rows, history.read_acknowledged(acked), seats)
    return Part(
        "The morning",
        {"log-ins": Seen([came]), "heartbeats": Seen([beats])},
        {"memory (PSS)": f"{memory:.0f} MiB", "ready after": f"{started:.1f} s"},
        [
            at_least("programs that got their lease", came.statuses.get("201", 0), PROGRAMS, ""),
            at_most("log-ins, p99", came.p99, MOST_P99_MS, "ms"),
            at_most("memory (PSS)", memory, MOST_MEMORY_MIB, "MiB"),
            at_most("ready after", started, MOST_START_SECONDS, "s"),
            nothing("its history, replayed", [*_failed(came), *_failed(beats), *mistakes]),
        ],
    )


def _failed(seen: load.Load) -> list[str]:
    return [f"{count} × {what}" for what, count in seen.failures().items()]
