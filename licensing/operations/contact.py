"""Contact with the vendor: now, when somebody asks, and by the schedule."""

import random
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from licensing.models import ContactAttempt, OpenRequest, Role

from . import contact_schedule as schedule
from .actors import PORTAL, Actor
from .answers import KeyLine
from .contact_attempt import SCHEDULE, Attempt, Ended, claim, run, run_or_join
from .contact_reports import ContactReport
from .contact_schedule import request_contact
from .requests import plan

__all__ = ["ContactReport", "KeyLine", "contact_if_due", "contact_now", "forget_attempts", "request_contact"]

# What changes during a contact goes into the next one, which follows at once; more than this many in a row
# means that something is wrong, and the schedule takes over.
MOST_IN_A_ROW = 4
ATTEMPTS_KEPT = timedelta(days=30)


def contact_now(
    now: Callable[[], datetime],
    actor: Actor,
    trigger: str,
    *,
    uniform: schedule.Uniform = random.uniform,
    pause: Callable[[float], None] = time.sleep,
) -> ContactReport:
    """Contact the vendor now, joining an attempt in flight: wait for its end and tell its result.

    Call it outside of transactions: an attempt may take 15 s.

    Args:
        now: asked for portal time before and after the wire, as the clock may be learned in between.
        trigger: what asked for it: `page`, `command` …
        uniform: draws the jitter of the schedule.
        pause: waits so many seconds.

    Raises:
        Refused: `not_permitted`.
    """
    actor.require(Role.OPERATOR)
    attempt = Attempt(now, actor, trigger, uniform, pause)
    return _follow_up(attempt, run_or_join(attempt))


def contact_if_due(
    now: Callable[[], datetime],
    *,
    uniform: schedule.Uniform = random.uniform,
    pause: Callable[[float], None] = time.sleep,
) -> ContactReport | None:
    """Contact the vendor if the schedule says so; None where it does not, or another worker is at it."""
    at = now()
    if not schedule.is_due(at):
        return None
    if plan().is_empty and not OpenRequest.objects.exists():
        schedule.put_off(at, schedule.EVERY)
        return None
    attempt = Attempt(now, PORTAL, SCHEDULE, uniform, pause)
    return _follow_up(attempt, run(attempt)) if claim(attempt, only_if_due=True) else None


def forget_attempts(now: datetime) -> int:
    """Delete the attempts of more than 30 days ago; how many there were."""
    return ContactAttempt.objects.filter(started_at__lt=now - ATTEMPTS_KEPT).delete()[0]


def _follow_up(attempt: Attempt, ended: Ended) -> ContactReport:
    """Make the contacts that follow at once: something is left to ask, or the request was given up."""
    report = ended.report
    for _ in range(MOST_IN_A_ROW - 1):
        if not ended.leaves_open and not ended.gave_up:
            return report
        gave_up_before = ended.gave_up
        ended = run_or_join(attempt.again())
        report = report.followed_by(ended.report)
        if gave_up_before and ended.gave_up:
            return report
    if ended.leaves_open:
        schedule.put_off(attempt.now(), timedelta(minutes=1))
    return report
