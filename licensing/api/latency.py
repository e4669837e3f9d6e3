"""How long this process takes for its calls, counted in buckets: cheap enough for every call."""

from bisect import bisect_left
from dataclasses import dataclass, field

# Upper bounds in seconds.
BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


@dataclass
class Latency:
    """Calls of one kind; `counts` has one more than there are bounds."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    seconds: float = 0.0

    def add(self, seconds: float) -> None:
        """Count a call. Called by one thread only, so it needs no lock."""
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.seconds += seconds

    def buckets(self) -> list[tuple[str, float]]:
        """Cumulative counts by upper bound, as Prometheus has them."""
        total, found = 0, []
        for bound, count in zip((*BOUNDS, None), self.counts, strict=True):
            total += count
            found.append(("+Inf" if bound is None else str(bound), float(total)))
        return found


# checkout, heartbeat, return, look and read, each from its first call on.
latencies: dict[str, Latency] = {}


def count(kind: str, seconds: float) -> None:
    """Count a call of a kind that took so many seconds."""
    latency = latencies.get(kind)
    if latency is None:
        latency = latencies[kind] = Latency()
    latency.add(seconds)
