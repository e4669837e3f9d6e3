"""The tab "Configuration": the keys, contact with the vendor, and what an administrator can change."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from licensing.models import ContactAttempt, KeyState, PendingRelease, Role, VirtualKey
from licensing.operations.causes import sentence
from licensing.operations.keys import waits_for_binding
from licensing.operations.machine import machine
from licensing.operations.moment import Moment
from licensing.operations.status import KeyStatus

from .access import needs
from .moments import moment_of
from .words import KEY_STATES, refusal_sentence

RENEWAL = timedelta(hours=72)
ATTEMPTS_SHOWN = 5


@dataclass(frozen=True)
class KeyCard:
    """One virtual key, with what can be done about it now."""

    number: str
    customer: str
    email: str
    light: str
    state: str
    state_tag: str
    refusal: str
    active_on: str
    modules: int
    last_contact_at: datetime | None
    contact_deadline: datetime | None
    minutes_left: int
    may_edit: bool
    may_bind_anew: bool


@dataclass(frozen=True)
class AttemptLine:
    """One contact with the vendor in words."""

    started_at: datetime
    actor: str
    ok: bool
    running: bool
    sentence: str


TAGS = {"active": "good", "new": "warn", "inactive": "bad"}


@needs(Role.VIEWER)
def configuration_page(request: HttpRequest) -> HttpResponse:
    """The keys and the ways to everything else that can be configured."""
    seen = moment_of(request)
    context: dict[str, Any] = {
        "cards": key_cards(seen),
        "releases": PendingRelease.objects.values("number", "needs_vendor").order_by("number"),
        "next_contact_at": seen.status.next_contact_at,
        "attempts": [attempt_line(row) for row in ContactAttempt.objects.all()[:ATTEMPTS_SHOWN]],
        "authority_url": settings.KEYMANAGER.authority_url,
    }
    return render(request, "configuration/page.html", context)


def key_cards(seen: Moment) -> list[KeyCard]:
    """The keys in the order of their numbers."""
    here = machine() if any(row.state == KeyState.ACTIVE for row in seen.keys) else None
    modules = {number: len(held.grant.modules) for number, held in seen.held.items()}
    return [
        _card(found, row, modules.get(row.number, 0), seen.now, here)
        for found, row in zip(seen.status.keys, seen.keys, strict=True)
    ]


def attempt_line(row: ContactAttempt) -> AttemptLine:
    """A stored attempt in the reader's language."""
    return AttemptLine(
        started_at=row.started_at,
        actor=row.actor,
        ok=row.outcome == "ok",
        running=row.finished_at is None,
        sentence=sentence(row.outcome, row.params),
    )


def _card(found: KeyStatus, row: VirtualKey, modules: int, now: datetime, here: str | None) -> KeyCard:
    left = found.contact_deadline - now if found.contact_deadline else timedelta(0)
    return KeyCard(
        number=row.number,
        customer=row.customer,
        email=row.email,
        light=found.light,
        state=str(KEY_STATES[found.state]),
        state_tag=TAGS[found.state],
        refusal=refusal_sentence(found.refusal) if found.refusal else "",
        active_on=row.active_on,
        modules=modules,
        last_contact_at=found.last_contact_at,
        contact_deadline=found.contact_deadline,
        minutes_left=int(max(timedelta(0), min(left, RENEWAL)).total_seconds()) // 60,
        may_edit=found.state != "active",
        may_bind_anew=waits_for_binding(row, here),
    )
