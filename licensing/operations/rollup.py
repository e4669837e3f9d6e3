"""Rolling the history up: from lease rows to peaks and averages by module, key and quarter of an hour.

It follows some minutes behind the time, when nothing that it looks at can change any more, and goes from
where it was: after an outage it catches up, and of two that run at once one finds its stretch done.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db import transaction
from django.db.models import Max, Min, Sum

from licensing.models import Lease, Module, Refusal, RollUp, UsageDay, UsageQuarter

from .refusal_stats import SOON, Judged, judge
from .usage import (
    QUARTER,
    WHOLE,
    Measure,
    Span,
    day_of,
    floor_quarter,
    measure,
    reach_back,
    read_spans,
    start_of_day,
)
from .what_if import Want, by_change, replay

# A refusal is judged ten minutes later; a batch of leases that began before may end a little after.
BEHIND = SOON + timedelta(minutes=2)
AT_ONCE = 500
Seats = Mapping[tuple[str, str], int | None]


@dataclass(frozen=True)
class Stretch:
    """Some quarters of one day, and what is to be stored of them."""

    start: datetime
    end: datetime
    quarters: list[UsageQuarter]
    judged: list[Judged]
    what_if: dict[str, dict[str, int]]
    bought: dict[str, int | None]


def roll_up(now: datetime) -> int:
    """Roll up what has passed and is not rolled up yet. Gives the number of quarters done."""
    target = floor_quarter(now - BEHIND)
    done = 0
    state = _state(target)
    at = state.until
    if at > floor_quarter(now):
        _go_back(state, target)
        return 0
    while at < target:
        end = min(target, start_of_day(day_of(at) + timedelta(days=1)))
        if not _store(_rolled(at, end)):
            break
        done += (end - at) // QUARTER
        at = end
    return done


def _state(target: datetime) -> RollUp:
    """How far it has come; at the first time it begins with the oldest lease or refusal."""
    state = RollUp.objects.filter(pk=1).first()
    if state is not None:
        return state
    lease = Lease.objects.aggregate(at=Min("taken_at"))["at"]
    refusal = Refusal.objects.aggregate(at=Min("at"))["at"]
    since = min([target, *[floor_quarter(at) for at in (lease, refusal) if at is not None]])
    return RollUp.objects.get_or_create(pk=1, defaults={"since": since, "until": since})[0]


def _go_back(state: RollUp, target: datetime) -> None:
    """Forget what was rolled up of a time that has not come: the clock was ahead and has been corrected."""
    since = min(state.since, target)
    with transaction.atomic():
        if RollUp.objects.filter(pk=1, until=state.until).update(until=target, since=since):
            UsageQuarter.objects.filter(start__gte=target).delete()
            UsageDay.objects.filter(day__gt=day_of(target)).delete()


def _rolled(start: datetime, end: datetime) -> Stretch:
    """Reckon one stretch; nothing is written."""
    rows = Module.objects.values_list("code", "key__number", "seats")
    seats: dict[tuple[str, str], int | None] = {(code, key): bought for code, key, bought in rows}
    quiet = _last_quiet(start, {code for code, _ in seats})
    began = min([start, *quiet.values()])
    spans: dict[str, list[Span]] = {}
    for span in (every := read_spans(began, end + SOON)):
        spans.setdefault(span.module, []).append(span)
    refusals = judge(began, end + SOON, every)
    whole = _whole(seats)
    what_if = {
        code: _what_if(code, bought, quiet[code], spans.get(code, []), refusals, start, end)
        for code, bought in whole.items()
        if bought is not None
    }
    judged = [refusal for refusal in refusals if start <= refusal.at < end]
    return Stretch(start, end, _quarters(spans, seats, judged, start, end), judged, what_if, whole)


def _last_quiet(start: datetime, codes: Collection[str]) -> dict[str, datetime]:
    """For each module the end of the last quarter, before the day began, in which nobody held it.

    It is no longer ago than so many rows lie since.
    """
    begin = start_of_day(day_of(start))
    furthest = reach_back(begin) or begin - WHOLE
    found: dict[str, datetime] = {}
    for back in (timedelta(days=1), WHOLE):
        wanted = [code for code in codes if code not in found]
        rows = UsageQuarter.objects.filter(
            key="", peak__gt=0, module__in=wanted, start__gte=begin - back, start__lt=begin
        )
        used: dict[str, set[datetime]] = {code: set() for code in wanted}
        for code, at in rows.values_list("module", "start") if wanted else ():
            used[code].add(at)
        for code, quarters in used.items():
            at = begin - QUARTER
            while at in quarters:
                at -= QUARTER
            if at >= begin - back or back == WHOLE:
                found[code] = max(at + QUARTER, furthest)
    return found


def _what_if(
    code: str,
    seats: int,
    began: datetime,
    spans: Iterable[Span],
    refusals: Iterable[Judged],
    start: datetime,
    end: datetime,
) -> dict[str, int]:
    """The true refusals of a module from the beginning of the day until `end`, by the change in seats."""
    mine = [span for span in spans if span.end > began]
    wants = [
        Want(each.at, each.user, len(each.true_for) == 1)
        for each in refusals
        if each.code == "no_free_seat" and code in each.true_for and each.at >= began
    ]
    return by_change(replay(mine, wants, seats), start_of_day(day_of(start)), end)


def _whole(seats: Seats) -> dict[str, int | None]:
    """The seats of each module on all keys together; None where one of them does not count."""
    found: dict[str, int | None] = {}
    for (code, _), bought in seats.items():
        before = found.get(code, 0)
        found[code] = None if before is None or bought is None else before + bought
    return found


def _quarters(
    spans: Mapping[str, Iterable[Span]],
    seats: Seats,
    judged: Iterable[Judged],
    start: datetime,
    end: datetime,
) -> list[UsageQuarter]:
    """The rows of every module: of all keys together, and of each key where there are several."""
    whole, refused = _whole(seats), _refused(judged)
    rows: list[UsageQuarter] = []
    for code in sorted({*spans, *whole, *[module for module, _ in refused]}):
        by_key: dict[str, list[Span]] = {key: [] for module, key in seats if module == code}
        several = len(by_key) > 1
        for span in spans.get(code, ()):
            if span.start < end and span.end > start:
                by_key.setdefault(span.key, []).append(span)
        every = [span for held in by_key.values() for span in held]
        rows += _rows(code, "", measure(every, whole.get(code), start, end), whole.get(code), refused)
        for key, held in by_key.items() if several else ():
            bought = seats.get((code, key))
            rows += _rows(code, key, measure(held, bought, start, end), bought, {})
    return rows


def _refused(judged: Iterable[Judged]) -> dict[tuple[str, datetime], list[int]]:
    """How many were refused each module for want of a seat, false and true ones, by quarter."""
    counts: dict[tuple[str, datetime], list[int]] = {}
    for refusal in judged:
        if refusal.code == "no_free_seat":
            for code, is_true in refusal.true_for.items():
                counts.setdefault((code, floor_quarter(refusal.at)), [0, 0])[is_true] += 1
    return counts


def _rows(
    code: str,
    key: str,
    measured: Mapping[datetime, Measure],
    seats: int | None,
    refused: Mapping[tuple[str, datetime], Sequence[int]],
) -> Iterator[UsageQuarter]:
    quarters = {*measured, *[at for module, at in refused if module == code]}
    for at in sorted(quarters):
        use = measured.get(at, Measure())
        falsely, truly = refused.get((code, at), (0, 0))
        yield UsageQuarter(
            start=at,
            module=code,
            key=key,
            seats=seats,
            peak=use.peak,
            held_seconds=round(use.held.total_seconds()),
            full_seconds=round(use.full.total_seconds()),
            refused_true=truly,
            refused_false=falsely,
        )


STORED = ["seats", "peak", "held_seconds", "full_seconds", "refused_true", "refused_false"]


def _store(stretch: Stretch) -> bool:
    """Store a stretch, unless another has done it meanwhile. Gives whether it was stored."""
    with transaction.atomic():
        ours = RollUp.objects.filter(pk=1, until=stretch.start).update(until=stretch.end)
        if ours:
            UsageQuarter.objects.bulk_create(
                stretch.quarters,
                batch_size=AT_ONCE,
                update_conflicts=True,
                unique_fields=["start", "module", "key"],
                update_fields=STORED,
            )
            _store_judged(stretch.judged)
            _store_day(day_of(stretch.start), stretch.what_if)
            _store_first_days(stretch)
    return bool(ours)


def _store_first_days(stretch: Stretch) -> None:
    """Note the day on which a module is there for the first time, also where nobody used it."""
    known = UsageDay.objects.filter(key="", module__in=stretch.bought).values_list("module", flat=True)
    UsageDay.objects.bulk_create(
        UsageDay(
            day=day_of(stretch.start),
            module=code,
            seats=stretch.bought[code],
            peak=0,
            held_seconds=0,
            full_seconds=0,
            what_if=stretch.what_if.get(code, {}),
        )
        for code in sorted({*stretch.bought} - {*known.distinct()})
    )


def _store_judged(judged: Sequence[Judged]) -> None:
    for is_true in (True, False):
        ids = [refusal.id for refusal in judged if refusal.is_true is is_true]
        for place in range(0, len(ids), AT_ONCE):
            Refusal.objects.filter(pk__in=ids[place : place + AT_ONCE]).update(is_true=is_true)


def _store_day(day: date, what_if: Mapping[str, Mapping[str, int]]) -> None:
    """Put the day's quarters together, as far as they are there."""
    quarters = UsageQuarter.objects.filter(
        start__gte=start_of_day(day), start__lt=start_of_day(day + timedelta(days=1))
    )
    sums = quarters.values("module", "key").annotate(
        most_seats=Max("seats"),
        highest=Max("peak"),
        held=Sum("held_seconds"),
        full=Sum("full_seconds"),
        truly=Sum("refused_true"),
        falsely=Sum("refused_false"),
    )
    rows = [
        UsageDay(
            day=day,
            module=row["module"],
            key=row["key"],
            seats=row["most_seats"],
            peak=row["highest"],
            held_seconds=row["held"],
            full_seconds=row["full"],
            refused_true=row["truly"],
            refused_false=row["falsely"],
            what_if={} if row["key"] else what_if.get(row["module"], {}),
        )
        for row in sums
    ]
    UsageDay.objects.bulk_create(
        rows,
        batch_size=AT_ONCE,
        update_conflicts=True,
        unique_fields=["day", "module", "key"],
        update_fields=[*STORED, "what_if"],
    )
