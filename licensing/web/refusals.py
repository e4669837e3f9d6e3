"""The page "Refusals": which checkouts were refused, and why."""

from dataclasses import dataclass
from typing import Any

from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from licensing.models import Refusal, Role

from .access import needs
from .csv_export import csv_response
from .words import UNAVAILABLE, unavailable_sentence

PAGE_SIZE = 50


@dataclass(frozen=True)
class RefusalLine:
    """One refused checkout, with its cause in words."""

    row: Refusal
    causes: list[str]
    sentence: str


@needs(Role.VIEWER)
def refusals(request: HttpRequest) -> HttpResponse:
    """The refused checkouts, newest first; the list alone for htmx, or as CSV."""
    code, wanted = request.GET.get("code", ""), request.GET.get("q", "").strip()
    found = _filtered(code, wanted)
    if request.GET.get("format") == "csv":
        return _as_csv(found)
    page = Paginator(found, PAGE_SIZE).get_page(request.GET.get("page"))
    context: dict[str, Any] = {
        "page": page,
        "lines": [RefusalLine(row, row.causes, unavailable_sentence(row.code)) for row in page],
        "query": wanted,
        "filtered": bool(code or wanted),
    }
    if request.headers.get("HX-Request") == "true":
        return render(request, "refusals/list.html", context)
    codes = [(each, label, each == code) for each, label in UNAVAILABLE.items()]
    return render(request, "refusals/page.html", context | {"codes": codes})


def _filtered(code: str, wanted: str) -> "QuerySet[Refusal]":
    found = Refusal.objects.select_related("client").order_by("-at", "-pk")
    if code:
        found = found.filter(code=code)
    if wanted:
        found = found.filter(
            Q(user__icontains=wanted) | Q(workstation__icontains=wanted) | Q(modules__icontains=wanted)
        )
    return found


def _as_csv(found: "QuerySet[Refusal]") -> HttpResponse:
    head = [_("When"), _("User"), _("Workstation"), _("Program"), _("Asked for"), _("Because of"), _("Why")]
    rows = (
        [
            row.at.isoformat(), row.user, row.workstation, f"{row.program_name} {row.program_version}",
            " ".join(row.modules), " ".join(row.causes), unavailable_sentence(row.code),
        ]
        for row in found.iterator()
    )  # fmt: skip
    return csv_response("refusals", head, rows)
