"""The page "Events": what administrators did and what happened to keys."""

from dataclasses import dataclass
from datetime import datetime

from django.core.paginator import Paginator
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from licensing.models import Event, Role

from .access import needs
from .event_sentences import event_sentence, kind_name
from .words import actor_name

PAGE_SIZE = 50


@dataclass(frozen=True)
class EventLine:
    """One event in words."""

    at: datetime
    actor: str
    kind: str
    sentence: str


@needs(Role.VIEWER)
def events(request: HttpRequest) -> HttpResponse:
    """The events, newest first; the list alone for htmx."""
    kind, wanted = request.GET.get("kind", ""), request.GET.get("q", "").strip()
    found = Event.objects.all()
    if kind:
        found = found.filter(kind=kind)
    if wanted:
        found = found.filter(Q(subject__icontains=wanted) | Q(actor__icontains=wanted))
    page = Paginator(found, PAGE_SIZE).get_page(request.GET.get("page"))
    context = {"page": page, "lines": [_line(event) for event in page], "query": wanted}
    if request.headers.get("HX-Request") == "true":
        return render(request, "events/list.html", context)
    kinds = Event.objects.order_by("kind").values_list("kind", flat=True).distinct()
    named = sorted(((each, kind_name(each), each == kind) for each in kinds), key=lambda row: row[1])
    return render(request, "events/page.html", context | {"kinds": named})


def _line(event: Event) -> EventLine:
    return EventLine(event.at, actor_name(event.actor), kind_name(event.kind), event_sentence(event))
