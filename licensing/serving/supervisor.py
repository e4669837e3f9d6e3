"""Keeping children alive: started again when they die or hang, ended together."""

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from .lifeline import name_supervisor
from .process_tree import ProcessTree

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 30.0
# A child that ran this long had started well: its next failure is its first, and it is missed: no pause then.
SETTLED_SECONDS = 5.0
HUNG_SECONDS = 180.0
LOOK_SECONDS = 0.1
SIGNS_SECONDS = 5.0
# All is over within 10 s of a signal: this long for ending in peace, the rest for the kill.
GRACE_SECONDS = 7.0
LARGEST_OUTPUT_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Child:
    """What to run, and how to see that it lives.

    `sign_of_life` returns something that keeps changing while the child does its work; where it raises,
    nothing is known and nobody is blamed.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    sign_of_life: Callable[[], object] | None = None

    def is_alive(self) -> bool:
        """Whether there is a sign of life now."""
        return self.sign_of_life is not None and bool(self.sign_of_life())


def _output_file(path: Path) -> IO[bytes]:
    """Where a child prints to: never to whoever started us, who may read nothing and so block it."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > LARGEST_OUTPUT_BYTES:
        path.replace(path.with_suffix(".out.1"))
    return path.open("ab")


class Supervised:
    """One child as the supervisor runs it."""

    def __init__(self, child: Child, tell: Callable[[str], None], logs: Path) -> None:
        self.child = child
        self._tell = tell
        self._output = logs / f"{child.name.replace(' ', '-')}.out"
        self._tree: ProcessTree | None = None
        self._pause = FIRST_PAUSE
        self._start_at = 0.0
        self._started_at = 0.0
        self._sign: object = None
        self._alive_at = 0.0

    def start(self) -> None:
        """Start the child; where the system cannot (it lacks memory, say), `look_after` tries again."""
        environment = {**os.environ, **self.child.environment, **name_supervisor()}
        self._started_at = self._alive_at = time.monotonic()
        try:
            with _output_file(self._output) as output:
                self._tree = ProcessTree(self.child.command, environment, output)
        except OSError as error:
            self._start_again_later(f"{self.child.name} could not be started ({error})")

    def look_after(self) -> None:
        """Start the child again where it has died or hangs, when its pause is over."""
        now = time.monotonic()
        if self._tree is None:
            if now >= self._start_at:
                self.start()
        elif (status := self._tree.status()) is not None:
            self._start_again_later(f"{self.child.name} ended with status {status}")
        elif now - self._alive_at > HUNG_SECONDS:
            self._start_again_later(f"{self.child.name} has shown no sign of life for {HUNG_SECONDS:.0f} s")

    def look_for_signs(self) -> None:
        """Note the child's descendants, and whether it still does its work."""
        # The other thread may drop the tree meanwhile.
        if (tree := self._tree) is not None:
            # A list that could not be made is no reason to take the child for dead.
            with contextlib.suppress(Exception):
                tree.note()
        sign: object = time.monotonic()
        if self.child.sign_of_life is not None:
            with contextlib.suppress(Exception):
                sign = self.child.sign_of_life()
        if sign != self._sign:
            self._sign, self._alive_at = sign, time.monotonic()

    def ask_to_end(self) -> None:
        """Ask the child to end."""
        if self._tree is not None:
            self._tree.ask_to_end()

    def has_ended(self) -> bool:
        """Whether the child's own process is gone."""
        return self._tree is None or self._tree.status() is not None

    def kill(self) -> None:
        """End what is left of the child's process tree."""
        if self._tree is not None:
            self._tree.kill()
            self._tree = None

    def _start_again_later(self, why: str) -> None:
        self.kill()
        if time.monotonic() - self._started_at > SETTLED_SECONDS:
            self._pause = 0.0
        when = f"in {self._pause:g} s" if self._pause else "now"
        self._tell(f"{why}; starting it again {when} (see {self._output})")
        self._start_at = time.monotonic() + self._pause
        self._pause = min(self._pause * 2, LONGEST_PAUSE) or FIRST_PAUSE


class Supervisor:
    """Runs children until it is asked to stop."""

    def __init__(self, tell: Callable[[str], None], logs: Path) -> None:
        self.tell = tell
        self._logs = logs
        self._children: list[Supervised] = []
        self._stop = threading.Event()

    @property
    def is_stopping(self) -> bool:
        """Whether the end was asked for."""
        return self._stop.is_set()

    def ask_to_stop(self) -> None:
        """Let `run` return soon; may be called by a signal handler."""
        self._stop.set()

    def start(self, child: Child) -> None:
        """Start a child now; `run` looks after it."""
        supervised = Supervised(child, self.tell, self._logs)
        self._children.append(supervised)
        supervised.start()

    def look_after(self, seconds: float) -> None:
        """Look after the children for a while, or until asked to stop."""
        until = time.monotonic() + seconds
        while not self.is_stopping and time.monotonic() < until:
            for supervised in self._children:
                supervised.look_after()
            self._stop.wait(min(LOOK_SECONDS, seconds))

    def run(self) -> None:
        """Look after the children until asked to stop."""
        # A database that does not answer must not keep the supervisor from its work.
        threading.Thread(target=self._look_for_signs, name="signs-of-life", daemon=True).start()
        while not self.is_stopping:
            self.look_after(60)

    def end(self) -> None:
        """End every child with its process tree, in peace where that is quick."""
        self._stop.set()
        for supervised in self._children:
            with self._guarding(supervised):
                supervised.ask_to_end()
        until = time.monotonic() + GRACE_SECONDS
        while time.monotonic() < until and not all(s.has_ended() for s in self._children):
            time.sleep(0.05)
        for supervised in self._children:
            with self._guarding(supervised):
                supervised.kill()

    def _look_for_signs(self) -> None:
        while not self._stop.wait(SIGNS_SECONDS):
            for supervised in self._children:
                with self._guarding(supervised):
                    supervised.look_for_signs()

    @contextlib.contextmanager
    def _guarding(self, supervised: Supervised) -> Iterator[None]:
        """Keep what goes wrong with one child from the others."""
        try:
            yield
        except Exception as error:
            self.tell(f"{supervised.child.name} could not be looked after ({error!r})")
