"""The tab "Available modules": what was bought, what is free, and who holds it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.core.paginator import Paginator
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _

from licensing.models import Role, Seat
from licensing.operations.modules import ModuleRow, list_modules

from .access import needs
from .csv_export import csv_response
from .moments import moment_of
from .words import unavailable_sentence

EXPIRY_WARNING_DAYS = 30
PAGE_SIZE = 100


@dataclass(frozen=True)
class ModuleLine:
    """One module of one key, as the page shows it."""

    code: str
    name: str
    key: str
    seats: int | None
    taken: int
    free: int | None
    full: bool
    available: bool
    reason: str
    expires_on: date | None
    expiry: str
    expiry_tag: str
    warranty_until: date | None
    warranty: str
    warranty_tag: str
    contact_deadline: datetime | None


SORTS: dict[str, Callable[[ModuleLine], Any]] = {
    "name": lambda line: (line.name.casefold(), line.key),
    "code": lambda line: (line.code, line.key),
    "key": lambda line: (line.key, line.code),
    "free": lambda line: (line.free is None, line.free or 0, line.code),
    "taken": lambda line: (-line.taken, line.code),
    "expires": lambda line: (line.expires_on or date.max, line.code),
    "warranty": lambda line: (line.warranty_until or date.max, line.code),
}
SHOWN = [
    ("", gettext_lazy("All modules")),
    ("free", gettext_lazy("With free seats")),
    ("full", gettext_lazy("All seats taken")),
    ("trouble", gettext_lazy("That cannot be taken now")),
]


@needs(Role.VIEWER)
def modules(request: HttpRequest) -> HttpResponse:
    """The list, sorted and filtered as the address says; the rows alone for htmx, or as CSV."""
    seen = moment_of(request)
    every = [line_of(row, seen.now) for row in list_modules(seen.now, held=seen.held)]
    sort = request.GET.get("sort", "name")
    lines = sorted(_filtered(every, request), key=SORTS.get(sort, SORTS["name"]))
    if request.GET.get("format") == "csv":
        return _as_csv(lines)
    context = {
        "lines": lines,
        "any": bool(every),
        "sort": sort,
        "shown": [(code, label, code == request.GET.get("show", "")) for code, label in SHOWN],
        "query": request.GET.get("q", ""),
    }
    partial = request.headers.get("HX-Request") == "true"
    return render(request, "modules/list.html" if partial else "modules/page.html", context)


@needs(Role.VIEWER)
def holders(request: HttpRequest, key: str, code: str) -> HttpResponse:
    """Who holds the seats of one module of one key."""
    seen = moment_of(request)
    now = seen.now
    found = [row for row in list_modules(now, held=seen.held) if (row.key, row.code) == (key, code)]
    if not found:
        raise Http404
    seats = (
        Seat.objects.filter(
            Q(ends_at__isnull=True) | Q(ends_at__gt=now),
            module__key__number=key,
            module__code=code,
            lease__ended_at__isnull=True,
            lease__expires_at__gt=now,
        )
        .select_related("lease", "lease__client")
        .order_by("number")
    )
    pages = Paginator(seats, PAGE_SIZE)
    pages.count = found[0].taken  # known already: no question for it
    context = {"line": line_of(found[0], now), "page": pages.get_page(request.GET.get("page"))}
    return render(request, "modules/holders.html", context)


def line_of(row: ModuleRow, now: datetime) -> ModuleLine:
    """A module in the reader's language, with what its dates mean today."""
    today = now.date()
    return ModuleLine(
        code=row.code,
        name=module_name(row.name, row.code),
        key=row.key,
        seats=row.seats,
        taken=row.taken,
        free=row.free,
        full=row.free == 0,
        available=row.available,
        reason=unavailable_sentence(row.reason),
        expires_on=row.expires_on,
        expiry=_expiry(row.expires_on, today),
        expiry_tag=_tag(row.expires_on, today, passed="bad"),
        warranty_until=row.warranty_until,
        warranty=_warranty(row.warranty_until, today),
        warranty_tag=_tag(row.warranty_until, today, passed="warn"),
        contact_deadline=row.contact_deadline,
    )


def module_name(names: Mapping[str, str], code: str) -> str:
    """A module's name in the reader's language."""
    language = (get_language() or "pl")[:2]
    return names.get(language) or names.get("pl") or code


def _filtered(lines: list[ModuleLine], request: HttpRequest) -> list[ModuleLine]:
    wanted = request.GET.get("q", "").strip().casefold()
    show = request.GET.get("show", "")
    return [
        line
        for line in lines
        if wanted in f"{line.name} {line.code} {line.key}".casefold()
        and (show != "free" or line.available)
        and (show != "full" or line.full)
        and (show != "trouble" or not line.available)
    ]


def _expiry(expires_on: date | None, today: date) -> str:
    if expires_on is None:
        return _("does not expire")
    if expires_on < today:
        return _("expired: cannot be taken")
    return _("last good day")


def _warranty(warranty_until: date | None, today: date) -> str:
    if warranty_until is None:
        return _("any program version")
    if warranty_until < today:
        return _("passed: only programs built before")
    return _("programs built until then")


def _tag(last_good_day: date | None, today: date, *, passed: str) -> str:
    if last_good_day is None:
        return ""
    if last_good_day < today:
        return passed
    return "warn" if (last_good_day - today).days <= EXPIRY_WARNING_DAYS else ""


def _as_csv(lines: list[ModuleLine]) -> HttpResponse:
    head = [
        _("Module"), _("Code"), _("Virtual key"), _("Bought"), _("Taken"), _("Free"), _("Expires on"),
        _("Warranty until"), _("Contact deadline"), _("Cannot be taken because"),
    ]  # fmt: skip
    rows = [
        [
            line.name, line.code, line.key, line.seats, line.taken, line.free, line.expires_on,
            line.warranty_until, line.contact_deadline, line.reason,
        ]
        for line in lines
    ]  # fmt: skip
    return csv_response("modules", head, rows)
