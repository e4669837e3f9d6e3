"""What leases feel of other work: pages in heavy use, a contact under way, an administrator who writes."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

from . import contenders, load
from .load import Load, Target
from .parts import Bench, Part
from .rounds import measure
from .verdicts import at_most

PAGES = ("/", "/leases", "/refusals", "/events")
VISITORS = 4
MOST_TIMES_P99 = 2


def run(bench: Bench) -> Part:
    """Leases alone and beside each disturbance, in turns."""
    with ExitStack() as stack:
        silence = stack.enter_context(_silent_vendor())
        folder = bench.folder / "disturbed"
        environment, target = contenders.portal_data(folder, modules=5, seats=10_000)
        # The environment goes before the data folder's own settings.
        environment |= {"KEYMANAGER_AUTHORITY_URL": f"http://127.0.0.1:{silence}"}
        server = stack.enter_context(contenders.portal(environment, target, bench.log))
        hands = _Hands(bench, environment, target)
        leases = partial(server.load, bench.program, connections=64, seconds=bench.seconds, loop="CR")
        turns = {
            "leases alone": leases,
            "while pages are in heavy use": partial(hands.beside, hands.visit, leases),
            "while a contact runs": partial(hands.beside, hands.contact, leases),
            "while an administrator writes": partial(hands.beside, hands.write, leases),
        }
        leases()
        seen = measure(turns, bench.rounds, bench.tell)
    alone = seen["leases alone"].p99()
    verdicts = [
        at_most(f"p99 {name} to alone", turn.p99() / alone, MOST_TIMES_P99, "×")
        for name, turn in seen.items()
        if name != "leases alone"
    ]
    return Part("Beside other work", seen, verdicts=verdicts)


@contextmanager
def _silent_vendor() -> Iterator[int]:
    """A port that takes connections and never answers: every contact lasts as long as it may."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(64)
        yield listening.getsockname()[1]


class _Hands:
    """Starts what disturbs, and ends it."""

    def __init__(self, bench: Bench, environment: dict[str, str], target: Target) -> None:
        self._bench, self._target = bench, target
        self._environment = {**os.environ, **environment}
        words = [sys.executable, "-m", "benchmarks.hands", "session"]
        made = subprocess.run(
            words, cwd=contenders.ROOT, env=self._environment, check=True, capture_output=True, text=True
        )
        self._cookie = made.stdout.strip()

    def beside(
        self, disturb: Callable[[], list["subprocess.Popen[str]"]], leases: Callable[[], Load]
    ) -> Load:
        """Measure leases while something else goes on."""
        disturbing = disturb()
        try:
            return leases()
        finally:
            for process in disturbing:
                process.terminate()
                process.communicate()

    def visit(self) -> list["subprocess.Popen[str]"]:
        """Visitors who call one page after another."""
        return [
            load.start(
                self._bench.program,
                self._target,
                connections=VISITORS // len(PAGES),
                seconds=600,
                loop="G",
                path=page,
                header=self._cookie,
            )
            for page in PAGES
        ]

    def contact(self) -> list["subprocess.Popen[str]"]:
        """A contact with a vendor who does not answer."""
        return [self._start(str(contenders.ROOT / "manage.py"), "contact")]

    def write(self) -> list["subprocess.Popen[str]"]:
        """An administrator who changes the Configuration without pause."""
        return [self._start("-m", "benchmarks.hands", "write", "600")]

    def _start(self, *words: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, *words],
            cwd=contenders.ROOT,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
