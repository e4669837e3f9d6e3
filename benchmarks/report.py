"""docs/performance.md: the numbers between two marks, the words around them left alone."""

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

from .parts import Part
from .rounds import Seen
from .verdicts import Verdict

PAGE = Path(__file__).resolve().parent.parent / "docs" / "performance.md"


def write(section: str, text: str) -> None:
    """Replace the section of the page between its marks."""
    begin, end = f"<!-- {section} begins -->", f"<!-- {section} ends -->"
    page = PAGE.read_text(encoding="utf-8")
    before, found, rest = page.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise SystemExit(f"{PAGE.name} has no marks of the section {section}")
    PAGE.write_text(f"{before}{begin}\n{text.strip()}\n{end}{after}", encoding="utf-8")


def machine_table(facts: Mapping[str, str], commit_ms: float, day: date, others: float) -> str:
    """What was measured on."""
    rows = {
        "date": day.isoformat(),
        **facts,
        "one FULL commit": f"{commit_ms:.2f} ms",
        "load before the run": f"{others:.1f} processes",
    }
    return "\n".join(
        ["| machine | |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in rows.items())]
    )


def numbers_table(seen: Mapping[str, Seen]) -> str:
    """Rates and latencies."""
    head = [
        "| what | requests/s | p50 | p99 | processor time each |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    rows = [
        f"| {name} | {turn.rate():,.0f} | {turn.p50():.2f} ms | {turn.p99():.1f} ms | {turn.cpu():,.0f} µs |"
        for name, turn in seen.items()
    ]
    return "\n".join(head + rows)


def part(done: Part) -> str:
    """A part of the full run: its heading and tables."""
    tables = [f"### {done.title}"]
    if done.seen:
        tables.append(numbers_table(done.seen))
    if done.facts:
        rows = [f"| {name} | {value} |" for name, value in done.facts.items()]
        tables.append("\n".join(["| what | seen |", "| --- | --- |", *rows]))
    return "\n\n".join([*tables, verdict_table(done.verdicts)])


def verdict_table(verdicts: Sequence[Verdict]) -> str:
    """What must hold."""
    head = ["| what must hold | wanted | seen | holds |", "| --- | --- | --- | --- |"]
    rows = [f"| {v.what} | {v.wanted} | {v.seen} | {'yes' if v.holds else 'no'} |" for v in verdicts]
    return "\n".join(head + rows)
