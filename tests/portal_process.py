"""A real `serve` in a process of its own, on free ports and a data folder of the test's own."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from licensing.serving.ports import free_port

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 120
STOP_SECONDS = 10


def environment(data: Path, **settings: str) -> dict[str, str]:
    """What a shell would have: nothing of the deployment that the tests run in."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("KEYMANAGER_")}
    kept |= {"LANG": "C.UTF-8", "KEYMANAGER_DATA": str(data), **settings}
    kept.pop("DJANGO_ALLOW_ASYNC_UNSAFE", None)
    return kept


def manage(
    data: Path, *arguments: str, stdin: str | None = None, **settings: str
) -> subprocess.CompletedProcess[str]:
    """Run a command of the portal to its end."""
    return subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), *arguments],
        env=environment(data, **settings),
        input=stdin if stdin is not None else "",
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
        check=False,
    )


def wait_until(
    is_so: Callable[[], object], seconds: float = START_SECONDS, what: Callable[[], str] = lambda: ""
) -> None:
    """Wait until something is so; fail with `what` is seen instead."""
    until = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < until, what()
        time.sleep(0.05)


class Serve:
    """One `serve`. Use it as a context manager: whatever a test leaves is killed."""

    def __init__(self, data: Path, *arguments: str, **settings: str) -> None:
        self.data = data
        self.port = free_port()
        self._log = data.with_name(f"{data.name}-{self.port}.log")
        command = [sys.executable, str(ROOT / "manage.py"), "serve", "--port", str(self.port), *arguments]
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                command,
                env=environment(data, **settings),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._seen: set[psutil.Process] = set()

    def __enter__(self) -> "Serve":
        return self

    def __exit__(self, *about: object) -> None:
        for process in [*self.processes(), *self._seen]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.kill()
        self.process.wait()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def output(self) -> str:
        """Everything printed so far."""
        return self._log.read_text(errors="replace")

    def wait_until_ready(self) -> "Serve":
        wait_until(
            lambda: "is ready at" in self.output() or self.process.poll() is not None, what=self.output
        )
        assert self.process.poll() is None, self.output()
        self.processes()
        return self

    def processes(self) -> list[psutil.Process]:
        """All that belongs to this `serve` now; they are remembered."""
        with contextlib.suppress(psutil.NoSuchProcess):
            leader = psutil.Process(self.process.pid)
            self._seen |= {leader, *leader.children(recursive=True)}
        return [process for process in self._seen if alive(process)]

    def child(self, *words: str) -> psutil.Process:
        """The child whose command line has all the words; the outermost where it has forked."""
        found = [
            process
            for process in psutil.Process(self.process.pid).children()
            if set(words) <= set(process.cmdline())
        ]
        assert len(found) == 1, (words, found, self.output())
        return found[0]

    def left(self) -> list[str]:
        """What is still alive of all that was ever seen."""
        found = []
        for process in self._seen:
            # It may end between the two questions.
            with contextlib.suppress(psutil.NoSuchProcess):
                if alive(process):
                    found.append(" ".join(process.cmdline()))
        return found

    def stop(self, signum: int = signal.SIGTERM) -> float:
        """Ask for the end, wait for it and tell how many seconds it took."""
        self.processes()
        began = time.monotonic()
        self.process.send_signal(signum)
        self.process.wait(timeout=STOP_SECONDS + 5)
        return time.monotonic() - began


def alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


class Demo(Serve):
    """`serve --demo`; `told` is its demo.json."""

    def __init__(self, data: Path, *arguments: str, **settings: str) -> None:
        self.authority_port = free_port()
        super().__init__(data, "--demo", "--authority-port", str(self.authority_port), *arguments, **settings)
        self.told: Mapping[str, Any] = {}

    def wait_until_ready(self) -> "Demo":
        super().wait_until_ready()
        self.told = json.loads((self.data / "demo.json").read_text())
        return self

    def manage(self, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command on this demo's data folder."""
        return manage(self.data, *arguments, stdin=stdin)


__all__: Sequence[str] = ["Demo", "Serve", "alive", "manage", "wait_until"]
