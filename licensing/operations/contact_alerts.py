"""The ladder of mails about contact with the vendor: warnings, the mail at 72 h, and that it is back.

Each key remembers the contact deadline that was told of and how far up the ladder that was, changed by one
conditional UPDATE together with the mail's row. Lost, lost, back, lost makes one mail each.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from licensing.models import Configuration, VirtualKey

from .configuration import CONTACT_LOST_HOURS, warning_hours
from .contact_letters import letter_of_back, letter_of_outage
from .entitlements import Entitlement, entitlements
from .mail_queue import queue_mail
from .recipients import told_of_key

HOUR = timedelta(hours=1)
# Whoever has used an offline code knows that contact is lost: only the end of what it gave is told.
KNOWN_UNTIL = 24 * HOUR


@dataclass(frozen=True)
class Told:
    """What was told of a key: about which deadline, and after how many hours (72: it had passed)."""

    deadline: datetime | None
    step: int


def tell_of_contact(now: datetime) -> int:
    """Queue what is due about the contact of each key; how many mails."""
    steps, wants_lost = _wanted()
    rows = VirtualKey.objects.values_list("number", "lost_told_for", "lost_told_step")
    told = {number: Told(deadline, step) for number, deadline, step in rows}
    queued = 0
    for held in entitlements().values():
        if _is_back(held, told[held.number], now):
            queued += _tell_back(held, now)
        step = due_step(held, steps, now, wants_lost=wants_lost)
        if step is not None and (
            told[held.number].deadline != held.contact_deadline or told[held.number].step < step
        ):
            queued += _tell_step(held, step, now)
    return queued


def silent_since(held: Entitlement) -> datetime:
    """Since when the key's modules live on what they have: the last grant, or the last offline code."""
    if held.activation is not None:
        return held.contact_deadline - CONTACT_LOST_HOURS * HOUR
    return held.grant.issued_at


def due_step(held: Entitlement, steps: list[int], now: datetime, *, wants_lost: bool) -> int | None:
    """The highest step of the ladder that has been reached: hours without contact; 72 means lost."""
    left = held.contact_deadline - now
    if left <= timedelta(0):
        return CONTACT_LOST_HOURS if wants_lost else None
    if held.activation is not None and left > KNOWN_UNTIL:
        return None
    silent = now - silent_since(held)
    return max((step for step in steps if step * HOUR <= silent), default=None)


def _wanted() -> tuple[list[int], bool]:
    row = (
        Configuration.objects.values_list("contact_warning_hours", "notify_contact_lost").filter(pk=1).first()
    )
    text, wants_lost = row or (Configuration().contact_warning_hours, True)
    return warning_hours(text), wants_lost


def _is_back(held: Entitlement, told: Told, now: datetime) -> bool:
    """Whether an outage was told of that a grant has ended since."""
    return (
        told.deadline not in (None, held.contact_deadline)
        and held.activation is None
        and held.contact_deadline > now
    )


def _tell_step(held: Entitlement, step: int, now: datetime) -> int:
    recipients = told_of_key(held.key_id)
    if not recipients:
        return 0
    deadline = held.contact_deadline
    lower = Q(lost_told_for__isnull=True) | ~Q(lost_told_for=deadline) | Q(lost_told_step__lt=step)
    is_lost = step == CONTACT_LOST_HOURS
    kind, rung = ("contact_lost", "") if is_lost else ("contact_step", f":{step}")
    with transaction.atomic():
        climbed = VirtualKey.objects.filter(lower, pk=held.key_id).update(
            lost_told_for=deadline, lost_told_step=step
        )
        if climbed != 1:
            return 0
        fact = f"{kind}:{held.number}:{deadline.isoformat()}{rung}"
        return queue_mail(
            now, fact, kind, recipients, lambda: letter_of_outage(held, silent_since(held), now)
        )


def _tell_back(held: Entitlement, now: datetime) -> int:
    with transaction.atomic():
        row = VirtualKey.objects.select_for_update().filter(pk=held.key_id)
        told_for, step = row.values_list("lost_told_for", "lost_told_step").first() or (None, 0)
        if told_for is None:
            return 0
        VirtualKey.objects.filter(pk=held.key_id).update(lost_told_for=None, lost_told_step=0)
        fact = f"contact_back:{held.number}:{told_for.isoformat()}"
        letter = letter_of_back(held, was_lost=step == CONTACT_LOST_HOURS)
        return queue_mail(now, fact, "contact_back", told_of_key(held.key_id), letter)
