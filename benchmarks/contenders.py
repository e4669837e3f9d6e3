"""The servers that are measured, each a process tree of its own on a free loopback port."""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType

import psutil

from licensing.serving.ports import free_port

from .load import Load, Target, run

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 60
STOP_SECONDS = 15
BASELINE_THREADS = {"sqlite": 2, "postgres": 16}


class Server:
    """A server under measurement. Use it as a context manager: it is ready inside, and gone outside."""

    def __init__(
        self,
        name: str,
        words: list[str],
        environment: Mapping[str, str],
        target: Target,
        sign: str,
        log: Path,
    ) -> None:
        self.name, self.target = name, target
        self._words, self._environment, self._log = words, environment, log
        self._sign = f"http://127.0.0.1:{target.port}{sign}"
        self._process: subprocess.Popen[bytes] | None = None
        self.start_seconds = 0.0

    def __enter__(self) -> "Server":
        began = time.monotonic()
        kept = {name: value for name, value in os.environ.items() if not name.startswith("KEYMANAGER_")}
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._words, env=kept | dict(self._environment), cwd=ROOT, stdout=log, stderr=log
            )
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() - began > START_SECONDS:
                self._stop()
                raise SystemExit(
                    f"{self.name} did not start: {self._log.read_text(errors='replace')[-2000:]}"
                )
            time.sleep(0.02)
        self.start_seconds = time.monotonic() - began
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def processes(self) -> list[psutil.Process]:
        """The server's process tree."""
        assert self._process is not None
        leader = psutil.Process(self._process.pid)
        return [leader, *leader.children(recursive=True)]

    def cpu_seconds(self) -> float:
        """What the process tree has used of the processors so far."""
        times = [process.cpu_times() for process in self.processes()]
        return sum(spent.user + spent.system for spent in times)

    def load(self, program: Path, **options: object) -> Load:
        """Run the load generator against this server."""
        before = self.cpu_seconds()
        seen = run(program, self.target, **options)
        answers = max(1, sum(seen.statuses.values()))
        return replace(seen, cpu=1e6 * (self.cpu_seconds() - before) / answers)

    def _answers(self) -> bool:
        try:
            urllib.request.urlopen(self._sign, timeout=2).close()
        except urllib.error.HTTPError as error:
            return error.code < 500
        except OSError:
            return False
        return True

    def _stop(self) -> None:
        if self._process is None:
            return
        tree = self.processes() if self._process.poll() is None else []
        self._process.terminate()
        _, left = psutil.wait_procs(tree, STOP_SECONDS)
        for process in left:
            process.kill()
        self._process.wait()


def portal_data(folder: Path, *, database_url: str = "", **sizes: int) -> tuple[dict[str, str], Target]:
    """A data folder with keys and an ERP client (benchmarks/dataset.py): the environment, and whom to call.

    Args:
        sizes: keys, modules (of each key), seats (of each module).
    """
    words = [sys.executable, "-m", "benchmarks.dataset", str(folder)]
    for name, value in sizes.items():
        words += [f"--{name}", str(value)]
    if database_url:
        words += ["--database-url", database_url]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("KEYMANAGER_")}
    made = json.loads(subprocess.run(words, cwd=ROOT, env=kept, check=True, capture_output=True).stdout)
    target = Target(free_port(), made["token"], made["codes"], made["keys"])
    return {"KEYMANAGER_DATA": str(folder)}, target


def portal(environment: Mapping[str, str], target: Target, log: Path) -> Server:
    """The product as a deployment runs it: front, pages and worker under `serve`."""
    words = [sys.executable, str(ROOT / "manage.py"), "serve", "--port", str(target.port)]
    return Server("portal", words, environment, target, "/readyz", log)


def baseline(folder: Path, codes: list[str], seats: int, log: Path, database_url: str = "") -> Server:
    """The plain Django view; its database is made."""
    folder.mkdir(parents=True, exist_ok=True)
    url = database_url or f"sqlite:///{folder / 'baseline.sqlite3'}"
    environment = {"BASELINE_DATABASE_URL": url}
    words = [sys.executable, "-m", "benchmarks.baseline.prepare", str(seats), *codes]
    subprocess.run(words, cwd=ROOT, env={**os.environ, **environment}, check=True)
    target = Target(free_port(), codes=codes)
    threads = BASELINE_THREADS["postgres" if database_url else "sqlite"]
    serving = _granian("benchmarks.baseline.wsgi:application", target.port, "wsgi")
    return Server(
        "baseline", [*serving, "--blocking-threads", str(threads)], environment, target, "/nothing", log
    )


def granian_hello(log: Path) -> Server:
    """A limit that is known elsewhere too: granian's RSGI."""
    target = Target(free_port())
    words = _granian("benchmarks.hello:application", target.port, "rsgi")
    return Server("granian", words, {}, target, "/", log)


def hello(log: Path) -> Server:
    """The limit of the server that the front uses."""
    target = Target(free_port())
    words = [sys.executable, "-m", "benchmarks.hello", str(target.port)]
    return Server("hello", words, {}, target, "/", log)


def _granian(application: str, port: int, interface: str) -> list[str]:
    words = [sys.executable, "-m", "granian", "--interface", interface, "--host", "127.0.0.1"]
    return [*words, "--port", str(port), "--workers", "1", "--no-ws", "--log-level", "error", application]
