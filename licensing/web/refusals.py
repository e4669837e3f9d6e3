"""The page "Refusals": which checkouts were refused, and why."""

from dataclasses import dataclass
from typing import Any

from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from licensing.models import Refusal, Role

from .access import needs
from .csv_export import csv_response
from .words import UNAVAILABLE, unavailable_sentence

PAGE_SIZE = 50
# True: the user did without. False: he got the modules within ten minutes.
KINDS: dict[str, tuple[bool, Any]] = {
    "true": (True, gettext_lazy("True: had to do without")),
    "false": (False, gettext_lazy("False: got it within 10 minutes")),
}


@dataclass(frozen=True)
class RefusalLine:
    """One refused checkout, with its cause in words."""

    row: Refusal
    causes: list[str]
    sentence: str
    kind: str


@needs(Role.VIEWER)
def refusals(request: HttpRequest) -> HttpResponse:
    """The refused checkouts, newest first; the list alone for htmx, or as CSV."""
    code, wanted = request.GET.get("code", ""), request.GET.get("q", "").strip()
    kind = request.GET.get("kind", "")
    found = _filtered(code, wanted, kind)
    if request.GET.get("format") == "csv":
        return _as_csv(found)
    page = Paginator(found, PAGE_SIZE).get_page(request.GET.get("page"))
    context: dict[str, Any] = {
        "page": page,
        "lines": [
            RefusalLine(row, row.causes, unavailable_sentence(row.code), _kind(row.is_true)) for row in page
        ],
        "query": wanted,
        "filtered": bool(code or wanted or kind),
    }
    if request.headers.get("HX-Request") == "true":
        return render(request, "refusals/list.html", context)
    codes = [(each, label, each == code) for each, label in UNAVAILABLE.items()]
    kinds = [(each, label, each == kind) for each, (_is_true, label) in KINDS.items()]
    return render(request, "refusals/page.html", context | {"codes": codes, "kinds": kinds})


def _filtered(code: str, wanted: str, kind: str) -> "QuerySet[Refusal]":
    found = Refusal.objects.select_related("client").order_by("-at", "-pk")
    if code:
        found = found.filter(code=code)
    if kind in KINDS:
        found = found.filter(is_true=KINDS[kind][0])
    if wanted:
        found = found.filter(
            Q(user__icontains=wanted) | Q(workstation__icontains=wanted) | Q(modules__icontains=wanted)
        )
    return found


def _as_csv(found: "QuerySet[Refusal]") -> HttpResponse:
    head = [
        _("When"), _("User"), _("Workstation"), _("Program"), _("Asked for"), _("Because of"), _("Why"),
        _("True or false"),
    ]  # fmt: skip
    rows = (
        [
            row.at.isoformat(), row.user, row.workstation, f"{row.program_name} {row.program_version}",
            " ".join(row.modules), " ".join(row.causes), unavailable_sentence(row.code),
            _kind(row.is_true),
        ]
        for row in found.iterator()
    )  # fmt: skip
    return csv_response("refusals", head, rows)


def _kind(is_true: bool | None) -> str:
    """Whether a refusal was true, in words; nothing while that is not known."""
    return next((str(label) for value, label in KINDS.values() if value is is_true), "")
