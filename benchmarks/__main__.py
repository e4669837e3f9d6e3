"""`python -m benchmarks`: measure the lease engine in five minutes; `--full` measures everything."""

import argparse
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from . import load, machine, quick, report


def tell(line: str) -> None:
    """Print a line at once."""
    print(line, flush=True)


def main() -> int:
    """Measure; 1 where something that must hold does not."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--full", action="store_true", help="everything: growth, PostgreSQL, the morning …")
    parser.add_argument("--rounds", type=int, default=quick.Pace.rounds)
    parser.add_argument(
        "--seconds", type=float, default=quick.Pace.seconds, help="of each turn (%(default)s)"
    )
    parser.add_argument("--no-page", action="store_true", help="leave docs/performance.md as it is")
    options = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="km-bench-") as folder:
        program = load.compiled(Path(folder))
        facts, others = machine.facts(Path(folder)), machine.load_of_others()
        tell(f"{facts['processor']}; load of others {others:.1f}")
        pace = quick.Pace(options.rounds, options.seconds)
        results = quick.run(program, pace, tell)
    tell("")
    for verdict in results.verdicts:
        tell(verdict.line())
    tell(f"{time.monotonic() - began:.0f} s")
    if not options.no_page:
        day = datetime.now(UTC).date()
        tables = [
            report.machine_table(facts, results.commit_ms, day, others),
            report.numbers_table(results.seen),
            report.verdict_table(results.verdicts),
        ]
        report.write("make bench", "\n\n".join(tables))
    return 0 if all(verdict.holds for verdict in results.verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
