"""The page "How many do you need": what fewer or more seats of a module would have meant."""

from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from licensing.models import Role
from licensing.operations.usage_history import Need, bought_modules, reach, seats_of
from licensing.operations.usage_history import needs as needs_of

from .access import needs
from .csv_export import csv_response
from .history import known_module, period_choices, period_of
from .moments import moment_of


@dataclass(frozen=True)
class NeedLine:
    """What a number of seats would have meant, in words."""

    need: Need
    label: str
    today: bool
    enough: bool


@needs(Role.VIEWER)
def how_many(request: HttpRequest, code: str) -> HttpResponse:
    """The true refusals that there would have been, by the number of seats."""
    bought = bought_modules(moment_of(request).held)
    name = known_module(code, bought)
    period = period_of(request)
    seats = seats_of(bought.get(code, ()))
    found = needs_of(code, seats, period.first, period.last) if seats is not None else None
    lines = [_line(need) for need in found.rows] if found else []
    if request.GET.get("format") == "csv":
        rows = [[line.need.seats, line.need.change, line.need.refused] for line in lines]
        return csv_response(f"needs-{code}", [_("Seats"), _("Change"), _("True refusals")], rows)
    context = {
        "code": code,
        "name": name,
        "seats": seats,
        "lines": lines,
        "most": max((line.need.refused for line in lines), default=0),
        "not_replayed": found.not_replayed if found else 0,
        "periods": period_choices(period),
        "reach": reach(),
    }
    return render(request, "history/needs.html", context)


def _line(need: Need) -> NeedLine:
    return NeedLine(need, _label(need.change), need.change == 0, need.refused == 0)


def _label(change: int) -> str:
    if change == 0:
        return _("as many as now")
    if change < 0:
        return ngettext("%(n)d fewer", "%(n)d fewer", -change) % {"n": -change}
    return ngettext("%(n)d more", "%(n)d more", change) % {"n": change}
