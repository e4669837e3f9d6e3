"""When the next contact is due, and whose turn it is: one row, changed by conditional UPDATEs."""

import uuid
from collections.abc import Callable
from datetime import datetime, timedelta

from django.db.models import F, Q
from django.db.models.functions import Greatest

from licensing.models import ContactAttempt, ContactState

from .clock import UNKNOWN

# Draws a number between the two, both in seconds.
Uniform = Callable[[float, float], float]

EVERY = timedelta(hours=2)
JITTER_SECONDS = 300.0
BACK_OFF_MINUTES = (1, 2, 4, 8, 16, 30)
BACK_OFF_JITTER = 0.1
MOST_RETRY_AFTER = timedelta(hours=1)
# One attempt has 15 s on the wire; a process killed in the middle blocks nobody for longer than this.
CLAIM = timedelta(seconds=30)
# No plan reaches further, so a date beyond it was made by a clock that was wrong.
LONGEST_PLAN = EVERY + timedelta(minutes=10)


def claim(attempt: uuid.UUID, now: datetime, *, only_if_due: bool = False) -> bool:
    """Whether this attempt may go on the wire, in the caller's transaction; no other may meanwhile."""
    free = Q(claim__isnull=True) | Q(claimed_until__lte=now) | Q(claimed_until__gt=now + 2 * CLAIM)
    if now >= UNKNOWN:
        # Time stands still until the vendor tells it anew, so no claim would ever end.
        free |= Q(claimed_until__gte=UNKNOWN)
    state = ContactState.objects.filter(free, pk=1)
    if only_if_due:
        state = state.filter(_is_due(now))
    left_behind = ContactState.objects.filter(pk=1).values_list("claim", flat=True).first()
    if state.update(claim=attempt, claimed_until=now + CLAIM) != 1:
        return False
    if left_behind is not None:
        ContactAttempt.objects.filter(pk=left_behind, finished_at__isnull=True).update(
            finished_at=now, outcome="interrupted"
        )
    return True


def release_claim(attempt: uuid.UUID) -> None:
    """Let the next attempt go; in the transaction that stores what became of this one."""
    ContactState.objects.filter(pk=1, claim=attempt).update(claim=None, claimed_until=None)


def is_due(now: datetime) -> bool:
    """Whether the schedule asks for a contact now."""
    return ContactState.objects.filter(_is_due(now), pk=1).exists()


def request_contact(now: datetime) -> None:
    """Have the worker make a contact as soon as it can."""
    ContactState.objects.filter(pk=1, next_at__gt=now).update(next_at=now)


def plan_after_success(now: datetime, *, at_once: bool, uniform: Uniform) -> None:
    """The next contact: in 2 h ± 5 min, or at once where something is left to ask."""
    pause = EVERY + timedelta(seconds=uniform(-JITTER_SECONDS, JITTER_SECONDS))
    ContactState.objects.filter(pk=1).update(
        next_at=now if at_once else now + pause, not_before=None, failures=0, last_success_at=now
    )


def plan_after_failure(
    now: datetime, *, scheduled: bool, retry_after: float | None, uniform: Uniform
) -> None:
    """The next contact after a failure: in 1, 2, 4 … 30 min, with jitter, and not before Retry-After is over.

    An attempt that somebody asked for does not put the schedule's own next attempt off, save that
    `retry_after` (seconds) binds the schedule in any case, for an hour at most, through later failures too.
    """
    failures = F("failures") + 1 if scheduled else Greatest(F("failures"), 1)
    ContactState.objects.filter(pk=1).update(failures=failures)
    state = ContactState.objects.get(pk=1)
    next_at = now + _back_off(state.failures, uniform)
    if not scheduled and now < state.next_at < next_at:
        next_at = state.next_at
    not_before = _not_before(state.not_before, retry_after, now)
    ContactState.objects.filter(pk=1).update(next_at=max(next_at, not_before or now), not_before=not_before)


def put_off(now: datetime, pause: timedelta) -> None:
    """Not to be due again before `pause` is over."""
    ContactState.objects.filter(pk=1).update(next_at=now + pause)


def _is_due(now: datetime) -> Q:
    if now >= UNKNOWN:
        # Only a contact can tell the time again.
        return Q()
    return Q(next_at__lte=now) | Q(next_at__gt=now + LONGEST_PLAN)


def _not_before(known: datetime | None, retry_after: float | None, now: datetime) -> datetime | None:
    """The end of the Retry-After that lasts longest; one further away was made by a clock that was wrong."""
    asked = now + min(timedelta(seconds=retry_after or 0), MOST_RETRY_AFTER)
    if known is not None and asked < known <= now + MOST_RETRY_AFTER:
        return known
    return asked if asked > now else None


def _back_off(failures: int, uniform: Uniform) -> timedelta:
    minutes = BACK_OFF_MINUTES[min(failures, len(BACK_OFF_MINUTES)) - 1]
    return timedelta(minutes=minutes * (1 + uniform(-BACK_OFF_JITTER, BACK_OFF_JITTER)))
