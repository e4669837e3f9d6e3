"""The tab "History": how much of each module was used, and when."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, timedelta
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext_lazy

from licensing.models import Role
from licensing.operations.usage import day_of
from licensing.operations.usage_history import (
    Bought,
    By,
    ModuleUse,
    Point,
    bought_modules,
    is_known,
    keys_of,
    modules_in_use,
    reach,
    refusals_by_hour,
    series,
)

from .access import needs
from .csv_export import csv_response
from .modules import module_name
from .moments import moment_of

PERIODS = (1, 7, 30, 90, 365)
DEFAULT_PERIOD = 30
UNUSED = (30, 90)
BY = [(By.HOUR, gettext_lazy("hour")), (By.DAY, gettext_lazy("day")), (By.MONTH, gettext_lazy("month"))]
# A chart by hours is about a month at most.
MOST_DAYS_BY_HOUR = 31
SECOND_HOUR = 1800
Choice = tuple[object, object, bool]


@dataclass(frozen=True)
class Period:
    """The days up to today that a page is about."""

    days: int
    first: date
    last: date


@dataclass(frozen=True)
class UseLine:
    """One module, as the list of the history shows it."""

    use: ModuleUse
    name: str
    average: str
    full: bool
    unused_for: int | None


@dataclass(frozen=True)
class PointLine:
    """One row of a chart's numbers; `at` is the portal's wall clock as seconds, for the chart's axis."""

    point: Point
    label: str
    at: int
    average: str


@dataclass(frozen=True)
class HoursLine:
    """The refusals of one module by the hour of the day."""

    code: str
    hours: list[tuple[int, int]]
    total: int


SORTS: dict[str, Callable[[UseLine], Any]] = {
    "name": lambda line: line.name.casefold(),
    "peak": lambda line: (-line.use.peak, line.use.code),
    "average": lambda line: (-line.use.average, line.use.code),
    "full": lambda line: (-line.use.full_minutes, line.use.code),
    "refused": lambda line: (-line.use.refused_true, line.use.code),
    "used": lambda line: (-line.use.unused_days, line.use.code),
}


def period_of(request: HttpRequest, periods: Sequence[int] = PERIODS) -> Period:
    """The period that the address asks for, else the usual one or the first of those there are."""
    usual = DEFAULT_PERIOD if DEFAULT_PERIOD in periods else periods[0]
    days = next((each for each in periods if str(each) == request.GET.get("days")), usual)
    today = day_of(moment_of(request).now)
    return Period(days, today - timedelta(days=days - 1), today)


def period_choices(chosen: Period, periods: Sequence[int] = PERIODS) -> list[Choice]:
    """The periods to choose from, each with whether it is chosen."""
    names = {1: _("Today"), 365: _("A year")}
    words = ngettext_lazy("%(n)d day", "%(n)d days", "n")
    return [(days, names.get(days) or words % {"n": days}, days == chosen.days) for days in periods]


@needs(Role.VIEWER)
def overview(request: HttpRequest) -> HttpResponse:
    """Every module with its use over a period; the list alone for htmx, or as CSV."""
    period = period_of(request)
    rolled = reach()
    found = modules_in_use(period.first, period.last, bought_modules(moment_of(request).held), rolled)
    every = [_use_line(use) for use in found]
    sort = request.GET.get("sort", "name")
    lines = sorted(_filtered(every, request), key=SORTS.get(sort, SORTS["name"]))
    if request.GET.get("format") == "csv":
        return _overview_csv(lines)
    show = request.GET.get("show", "")
    context = {
        "lines": lines,
        "any": bool(every),
        "reach": rolled,
        "sort": sort,
        "periods": period_choices(period),
        "days": period.days,
        "shown": [("", _("All modules"), show == "")] + [_unused_choice(days, show) for days in UNUSED],
        "query": request.GET.get("q", ""),
    }
    partial = request.headers.get("HX-Request") == "true"
    return render(request, "history/list.html" if partial else "history/page.html", context)


@needs(Role.VIEWER)
def module_history(request: HttpRequest, code: str) -> HttpResponse:
    """One module hour by hour, day by day or month by month, as a chart, a table, or CSV."""
    name = known_module(code, bought_modules(moment_of(request).held))
    rolled = reach()
    by = next((each for each in By if each == request.GET.get("by")), By.DAY)
    periods = [days for days in PERIODS if by is not By.HOUR or days <= MOST_DAYS_BY_HOUR]
    if by is By.MONTH:
        periods = [365, 1095]
    period = period_of(request, periods)
    keys = keys_of(code, period.first, period.last)
    key = request.GET.get("key", "")
    key = key if key in keys else ""
    lines = [_point_line(point, by) for point in series(code, key, by, period.first, period.last, rolled)]
    if request.GET.get("format") == "csv":
        return _series_csv(code, lines)
    context = {
        "code": code,
        "name": name,
        "lines": lines,
        "reach": rolled,
        "used": any(line.point.peak or line.point.refused_true or line.point.refused_false for line in lines),
        "counted": any(line.point.seats is not None for line in lines),
        "peak": max((line.point.peak for line in lines), default=0),
        "full_minutes": sum(line.point.full_minutes for line in lines),
        "refused_true": sum(line.point.refused_true for line in lines),
        "refused_false": sum(line.point.refused_false for line in lines),
        "by_choices": [(each, label, each == by) for each, label in BY],
        "by": by,
        "periods": period_choices(period, periods),
        "keys": [(each, each == key) for each in keys],
    }
    return render(request, "history/module.html", context)


@needs(Role.VIEWER)
def refusal_hours(request: HttpRequest) -> HttpResponse:
    """At which hour of the day which module is refused."""
    period = period_of(request)
    found = refusals_by_hour(period.first, period.last)
    lines = [HoursLine(code, list(enumerate(hours)), sum(hours)) for code, hours in found.items()]
    if request.GET.get("format") == "csv":
        rows = ([line.code, line.total, *[count for _hour, count in line.hours]] for line in lines)
        return csv_response("refusals-by-hour", [_("Module"), _("Total"), *range(24)], rows)
    context = {"lines": lines, "hours": range(24), "periods": period_choices(period), "reach": reach()}
    return render(request, "history/hours.html", context)


def known_module(code: str, bought: Bought) -> str:
    """The name of a module that is bought or was used; any other is no page."""
    if code in bought:
        return module_name(bought[code][0].name, code)
    if not is_known(code):
        raise Http404
    return code


def _use_line(use: ModuleUse) -> UseLine:
    return UseLine(
        use=use,
        name=module_name(use.name, use.code),
        average=decimal(use.average),
        full=use.full_minutes > 0,
        unused_for=max((days for days in UNUSED if use.unused_days >= days), default=None),
    )


def _filtered(lines: list[UseLine], request: HttpRequest) -> list[UseLine]:
    wanted = request.GET.get("q", "").strip().casefold()
    show = request.GET.get("show", "")
    unused = int(show) if show in {str(days) for days in UNUSED} else 0
    return [
        line
        for line in lines
        if wanted in f"{line.name} {line.use.code}".casefold() and line.use.unused_days >= unused
    ]


def _unused_choice(days: int, show: str) -> tuple[str, str, bool]:
    return str(days), _("Not used for %(n)d days") % {"n": days}, show == str(days)


def _point_line(point: Point, by: By) -> PointLine:
    local = timezone.localtime(point.start, timezone.get_default_timezone())
    shapes = {By.HOUR: "j E, H:i", By.DAY: "j E Y", By.MONTH: "F Y"}
    label, at = date_format(local, shapes[by]), local.replace(tzinfo=UTC, fold=0).timestamp()
    if by is By.HOUR and local.utcoffset() != local.replace(fold=1 - local.fold).utcoffset():
        # The hour that comes twice in autumn: each has its name, and the second its place before the next.
        label, at = f"{label} {local.tzname()}", at + SECOND_HOUR * local.fold
    return PointLine(
        point=point,
        label=label,
        at=int(at),
        average=decimal(point.average),
    )


def decimal(value: float) -> str:
    """An average as people read it: two places below ten, one above."""
    places = 2 if value < 10 else 1
    # Django cuts off what is beyond the places; it does not round.
    return str(number_format(round(value, places), places))


def _overview_csv(lines: list[UseLine]) -> HttpResponse:
    head = [
        _("Module"), _("Code"), _("Bought"), _("Peak"), _("Average"), _("Minutes at the limit"),
        _("True refusals"), _("False refusals"), _("Last used on"),
    ]  # fmt: skip
    rows = [
        [
            line.name, line.use.code, line.use.seats, line.use.peak, line.average, line.use.full_minutes,
            line.use.refused_true, line.use.refused_false, line.use.last_used,
        ]
        for line in lines
    ]  # fmt: skip
    return csv_response("history", head, rows)


def _series_csv(code: str, lines: list[PointLine]) -> HttpResponse:
    head = [
        _("From"), _("Bought"), _("Peak"), _("Average"), _("Minutes at the limit"), _("True refusals"),
        _("False refusals"),
    ]  # fmt: skip
    rows = [
        [
            line.point.start.isoformat(), line.point.seats, line.point.peak, line.average,
            line.point.full_minutes, line.point.refused_true, line.point.refused_false,
        ]
        for line in lines
    ]  # fmt: skip
    return csv_response(f"history-{code}", head, rows)
