"""`python -m benchmarks`: measure the lease engine in five minutes; `--full` measures everything."""

import argparse
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from . import full, load, machine, quick, report
from .parts import Bench
from .verdicts import Verdict


def tell(line: str) -> None:
    """Print a line at once."""
    print(line, flush=True)


def main() -> int:
    """Measure; 1 where something that must hold does not."""
    options = _options()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="km-bench-") as name:
        folder = Path(name)
        program = load.compiled(folder)
        facts, others = machine.facts(folder), machine.load_of_others()
        tell(f"{facts['processor']}; load of others {others:.1f}")
        commit_ms = machine.full_commit(folder)
        tell(f"One FULL commit takes {commit_ms:.2f} ms here.")
        day = datetime.now(UTC).date()
        head = report.machine_table(facts, commit_ms, day, others)
        verdicts: list[Verdict] = []
        bench = Bench(folder, program, commit_ms, options.rounds, options.seconds, tell)
        if not options.part:
            results = quick.run(bench)
            verdicts += results.verdicts
            tables = [head, report.numbers_table(results.seen), report.verdict_table(results.verdicts)]
            _write(options, "make bench", tables)
        if options.full or options.part:
            parts = full.run(bench, options.part)
            verdicts += [verdict for part in parts for verdict in part.verdicts]
            _write(options, "make bench-full", [head, *map(report.part, parts)])
    tell("")
    for verdict in verdicts:
        tell(verdict.line())
    tell(f"{time.monotonic() - began:.0f} s")
    return 0 if all(verdict.holds for verdict in verdicts) else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--full", action="store_true", help="everything: growth, PostgreSQL, the morning …")
    parser.add_argument(
        "--part", action="append", choices=full.PARTS, default=[], help="only this part of --full"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each turn (%(default)s)")
    parser.add_argument("--no-page", action="store_true", help="leave docs/performance.md as it is")
    return parser.parse_args()


def _write(options: argparse.Namespace, section: str, tables: list[str]) -> None:
    if not options.no_page:
        report.write(section, "\n\n".join(tables))


if __name__ == "__main__":
    sys.exit(main())
