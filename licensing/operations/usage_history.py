"""The history of use as pages show it: reading what was rolled up."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Any

from django.db.models import F, Max, Min, Q, Sum
from django.utils import timezone

from licensing.models import RollUp, UsageDay, UsageQuarter
from licensing.protocol.messages import GrantedModule

from .entitlements import Entitlement
from .usage import QUARTER, day_of, start_of_day


class By(StrEnum):
    """How long a point of a chart is."""

    HOUR = "hour"
    DAY = "day"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class Reach:
    """The time that was rolled up: from `since` until just before `until`."""

    since: datetime
    until: datetime

    def seconds(self, start: datetime, end: datetime) -> float:
        """How much of a time was rolled up."""
        return max(0.0, (min(end, self.until) - max(start, self.since)).total_seconds())


@dataclass(frozen=True, slots=True)
class ModuleUse:
    """A module over a period, on all its keys. `seats` is None where not counted or no longer bought."""

    code: str
    name: Mapping[str, str]
    bought: bool
    seats: int | None
    peak: int
    average: float
    full_minutes: int
    refused_true: int
    refused_false: int
    last_used: date | None
    unused_days: int


@dataclass(frozen=True, slots=True)
class Point:
    """A module in an hour, a day or a month; `start` in the portal's time zone."""

    start: datetime
    seats: int | None
    peak: int
    average: float
    full_minutes: int
    refused_true: int
    refused_false: int


@dataclass(frozen=True, slots=True)
class Need:
    """With so many seats there would have been so many true refusals."""

    change: int
    seats: int
    refused: int


@dataclass(frozen=True, slots=True)
class Needs:
    """What fewer or more seats would have meant over some days; of `not_replayed` days it is not known."""

    rows: list[Need]
    not_replayed: int


def reach() -> Reach | None:
    """The time that was rolled up; None before the first time."""
    row = RollUp.objects.filter(pk=1).values_list("since", "until").first()
    return Reach(*row) if row else None


Bought = Mapping[str, Sequence[GrantedModule]]


def bought_modules(held: Mapping[str, Entitlement]) -> Bought:
    """The modules that are bought, by code: as each key grants them."""
    found: dict[str, list[GrantedModule]] = {}
    for number in sorted(held):
        for module in held[number].grant.modules:
            found.setdefault(module.code, []).append(module)
    return found


def modules_in_use(first: date, last: date, bought: Bought, rolled: Reach | None) -> list[ModuleUse]:
    """Every module that is bought or was ever used, over the days from `first` to `last` (today), by code."""
    within = Q(day__gte=first, day__lte=last)
    # One look over all days: when a module was last used may be long ago.
    rows = (
        UsageDay.objects.filter(key="")
        .values("module")
        .annotate(
            highest=Max("peak", filter=within, default=0),
            held=Sum("held_seconds", filter=within, default=0),
            full=Sum("full_seconds", filter=within, default=0),
            truly=Sum("refused_true", filter=within, default=0),
            falsely=Sum("refused_false", filter=within, default=0),
            last_used=Max("day", filter=Q(peak__gt=0)),
            known_since=Min("day"),
            refused=Sum(F("refused_true") + F("refused_false")),
        )
    )
    sums: dict[str, dict[str, Any]] = {row["module"]: {**row} for row in rows}
    seconds = rolled.seconds(*_bounds(first, last)) if rolled else 0.0
    ever_used = {code for code, row in sums.items() if row["last_used"] or row["refused"]}
    return [
        _module_use(code, bought.get(code, []), sums.get(code, {}), last, seconds)
        for code in sorted({*bought, *ever_used})
    ]


def _module_use(
    code: str,
    bought: Sequence[GrantedModule],
    sums: Mapping[str, Any],
    today: date,
    seconds: float,
) -> ModuleUse:
    last_used: date | None = sums.get("last_used")
    # A module that was bought today has not gone unused for long.
    since: date = last_used or sums.get("known_since", today)
    return ModuleUse(
        code=code,
        name=bought[0].name if bought else {},
        bought=bool(bought),
        seats=seats_of(bought),
        peak=sums.get("highest", 0),
        average=sums.get("held", 0) / seconds if seconds else 0.0,
        full_minutes=round(sums.get("full", 0) / 60),
        refused_true=sums.get("truly", 0),
        refused_false=sums.get("falsely", 0),
        last_used=last_used,
        unused_days=(today - since).days,
    )


def seats_of(modules: Iterable[GrantedModule]) -> int | None:
    """The seats of a module on all its keys; None where one of them does not count, or there is none."""
    seats = [module.seats for module in modules]
    counted = [each for each in seats if each is not None]
    return sum(counted) if counted and len(counted) == len(seats) else None


def keys_of(module: str, first: date, last: date) -> list[str]:
    """The keys that have a history of their own, for the module lay on several."""
    rows = UsageDay.objects.filter(module=module, day__gte=first, day__lte=last).exclude(key="")
    return list(rows.order_by("key").values_list("key", flat=True).distinct())


def is_known(module: str) -> bool:
    """Whether the module has any history."""
    return UsageDay.objects.filter(module=module).exists()


def series(module: str, key: str, by: By, first: date, last: date, rolled: Reach | None) -> list[Point]:
    """A module hour by hour, day by day or month by month, without a gap as far as it was rolled up."""
    if rolled is None:
        return []
    start, end = _bounds(first, last)
    # Whole months, as each point tells of all its time. In UTC an hour is an hour, also when clocks change.
    start = _begin(max(start, rolled.since), by).astimezone(UTC)
    end = min(end, rolled.until)
    buckets: dict[datetime, list[UsageQuarter | UsageDay]] = {}
    ends: list[datetime] = []
    at = _begin(start, by)
    while at < end:
        buckets[at] = []
        at = _next(at, by)
        ends.append(min(at, end))
    for instant, row in _rows(module, key, by, start, end):
        buckets[_begin(instant, by)].append(row)
    return [_point(at, until, rows, rolled) for (at, rows), until in zip(buckets.items(), ends, strict=True)]


def _rows(
    module: str, key: str, by: By, start: datetime, end: datetime
) -> Iterable[tuple[datetime, UsageQuarter | UsageDay]]:
    if by is By.HOUR:
        quarters = UsageQuarter.objects.filter(module=module, key=key, start__gte=start, start__lt=end)
        return [(row.start, row) for row in quarters]
    days = UsageDay.objects.filter(module=module, key=key, day__gte=day_of(start), day__lt=_day_after(end))
    return [(start_of_day(row.day), row) for row in days.defer("what_if")]


def _day_after(end: datetime) -> date:
    return day_of(end - QUARTER) + timedelta(days=1)


def _point(at: datetime, end: datetime, rows: list[UsageQuarter | UsageDay], rolled: Reach) -> Point:
    seconds = rolled.seconds(at, end)
    counted = [row.seats for row in rows if row.seats is not None]
    return Point(
        start=timezone.localtime(at, timezone.get_default_timezone()),
        seats=max(counted, default=None),
        peak=max((row.peak for row in rows), default=0),
        average=sum(row.held_seconds for row in rows) / seconds if seconds else 0.0,
        full_minutes=round(sum(row.full_seconds for row in rows) / 60),
        refused_true=sum(row.refused_true for row in rows),
        refused_false=sum(row.refused_false for row in rows),
    )


def _begin(instant: datetime, by: By) -> datetime:
    """The beginning of the hour, day or month of the portal's time zone that `instant` lies in."""
    local = timezone.localtime(instant, timezone.get_default_timezone())
    if by is By.HOUR:
        return instant - timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
    return start_of_day(local.date() if by is By.DAY else local.date().replace(day=1))


def _next(at: datetime, by: By) -> datetime:
    if by is By.HOUR:
        # Somewhere clocks change by half an hour, and the next one begins sooner.
        return _begin(at + timedelta(hours=1), by)
    day = day_of(at)
    if by is By.DAY:
        return start_of_day(day + timedelta(days=1))
    return start_of_day((day.replace(day=1) + timedelta(days=32)).replace(day=1))


def _bounds(first: date, last: date) -> tuple[datetime, datetime]:
    return start_of_day(first), start_of_day(last + timedelta(days=1))


def needs(module: str, seats: int, first: date, last: date) -> Needs:
    """The true refusals that there would have been with fewer or more than `seats`.

    Each day was replayed with the seats that it had, while its leases were whole; a day of which some were
    forgotten before it could be is not known.
    """
    rows = UsageDay.objects.filter(module=module, key="", day__gte=first, day__lte=last)
    rows = rows.exclude(peak=0, refused_true=0, refused_false=0)
    totals: dict[int, int] = {}
    not_replayed = 0
    for what_if in rows.values_list("what_if", flat=True):
        not_replayed += not what_if
        for change, refused in what_if.items():
            totals[int(change)] = totals.get(int(change), 0) + refused
    return Needs(
        [Need(change, seats + change, totals[change]) for change in sorted(totals) if seats + change >= 0],
        not_replayed,
    )


def refusals_by_hour(first: date, last: date) -> dict[str, list[int]]:
    """The true refusals for want of a seat of each module, by the hour of the day, the most refused first."""
    start, end = _bounds(first, last)
    rows = UsageQuarter.objects.filter(refused_true__gt=0, key="", start__gte=start, start__lt=end)
    found: dict[str, list[int]] = {}
    for module, at, refused in rows.values_list("module", "start", "refused_true"):
        hour = timezone.localtime(at, timezone.get_default_timezone()).hour
        found.setdefault(module, [0] * 24)[hour] += refused
    return dict(sorted(found.items(), key=lambda item: (-sum(item[1]), item[0])))
