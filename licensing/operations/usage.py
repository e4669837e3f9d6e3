"""The use of modules as the lease rows tell it: who held a seat of what, from when to when."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from django.db.models import Q
from django.utils import timezone

from licensing.models import Lease, Refusal
from licensing.protocol.times import parse_instant

QUARTER = timedelta(minutes=15)
# How long leases stay whole after their end.
WHOLE = timedelta(days=35)
# As many leases or refusals are looked back at, and no more: a module may be used day and night.
MOST_ROWS = 50_000


@dataclass(frozen=True, slots=True)
class Span:
    """A seat of a module, held by a user from `start` until just before `end`."""

    module: str
    key: str
    user: str
    start: datetime
    end: datetime


@dataclass(slots=True)
class Measure:
    """The use of a module in one quarter of an hour."""

    peak: int = 0
    held: timedelta = timedelta(0)
    full: timedelta = timedelta(0)


def floor_quarter(instant: datetime) -> datetime:
    """The beginning of the quarter of an hour that `instant` lies in."""
    return instant.replace(minute=instant.minute // 15 * 15, second=0, microsecond=0)


def day_of(instant: datetime) -> date:
    """The day of the portal's time zone that `instant` lies in."""
    return timezone.localtime(instant, timezone.get_default_timezone()).date()


def start_of_day(day: date) -> datetime:
    """When a day of the portal's time zone begins.

    In UTC: within a zone Python adds and subtracts by the wall clock, an hour off on two days a year.
    """
    return timezone.make_aware(datetime.combine(day, time()), timezone.get_default_timezone()).astimezone(UTC)


def reach_back(instant: datetime) -> datetime | None:
    """Since when so many leases ended, or were refused, before an instant; None where there are fewer."""
    leases = (
        Lease.objects.filter(ended_at__lte=instant).order_by("-ended_at").values_list("ended_at", flat=True)
    )
    refusals = Refusal.objects.filter(at__lte=instant).order_by("-at").values_list("at", flat=True)
    found = [at for rows in (leases, refusals) for at in rows[MOST_ROWS : MOST_ROWS + 1] if at is not None]
    return max(found, default=None)


def read_spans(start: datetime, end: datetime) -> list[Span]:
    """The seats that were held between `start` and `end`, each from its own beginning to its own end.

    Exact for what lies before now: what time has ended is over, whether or not anyone wrote that down.
    """
    ended = Q(ended_at__isnull=False, ended_at__gt=start)
    lasting = Q(ended_at__isnull=True, expires_at__gt=start)
    # Two questions, for each has an index of its own.
    return [span for which in (ended, lasting) for span in _spans(which, end)]


def _spans(which: Q, end: datetime) -> Iterator[Span]:
    rows = Lease.objects.filter(which, taken_at__lte=end).values_list(
        "modules", "withdrawn", "user", "taken_at", "ended_at", "expires_at"
    )
    for modules, withdrawn, user, taken_at, ended_at, expires_at in rows.iterator(chunk_size=2000):
        for claim in modules:
            until = ended_at or expires_at
            if claim["code"] in withdrawn:
                until = min(until, parse_instant(withdrawn[claim["code"]]))
            yield Span(claim["code"], claim["key"], user, taken_at, until)


def measure(
    spans: Iterable[Span], seats: int | None, start: datetime, end: datetime
) -> dict[datetime, Measure]:
    """Peak, seat-time and time without a free seat, by quarter; quarters without use are left out.

    Args:
        seats: how many were bought; None where they are not counted.
        start, end: both at the beginning of a quarter.
    """
    changes = []
    for span in spans:
        first, last = max(span.start, start), min(span.end, end)
        if first < last:
            changes += [(first, 1), (last, -1)]
    # What ends at an instant is free for what begins at it.
    changes.sort()
    found: dict[datetime, Measure] = {}
    level, at = 0, start
    for instant, change in changes:
        if level and at < instant:
            _add(found, level, seats, at, instant)
        level, at = level + change, instant
    return found


def _add(
    found: dict[datetime, Measure], level: int, seats: int | None, at: datetime, until: datetime
) -> None:
    """Note that `level` seats were held from `at` until `until`."""
    quarter = floor_quarter(at)
    while at < until:
        quarter, begun = quarter + QUARTER, quarter
        stretch = min(quarter, until) - at
        at += stretch
        here = found.setdefault(begun, Measure())
        here.peak = max(here.peak, level)
        here.held += level * stretch
        if seats and level >= seats:
            here.full += stretch
