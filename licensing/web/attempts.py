"""The page of contacts: every attempt of the last 30 days, and a picture of them for each key."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from licensing.models import ContactAttempt, Role
from licensing.operations.causes import sentence
from licensing.operations.contact import ATTEMPTS_KEPT
from licensing.operations.moment import Moment

from .access import needs
from .diagnosis import StepLine, step_lines
from .moments import moment_of
from .words import ACTORS

PAGE_SIZE = 50
# The picture has a bar for each six hours.
SPAN = timedelta(hours=6)
BAR_WIDTH = 6
TRIGGERS = {
    "schedule": gettext_lazy("by itself"),
    "page": gettext_lazy("“Update modules”"),
    "command": gettext_lazy("command line"),
    "diagnosis": gettext_lazy("“Test the connection”"),
    "file": gettext_lazy("answer file"),
}


@dataclass(frozen=True)
class AttemptRow:
    """One attempt: who wanted it, how long it took, what became of it."""

    row: ContactAttempt
    trigger: str
    # Empty where the trigger says it already.
    actor: str
    state: str
    seconds: float | None
    sentence: str
    steps: list[StepLine]


@dataclass(frozen=True)
class Bar:
    """Six hours of a key's contact: `good`, `bad` or `none`; `x` is its place in the picture."""

    x: int
    state: str
    title: str


@dataclass(frozen=True)
class Timeline:
    """The picture of one key's contact."""

    number: str
    bars: list[Bar]
    width: int
    good: int
    bad: int


@needs(Role.VIEWER)
def attempts(request: HttpRequest) -> HttpResponse:
    """The attempts, newest first; the list alone for htmx."""
    seen, wanted = moment_of(request), request.GET.get("outcome", "")
    recent = ContactAttempt.objects.filter(started_at__gte=seen.now - ATTEMPTS_KEPT)
    page = Paginator(_filtered(recent, wanted), PAGE_SIZE).get_page(request.GET.get("page"))
    context: dict[str, Any] = {
        "page": page,
        "lines": [_line(row) for row in page],
        "wanted": wanted,
        "filtered": bool(wanted),
    }
    if request.headers.get("HX-Request") == "true":
        return render(request, "contacts/list.html", context)
    return render(request, "contacts/page.html", context | {"timelines": timelines(recent, seen)})


def _filtered(found: "QuerySet[ContactAttempt]", wanted: str) -> "QuerySet[ContactAttempt]":
    if wanted == "failed":
        return found.exclude(outcome__in=("ok", ""))
    return found.filter(outcome="ok") if wanted == "ok" else found


def _line(row: ContactAttempt) -> AttemptRow:
    state = "good" if row.outcome == "ok" else "bad" if row.finished_at else "none"
    return AttemptRow(
        row=row,
        trigger=str(TRIGGERS.get(row.trigger, row.trigger)),
        actor="" if row.actor in ACTORS else row.actor,
        state=state,
        seconds=(row.finished_at - row.started_at).total_seconds() if row.finished_at else None,
        sentence=sentence(row.outcome, row.params),
        steps=step_lines(row),
    )


def timelines(attempts: "QuerySet[ContactAttempt]", seen: Moment) -> list[Timeline]:
    """A picture per key of the last 30 days."""
    begin = seen.now - ATTEMPTS_KEPT
    rows = list(attempts.filter(finished_at__isnull=False).values_list("started_at", "outcome", "results"))
    return [
        _timeline(key.number, [row for row in rows if row[0] >= key.added_at], begin) for key in seen.keys
    ]


def _timeline(
    number: str, rows: Iterable[tuple[datetime, str, list[dict[str, Any]]]], begin: datetime
) -> Timeline:
    spans = ATTEMPTS_KEPT // SPAN
    good, bad = [0] * spans, [0] * spans
    for started_at, outcome, results in rows:
        place = min(max((started_at - begin) // SPAN, 0), spans - 1)
        line = next((line for line in results if line["number"] == number), None)
        if line is not None and line["result"] == "granted":
            good[place] += 1
        elif line is not None or outcome != "ok":
            bad[place] += 1
    bars = [_bar(place, good[place], bad[place], begin + place * SPAN) for place in range(spans)]
    return Timeline(number, bars, spans * BAR_WIDTH, sum(good), sum(bad))


def _bar(place: int, good: int, bad: int, at: datetime) -> Bar:
    state = "good" if good else "bad" if bad else "none"
    words = {"at": f"{at:%Y-%m-%d %H:%M}", "good": good, "bad": bad}
    title = _("%(at)s UTC and the 6 hours after: granted %(good)d times, failed or refused %(bad)d times")
    return Bar(place * BAR_WIDTH, state, title % words)
