"""The load generator: `load.c`, compiled when it is first needed, and what it reports."""

import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

SOURCE = Path(__file__).with_name("load.c")


@dataclass(frozen=True)
class Target:
    """Who is called, and with what."""

    port: int
    token: str = "none"
    codes: Sequence[str] = ()
    # Numbers of keys whose grants (serial 1) the client says that it has.
    keys: Sequence[str] = ()


@dataclass(frozen=True)
class Load:
    """What one run of the generator saw. Latencies are in milliseconds.

    `cpu` is what an answer cost the server, in microseconds of a processor: it tells what a machine that
    others use too does not disturb.
    """

    requests: int
    seconds: float
    p50: float
    p90: float
    p99: float
    max: float
    lost: int
    unfinished: int
    statuses: dict[str, int] = field(default_factory=dict)
    cpu: float = 0.0

    @property
    def rate(self) -> float:
        """Requests answered a second."""
        return self.requests / self.seconds

    def failures(self, *allowed: str) -> dict[str, int]:
        """What went otherwise than it should: statuses beyond 2xx and those allowed, and lost answers."""
        wrong = {
            status: count
            for status, count in self.statuses.items()
            if not status.startswith("2") and status not in allowed
        }
        wrong |= {name: count for name in ("lost", "unfinished") if (count := getattr(self, name))}
        return wrong


def compiled(folder: Path) -> Path:
    """The load generator, compiled into the folder where it is not there or older than its source."""
    program = folder / "load"
    if program.exists() and program.stat().st_mtime >= SOURCE.stat().st_mtime:
        return program
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise SystemExit("There is no C compiler for the load generator: apt-get install gcc libc6-dev")
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run([compiler, "-O2", "-Wall", "-o", str(program), str(SOURCE)], check=True)
    return program


def command(program: Path, target: Target, **options: object) -> list[str]:
    """The command line of one run. An option that is True is given without a value."""
    words = [str(program), "--port", str(target.port), "--token", target.token]
    if target.codes:
        words += ["--codes", ",".join(target.codes)]
    if target.keys:
        words += ["--known", ",".join(f'"{key}":1' for key in target.keys)]
    for name, value in options.items():
        if value not in (None, False, ""):
            words += [f"--{name}"] if value is True else [f"--{name}", str(value)]
    return words


def start(program: Path, target: Target, **options: object) -> "subprocess.Popen[str]":
    """Start a run; `finish` waits for it."""
    return subprocess.Popen(command(program, target, **options), stdout=subprocess.PIPE, text=True)


def finish(process: "subprocess.Popen[str]") -> Load:
    """The report of a run that was started."""
    output, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"the load generator ended with {process.returncode}")
    seen = json.loads(output)
    for name in ("p50", "p90", "p99", "max"):
        seen[name] /= 1000
    return Load(**seen)


def run(program: Path, target: Target, **options: object) -> Load:
    """Run to the end."""
    return finish(start(program, target, **options))
