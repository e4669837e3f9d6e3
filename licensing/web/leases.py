"""The tab "Taken modules": who holds what, and releasing a lease."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.paginator import Page, Paginator
from django.db.models import Count, F, Q, QuerySet, Value
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from licensing.models import Lease, Role
from licensing.operations.clock import portal_now
from licensing.operations.configuration import configuration
from licensing.operations.leases import release
from licensing.operations.moment import Moment

from .access import actor, needs
from .csv_export import csv_response
from .entrance import NOT_A_SIGN
from .forms import PageForm
from .modules import module_name
from .moments import moment_of

PAGE_SIZE = 100
SORTS = {
    "user": ("user", "workstation"),
    "workstation": ("workstation", "user"),
    "program": ("program_name", "program_version", "user"),
    "taken": ("taken_at",),
    "seen": ("last_seen_at",),
    "ends": ("expires_at",),
}
GROUPS = [
    ("", gettext_lazy("Not grouped")),
    ("user", gettext_lazy("By user")),
    ("workstation", gettext_lazy("By workstation")),
    ("module", gettext_lazy("By module")),
]


# By which column a choice of GROUPS puts leases together; `held` is the code of a module.
GROUPED = {"user": ("user",), "workstation": ("workstation",), "module": ("held",)}


@dataclass(frozen=True)
class LeaseGroup:
    """The leases of one user, workstation or module; without a name where the list is not grouped.

    `size` counts those on the other pages of the list too.
    """

    name: str
    leases: list[Lease]
    size: int


class ReleaseForm(PageForm):
    """Why leases are released; the reason stands in the events."""

    reason = forms.CharField(
        label=gettext_lazy("Reason"),
        required=False,
        max_length=200,
        help_text=gettext_lazy("For the events; the program is not told."),
    )


@needs(Role.VIEWER)
def leases(request: HttpRequest) -> HttpResponse:
    """The live leases; the list alone for htmx, or as CSV."""
    seen = moment_of(request)
    live = live_leases(seen.now)
    sort = request.GET.get("sort", "user")
    group = request.GET.get("group", "")
    order = SORTS.get(sort, SORTS["user"])
    found = _in_groups(_filtered(live, request), request, group).order_by(
        *GROUPED.get(group, ()), *order, "pk"
    )
    if request.GET.get("format") == "csv":
        return _as_csv(found)
    page = Paginator(found, PAGE_SIZE).get_page(request.GET.get("page"))
    context = {
        "page": page,
        "groups": _grouped(found, page, group),
        "sort": sort,
        "query": request.GET.get("q", ""),
        "any": page.paginator.count > 0 or _is_filtered(request),
    }
    if request.headers.get("HX-Request") == "true":
        return render(request, "leases/list.html", context)
    return render(request, "leases/page.html", context | _choices(request, group, seen))


@needs(Role.OPERATOR)
def release_leases(request: HttpRequest) -> HttpResponse:
    """Say what releasing will do, and do it once that is confirmed.

    The leases are those given by id, or all of a user.
    """
    now = portal_now()
    given = request.POST if request.method == "POST" else request.GET
    picked = _picked(given, now)
    confirmed = request.method == "POST" and "confirmed" in request.POST
    form = ReleaseForm(request.POST if confirmed else None)
    if confirmed and form.is_valid():
        ids = [lease.id for lease in picked]
        outcome = form.carry_out(lambda: release(ids, now, actor(request), form.cleaned_data["reason"]))
        if outcome:
            _tell(request, outcome.value)
            return redirect("leases")
    if not picked:
        # Whoever comes without any, as after a log-in or in another language, is told nothing of them.
        if "lease" in given or "user" in given:
            messages.info(request, _("These leases have ended by themselves already."))
        return redirect("leases")
    heartbeat = configuration().inactivity_seconds // 3
    context = {"form": form, "picked": picked, "heartbeat_seconds": heartbeat}
    return render(request, "leases/release.html", context)


def live_leases(now: datetime) -> "QuerySet[Lease]":
    """The leases that hold their seats at `now`."""
    return Lease.objects.filter(ended_at__isnull=True, expires_at__gt=now).select_related("client")


def _filtered(live: "QuerySet[Lease]", request: HttpRequest) -> "QuerySet[Lease]":
    wanted = request.GET.get("q", "").strip()
    if wanted:
        live = live.filter(
            Q(user__icontains=wanted)
            | Q(workstation__icontains=wanted)
            | Q(program_name__icontains=wanted)
            | Q(client__name__icontains=wanted)
        )
    module = request.GET.get("module", "")
    if module:
        # A subquery, so that a lease with two seats of the module is listed once.
        live = live.filter(pk__in=live.filter(seats__module__code=module).values("pk"))
    return live


def _is_filtered(request: HttpRequest) -> bool:
    return any(request.GET.get(name) for name in ("q", "module"))


def _in_groups(found: "QuerySet[Lease]", request: HttpRequest, group: str) -> "QuerySet[Lease]":
    """By modules a lease stands under each module that it holds, with the code as `held`."""
    if group != "module" or request.GET.get("format") == "csv":
        return found.annotate(held=Value(""))
    found = found.filter(seats__isnull=False).annotate(held=F("seats__module__code"))
    module = request.GET.get("module", "")
    return found.filter(held=module) if module else found


def _grouped(found: "QuerySet[Lease]", page: "Page[Lease]", group: str) -> list[LeaseGroup]:
    if group not in GROUPED:
        return [LeaseGroup("", list(page), len(page))]
    (column,) = GROUPED[group]
    groups: dict[str, list[Lease]] = {}
    for lease in page:
        groups.setdefault(getattr(lease, column), []).append(lease)
    here = found.filter(**{f"{column}__in": groups}).order_by()
    sizes = dict(here.values_list(column).annotate(size=Count("pk")))
    # Whoever has gone between the two looks is counted by the first.
    return [LeaseGroup(name, members, sizes.get(name, len(members))) for name, members in groups.items()]


def _choices(request: HttpRequest, group: str, seen: Moment) -> dict[str, Any]:
    chosen = request.GET.get("module", "")
    named = {
        module.code: module_name(module.name, module.code)
        for held in seen.held.values()
        for module in held.grant.modules
    }
    return {
        "modules": [(code, name, code == chosen) for code, name in sorted(named.items())],
        "group_choices": [(code, label, code == group) for code, label in GROUPS],
    }


def _picked(given: QueryDict, now: datetime) -> list[Lease]:
    live = live_leases(now).order_by("user", "workstation", "pk")
    user = given.get("user", "").replace("\0", NOT_A_SIGN)
    return list(live.filter(user=user) if user else live.filter(id__in=_ids(given.getlist("lease"))))


def _ids(texts: Sequence[str]) -> list[UUID]:
    found = []
    for text in texts:
        try:
            found.append(UUID(text))
        except ValueError:
            continue
    return found


def _tell(request: HttpRequest, count: int) -> None:
    if count:
        words = ngettext("%(n)d lease was released.", "%(n)d leases were released.", count)
        messages.success(request, words % {"n": count})
    else:
        messages.info(request, _("These leases have ended by themselves already."))


def _as_csv(found: "QuerySet[Lease]") -> HttpResponse:
    head = [
        _("User"), _("Workstation"), _("Program"), _("Version"), _("ERP client"), _("Modules"), _("Since"),
        _("Last sign of life"), _("Ends"),
    ]  # fmt: skip
    rows = (
        [
            lease.user, lease.workstation, lease.program_name, lease.program_version, lease.client.name,
            " ".join(module["code"] for module in lease.modules), lease.taken_at.isoformat(),
            lease.last_seen_at.isoformat(), lease.expires_at.isoformat(),
        ]
        for lease in found
    )  # fmt: skip
    return csv_response("leases", head, rows)
