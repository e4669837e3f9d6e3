"""The button "Update modules": a contact through the worker's queue, followed key by key."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django_q.tasks import async_task

from licensing.models import ContactAttempt, PendingRelease, Role, VirtualKey
from licensing.operations.causes import OK
from licensing.operations.clock import portal_now
from licensing.operations.health import worker_silent
from licensing.operations.key_sentences import needs_vendor_sentence
from licensing.operations.requests import Plan, plan
from licensing.protocol.errors import ProtocolError
from licensing.protocol.times import format_instant, parse_instant

from .access import actor, needs, sent_from
from .configuration import AttemptLine, attempt_line
from .words import refusal_sentence

# A contact that follows at once starts within a moment of the one before it.
SETTLED_AFTER = timedelta(seconds=1)
WORKER_SLOW_AFTER = timedelta(seconds=10)
WAIT_AT_MOST = timedelta(minutes=2)


@dataclass(frozen=True)
class KeyProgress:
    """How far the contact is with one key: `waiting`, `good` or `bad`, and in words."""

    number: str
    state: str
    sentence: str


@dataclass(frozen=True)
class Progress:
    """A contact that is under way, or what became of it."""

    done: bool
    attempt: AttemptLine | None
    keys: list[KeyProgress]
    worker_slow: bool
    gave_up_waiting: bool


@needs(Role.OPERATOR)
@sent_from("configuration")
def start(request: HttpRequest) -> HttpResponse:
    """Have the worker contact the vendor, and show how that goes."""
    return start_contact(request, portal_now())


@needs(Role.OPERATOR)
def progress(request: HttpRequest) -> HttpResponse:
    """How the contact asked for at `since` goes; the middle of the page alone for htmx."""
    now = portal_now()
    try:
        since = parse_instant(request.GET.get("since", ""))
    except ProtocolError:
        return redirect("configuration")
    context: dict[str, Any] = {"progress": progress_since(since, now), "since": format_instant(since)}
    partial = request.headers.get("HX-Request") == "true"
    return render(request, f"configuration/{'progress' if partial else 'contact'}.html", context)


def start_contact(request: HttpRequest, now: datetime) -> HttpResponse:
    """Put a contact into the worker's queue, and go to the page that follows it."""
    who = actor(request)
    async_task("licensing.tasks.contact_now", who.name, who.role.value)
    return redirect(f"{reverse('contact')}?{urlencode({'since': format_instant(now)})}")


def progress_since(since: datetime, now: datetime) -> Progress:
    """What the attempts since that instant, or still in flight then, have brought for each key."""
    attempts = list(
        ContactAttempt.objects.filter(
            Q(started_at__gte=since) | Q(finished_at__isnull=True) | Q(finished_at__gte=since)
        ).order_by("started_at")
    )
    finished = [row.finished_at for row in attempts if row.finished_at is not None]
    done = bool(attempts) and len(finished) == len(attempts) and now - max(finished) >= SETTLED_AFTER
    waited = now - since
    return Progress(
        done=done,
        attempt=attempt_line(attempts[-1]) if attempts else None,
        keys=_keys(attempts, done),
        worker_slow=not attempts and (waited > WORKER_SLOW_AFTER or worker_silent(now)),
        gave_up_waiting=not done and waited > WAIT_AT_MOST,
    )


def _keys(attempts: list[ContactAttempt], done: bool) -> list[KeyProgress]:
    numbers = list(VirtualKey.objects.values_list("number", flat=True))
    numbers += [
        number for number in PendingRelease.objects.values_list("number", flat=True) if number not in numbers
    ]
    lines = {line["number"]: line for row in attempts for line in row.results}
    asked = plan()
    has_failed = done and attempts[-1].outcome != OK
    return [
        _key_progress(number, lines[number])
        if number in lines
        else _without_answer(number, asked, done=done, has_failed=has_failed)
        for number in [*numbers, *(lines.keys() - set(numbers))]
    ]


def _without_answer(number: str, asked: Plan, *, done: bool, has_failed: bool) -> KeyProgress:
    """What is true of a key that the vendor has said nothing about (yet)."""
    frees = asked.frees(number)
    if not frees and number not in asked.marks:
        return KeyProgress(number, "bad", _("not asked about until it is edited"))
    if not done:
        return KeyProgress(number, "waiting", _("waiting for the vendor"))
    if frees:
        return KeyProgress(number, "waiting", _("release pending: done at the next contact"))
    return KeyProgress(
        number, "waiting", _("asked about, but no answer has come") if has_failed else _("not asked about")
    )


def _key_progress(number: str, line: dict[str, Any]) -> KeyProgress:
    if line["result"] == "granted":
        return KeyProgress(number, "good", _("granted: its modules are up to date"))
    if line["result"] == "released":
        return KeyProgress(number, "good", _("released: it may become active in another Key Manager"))
    if line["result"] == "needs_vendor":
        return KeyProgress(number, "bad", needs_vendor_sentence(line.get("reason")))
    if line["result"] == "refused":
        return KeyProgress(number, "bad", _refusal(line))
    return KeyProgress(
        number, "bad", _("The vendor's word on this key could not be used; nothing has changed.")
    )


def _refusal(line: dict[str, Any]) -> str:
    words = refusal_sentence(line.get("reason") or "")
    if line.get("active_on"):
        words += " " + _("It is active on: %(host)s.") % {"host": line["active_on"]}
    return words
