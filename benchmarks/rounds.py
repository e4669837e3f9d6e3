"""Measuring both sides in one run: short turns, in each round in another order, and medians over rounds."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from .load import Load

Turn = Callable[[], Load]


@dataclass
class Seen:
    """What the rounds saw of one kind of turn."""

    loads: list[Load] = field(default_factory=list)

    def rate(self) -> float:
        """Requests a second: the median over the rounds."""
        return statistics.median(load.rate for load in self.loads)

    def p50(self) -> float:
        """Milliseconds: the median over the rounds."""
        return statistics.median(load.p50 for load in self.loads)

    def p99(self) -> float:
        """Milliseconds: the median over the rounds."""
        return statistics.median(load.p99 for load in self.loads)

    def cpu(self) -> float:
        """Microseconds of a processor that an answer cost the server: the median over the rounds."""
        return statistics.median(load.cpu for load in self.loads)

    def failures(self) -> dict[str, int]:
        """What went wrong, summed."""
        total: dict[str, int] = {}
        for load in self.loads:
            for name, count in load.failures().items():
                total[name] = total.get(name, 0) + count
        return total


def spoken(load: Load) -> str:
    """A run in a line."""
    return f"{load.rate:8,.0f}/s  p50 {load.p50:7.2f}  p99 {load.p99:7.1f} ms  cpu {load.cpu:6.0f} µs"


def ratio(above: Seen, below: Seen) -> float:
    """The median of the ratios of the rounds: both sides of each were measured within seconds."""
    pairs = zip(above.loads, below.loads, strict=True)
    return statistics.median(one.rate / other.rate for one, other in pairs)


def measure(turns: Mapping[str, Turn], rounds: int, tell: Callable[[str], None]) -> dict[str, Seen]:
    """Run every turn once a round, each round beginning with another one."""
    seen = {name: Seen() for name in turns}
    names: Sequence[str] = list(turns)
    for number in range(rounds):
        for place in range(len(names)):
            name = names[(place + number) % len(names)]
            load = turns[name]()
            seen[name].loads.append(load)
            tell(f"  {number + 1}  {name:34} {spoken(load)}")
    return seen
