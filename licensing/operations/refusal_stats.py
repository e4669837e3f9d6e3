"""Which refusals were true: after a false one the same user got the module within ten minutes."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from licensing.models import Refusal

from .usage import Span

SOON = timedelta(minutes=10)
Takings = Mapping[tuple[str, str], Sequence[datetime]]


@dataclass(frozen=True, slots=True)
class Judged:
    """A refusal and, for each module that was its cause, whether the user had to do without."""

    id: int
    at: datetime
    user: str
    code: str
    true_for: Mapping[str, bool]

    @property
    def is_true(self) -> bool:
        """Whether the user had to do without any of the modules."""
        return any(self.true_for.values())


def takings(spans: Iterable[Span]) -> dict[tuple[str, str], list[datetime]]:
    """When each user took each module, in order."""
    found: dict[tuple[str, str], list[datetime]] = {}
    for span in spans:
        found.setdefault((span.user, span.module), []).append(span.start)
    for instants in found.values():
        instants.sort()
    return found


def got_soon(taken: Takings, user: str, module: str, at: datetime) -> bool:
    """Whether the user took the module within ten minutes after `at`."""
    instants = taken.get((user, module), ())
    place = bisect_right(instants, at)
    return place < len(instants) and instants[place] <= at + SOON


def judge(start: datetime, end: datetime, spans: Iterable[Span]) -> list[Judged]:
    """Judge the refusals from `start` until just before `end`, in order.

    Args:
        spans: the seats that were held between `start` and ten minutes after `end`.
    """
    taken = takings(spans)
    rows = Refusal.objects.filter(at__gte=start, at__lt=end).order_by("at", "pk")
    return [
        Judged(pk, at, user, code, {c: not got_soon(taken, user, c, at) for c in causes or modules})
        for pk, at, user, code, causes, modules in rows.values_list(
            "pk", "at", "user", "code", "causes", "modules"
        )
    ]
