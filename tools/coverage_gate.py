"""Fail where the rooms that hold the rules are tested too little: `python -m tools.coverage_gate`.

Lines and branches are judged apart, room by room: coverage's own total mixes them, and many lines would
hide a branch that no test takes.
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from coverage import Coverage

ROOMS = ("operations", "protocol", "vendor")
PERCENT = 95.0


def measure(coverage: Coverage, room: str) -> dict[str, Any]:
    """Return coverage's own report on a room."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        coverage.json_report(include=[f"licensing/{room}/*"], outfile=str(report))
        return dict(json.loads(report.read_text()))


def is_covered(room: str, report: dict[str, Any]) -> bool:
    """Print the verdict on a room, and where it is below the mark, what no test reaches."""
    totals = report["totals"]
    lines = 100 * totals["covered_lines"] / max(totals["num_statements"], 1)
    branches = 100 * totals["covered_branches"] / max(totals["num_branches"], 1)
    good = min(lines, branches) >= PERCENT
    verdict = "good" if good else f"below {PERCENT:.0f} %"
    print(f"coverage of licensing/{room}: lines {lines:.1f} %, branches {branches:.1f} %: {verdict}")
    if not good:
        for path, file in report["files"].items():
            print(f"    {path}: lines {file['missing_lines']}, branches {file['missing_branches']}")
    return good


def main() -> int:
    """Print a line per room; 1 where one is below the mark."""
    coverage = Coverage()
    coverage.load()
    verdicts = [is_covered(room, measure(coverage, room)) for room in ROOMS]
    return int(not all(verdicts))


if __name__ == "__main__":
    sys.exit(main())
