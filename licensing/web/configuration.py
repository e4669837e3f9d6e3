"""The tab "Configuration": the keys, contact with the vendor, and what an administrator can change."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from licensing.models import ContactAttempt, ContactState, Module, Role, VirtualKey
from licensing.operations.causes import sentence
from licensing.operations.clock import portal_now
from licensing.operations.keys import waits_for_binding
from licensing.operations.status import KeyStatus, status

from .access import needs
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
    now = portal_now()
    found = status(now)
    next_contact = ContactState.objects.values_list("next_at", flat=True).filter(pk=1).first()
    context: dict[str, Any] = {
        "cards": key_cards(found.keys, now),
        "release_pending": found.release_pending,
        "next_contact_at": next_contact,
        "attempts": [attempt_line(row) for row in ContactAttempt.objects.all()[:ATTEMPTS_SHOWN]],
        "authority_url": settings.KEYMANAGER.authority_url,
    }
    return render(request, "configuration/page.html", context)


def key_cards(statuses: Iterable[KeyStatus], now: datetime) -> list[KeyCard]:
    """The keys in the order of their numbers, in three queries however many there are."""
    rows = {row.number: row for row in VirtualKey.objects.defer("grant", "pin")}
    modules: dict[str, int] = {}
    for number in Module.objects.values_list("key__number", flat=True):
        modules[number] = modules.get(number, 0) + 1
    return [
        _card(found, rows[found.number], modules.get(found.number, 0), now)
        for found in statuses
        if found.number in rows
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


def _card(found: KeyStatus, row: VirtualKey, modules: int, now: datetime) -> KeyCard:
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
        may_bind_anew=waits_for_binding(row),
    )
