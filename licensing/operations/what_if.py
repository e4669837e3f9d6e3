"""How many would have been refused a module with fewer or more seats: the log-ins of a time, replayed.

What happened is the base: with the seats that there were, the replay gives and refuses what was given and
refused in truth. With fewer seats some log-ins that were served find none; with more, some that were
refused find one. A seat that was held in truth is held as long; one that a refused user would have had is
held until he logs in in truth, at most the usual time (the median), and not beyond a quarter of an hour in
which nobody holds the module: there the replay begins anew. A refusal with a further cause stays one.
"""

import heapq
import statistics
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from .refusal_stats import SOON, got_soon
from .usage import QUARTER, Span, floor_quarter

# The changes in the number of seats that are looked at.
CHANGES = (-20, -10, -5, -3, -2, -1, 0, 1, 2, 3, 5, 10, 20)


@dataclass(frozen=True, slots=True)
class Want:
    """A refusal for want of a seat; `alone`: of this module alone, so that a seat would have helped."""

    at: datetime
    user: str
    alone: bool


@dataclass(frozen=True, slots=True)
class _Attempt:
    """A log-in: served until `end`, or refused; of `seats` at that moment, `held` were held in truth."""

    at: datetime
    user: str
    end: datetime | None
    seats: int
    held: int
    helped: bool
    # Where nobody held the module in truth: since the end of which quarter without use.
    anew_since: datetime | None


@dataclass(slots=True)
class _Replay:
    """One course of events under way."""

    change: int
    usual: timedelta
    ends: list[datetime] = field(default_factory=list)
    # Who holds a seat only here: since when, until when.
    extra: dict[str, tuple[datetime, datetime]] = field(default_factory=dict)
    given: dict[tuple[str, str], list[datetime]] = field(default_factory=dict)
    refused: list[tuple[datetime, str]] = field(default_factory=list)

    def meet(self, attempt: _Attempt) -> None:
        """Serve an attempt or refuse it."""
        self._let_go(attempt)
        if attempt.end is not None:
            self.extra.pop(attempt.user, None)
        elif attempt.helped and attempt.user in self.extra:
            return
        left = attempt.seats + self.change - len(self.ends) - len(self.extra)
        if left <= 0 or not attempt.helped:
            self.refused.append((attempt.at, attempt.user))
            return
        self.given.setdefault((attempt.user, ""), []).append(attempt.at)
        if attempt.end is not None:
            heapq.heappush(self.ends, attempt.end)
        else:
            self.extra[attempt.user] = (attempt.at, attempt.at + self.usual)

    def _let_go(self, attempt: _Attempt) -> None:
        while self.ends and self.ends[0] <= attempt.at:
            heapq.heappop(self.ends)
        over = [
            user
            for user, (since, until) in self.extra.items()
            if until <= attempt.at or (attempt.anew_since is not None and since < attempt.anew_since)
        ]
        for user in over:
            del self.extra[user]

    def true_refusals(self) -> list[datetime]:
        """When somebody was refused and got no seat within ten minutes."""
        return [at for at, user in self.refused if not got_soon(self.given, user, "", at)]


def replay(
    spans: Collection[Span], wants: Collection[Want], seats: int, changes: Iterable[int] = CHANGES
) -> dict[int, list[datetime]]:
    """The true refusals of one module, by the change in the number of its seats.

    Args:
        spans: all seats of the module that were held since a moment at which nobody held it.
        wants: the refusals since then.
        seats: how many there were; fewer than were held or more than were refused is set right.
    """
    attempts = _attempts(spans, wants, seats)
    lengths = [(span.end - span.start).total_seconds() for span in spans]
    usual = max(SOON, timedelta(seconds=statistics.median(lengths))) if lengths else SOON
    # The fewest seats that were left when somebody was served.
    slack = min((attempt.seats - attempt.held for attempt in attempts if attempt.end), default=0)
    found = {}
    for change in changes:
        course = _Replay(change, usual)
        if wants or slack + change <= 0:
            for attempt in attempts:
                course.meet(attempt)
        found[change] = course.true_refusals()
    return found


def _attempts(spans: Collection[Span], wants: Collection[Want], seats: int) -> list[_Attempt]:
    """All log-ins in order, each with what was held in truth when it came."""
    # At one instant: first what ends, then who was served, then who was refused.
    moments: list[tuple[datetime, int, str, datetime | None, bool]] = []
    for span in spans:
        if span.start < span.end:
            moments += [(span.end, 0, "", None, True), (span.start, 1, span.user, span.end, True)]
    moments += [(want.at, 2, want.user, None, want.alone) for want in wants]
    moments.sort(key=lambda moment: moment[:3])
    attempts: list[_Attempt] = []
    held = 0
    empty_since: datetime | None = None
    for at, kind, user, end, helped in moments:
        if kind == 0:
            held, empty_since = held - 1, at
            continue
        anew = floor_quarter(at)
        quiet = not held and (empty_since is None or anew - QUARTER >= empty_since)
        there = max(seats, held + 1) if kind == 1 else held
        attempts.append(_Attempt(at, user, end, there, held, helped, anew if quiet else None))
        held += kind == 1
    return attempts


def by_change(found: Mapping[int, Sequence[datetime]], start: datetime, end: datetime) -> dict[str, int]:
    """How many of the true refusals lie from `start` until just before `end`, as they are stored."""
    return {str(change): sum(start <= at < end for at in times) for change, times in found.items()}
