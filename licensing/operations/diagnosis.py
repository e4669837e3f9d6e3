""" "Test the connection": a contact that is watched step by step, and stored like any other."""

import random
import time
import uuid
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.utils.translation import gettext

from licensing.models import ContactAttempt, Role
from licensing.protocol.answers import verify_answer
from licensing.vendor.diagnosis import TITLES, Step, step_names, walk
from licensing.vendor.errors import KINDS
from licensing.vendor.wire import Stage

from .actors import Actor
from .authority_keys import authority_keys
from .causes import sentence
from .clock import local_now
from .contact_attempt import Attempt, claim, run, wait_for_other
from .contact_reports import ContactReport
from .requests import OpenContact
from .vendor_client import vendor_client

TRIGGER = "diagnosis"
Tell = Callable[[Step], None]


def diagnose(
    now: Callable[[], datetime],
    actor: Actor,
    tell: Tell,
    *,
    attempt_id: uuid.UUID | None = None,
    pause: Callable[[float], None] = time.sleep,
) -> ContactReport:
    """Contact the vendor now and tell each step as it ends, up to the first that fails.

    An attempt in flight is waited for first. What the contact brings counts like any other's.

    Args:
        now: asked for portal time.
        tell: called with each step; all are stored with the attempt too.
        attempt_id: what the attempt is to be known by.

    Raises:
        Refused: `not_permitted`.
    """
    actor.require(Role.OPERATOR)
    attempt = Attempt(now, actor, TRIGGER, random.uniform, pause, attempt_id or uuid.uuid4())
    while not claim(attempt):
        wait_for_other(attempt)
    told: list[Step] = []

    def note(step: Step) -> None:
        told.append(step)
        ContactAttempt.objects.filter(pk=attempt.id).update(steps=[asdict(step) for step in told])
        tell(step)

    report = run(attempt, lambda asked, params: _walk(asked, params, note)).report
    if not report.is_ok and all(step.ok for step in told):
        # It failed before or after the way to the vendor: nothing was sent, or the answer was not stored.
        note(Step(Stage.CONFIGURATION, False, 0.0, report.outcome, report.params))
    return report


def steps_ahead() -> list[str]:
    """The names of the steps that a diagnosis will take if none fails."""
    return step_names(vendor_client())


def step_title(name: str) -> str:
    """What a step is called, in the reader's language."""
    return gettext(TITLES.get(name, name))


def step_sentence(step: Step) -> str:
    """What a failed step means and what to do, in the reader's language; nothing for a good one."""
    return "" if step.ok or step.code is None else sentence(step.code, step.params)


def stored_steps(attempt: ContactAttempt) -> list[Step]:
    """The steps that a stored diagnosis walked."""
    return [Step(**step) for step in attempt.steps]


def _walk(asked: OpenContact, params: dict[str, Any], tell: Tell) -> str:
    """Carry the request, telling each step.

    Raises:
        VendorError: of the step that failed on the way.
    """
    bodies: list[str] = []

    def check(body: str) -> datetime:
        bodies.append(body)
        return verify_answer(body, authority_keys(), asked.request, asked.jws).answered_at

    for step in walk(vendor_client(), asked.jws, check, now=local_now()):
        params.update({name: value for name, value in step.params.items() if value is not None})
        tell(step)
        if not step.ok and step.code is not None and not bodies:
            raise KINDS[step.code](**step.params)
    return bodies[0]
