"""One attempt to reach the vendor: claimed, made on the wire outside of every transaction, written down."""

import logging
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import F

from licensing.models import ContactAttempt, ContactState, OpenRequest
from licensing.protocol.errors import ProtocolError
from licensing.vendor.errors import VendorError

from . import contact_schedule as schedule
from .actors import Actor
from .answers import KeyLine, accept_answer
from .causes import BY_PROTOCOL_ERROR, OK, OVERTAKEN
from .contact_reports import ContactReport, report_of
from .errors import Refused
from .message_log import log_received, log_sent
from .requests import OpenContact, give_up, take_request
from .transactions import in_transaction
from .vendor_client import vendor_client

logger = logging.getLogger(__name__)

SCHEDULE = "schedule"
POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Attempt:
    """Who wanted it, and where its times and its chances come from."""

    now: Callable[[], datetime]
    actor: Actor
    trigger: str
    uniform: schedule.Uniform
    pause: Callable[[float], None]
    id: uuid.UUID = field(default_factory=uuid.uuid4)

    def again(self) -> "Attempt":
        """Another attempt for the same asker."""
        return replace(self, id=uuid.uuid4())


@dataclass(frozen=True)
class Ended:
    """An attempt that has ended.

    `leaves_open`: there is something left to ask; `gave_up`: the request is to be made anew.
    """

    report: ContactReport
    leaves_open: bool = False
    gave_up: bool = False


def claim(attempt: Attempt, *, only_if_due: bool = False) -> bool:
    """Whether this attempt may go on the wire; if so it must `run`."""
    now = attempt.now()
    with transaction.atomic():
        ContactState.objects.get_or_create(pk=1, defaults={"next_at": now})
        if not schedule.claim(attempt.id, now, only_if_due=only_if_due):
            return False
        ContactAttempt.objects.create(
            id=attempt.id, started_at=now, trigger=attempt.trigger, actor=attempt.actor.name
        )
    return True


def run_or_join(attempt: Attempt) -> Ended:
    """Make the attempt, or wait for the end of the one in flight and tell its result."""
    while not claim(attempt):
        joined = wait_for_other(attempt)
        if joined is not None:
            return joined
        attempt.pause(POLL_SECONDS)
    return run(attempt)


# Sends an open request and gives the answer's body; notes in the dict what the sentences of errors name.
Carry = Callable[[OpenContact, dict[str, Any]], str]


def carry_unwatched(asked: OpenContact, params: dict[str, Any]) -> str:
    """Send the request and wait for the answer."""
    wire = vendor_client().begin(asked.jws)
    try:
        return wire.result()
    finally:
        params.update(wire.params)


def run(attempt: Attempt, carry: Carry = carry_unwatched) -> Ended:
    """Send the open request, this attempt having the claim, and carry out what comes back."""
    params: dict[str, Any] = {}
    asked: OpenContact | None = None
    try:
        asked = _prepare(attempt)
        log_sent(asked.jws)
        body = carry(asked, params)
        log_received(body)
        return _accept(attempt, asked, body)
    except VendorError as error:
        gave_up = asked.request_id if asked and error.gives_up_request else None
        return _fail(attempt, error.code, error.params, retry_after=error.retry_after, gave_up=gave_up)
    except ProtocolError as error:
        return _fail(attempt, BY_PROTOCOL_ERROR[error.code], params)
    except Refused as refusal:
        return _fail(attempt, refusal.code, {**params, **refusal.data})
    except BaseException:
        _fail(attempt, "internal_error", params)
        raise


def wait_for_other(attempt: Attempt) -> Ended | None:
    """The result of the attempt in flight; None where there is none any more, or its process is gone."""
    state = ContactState.objects.get(pk=1)
    other = ContactAttempt.objects.filter(pk=state.claim).first() if state.claim else None
    while other is not None and other.finished_at is None:
        if state.claimed_until is None or state.claimed_until <= attempt.now():
            return None
        attempt.pause(POLL_SECONDS)
        other.refresh_from_db()
    if other is None:
        return None
    leaves_open = other.outcome == OK and schedule.is_due(attempt.now())
    return Ended(report_of(other, joined=True), leaves_open)


def _prepare(attempt: Attempt) -> OpenContact:
    """The request to send, stored and counted as sent before it is."""
    with transaction.atomic():
        asked = take_request(attempt.now())
        OpenRequest.objects.filter(pk=1).update(sendings=F("sendings") + 1)
        ContactAttempt.objects.filter(pk=attempt.id).update(request_id=asked.request_id)
    return asked


def _accept(attempt: Attempt, asked: OpenContact, body: str) -> Ended:
    def work(_: object) -> Ended:
        accepted = accept_answer(body, asked, attempt.now(), on_line=True)
        schedule.plan_after_success(accepted.now, at_once=accepted.leaves_open, uniform=attempt.uniform)
        report = _finish(attempt, accepted.now, OK, {}, accepted.lines)
        return Ended(report, leaves_open=accepted.leaves_open)

    return in_transaction(work)


def _fail(
    attempt: Attempt,
    outcome: str,
    params: Mapping[str, Any],
    *,
    retry_after: float | None = None,
    gave_up: uuid.UUID | None = None,
) -> Ended:
    now, is_scheduled = attempt.now(), attempt.trigger == SCHEDULE
    with transaction.atomic():
        if gave_up is not None:
            give_up(gave_up, outcome, now)
        if outcome != OVERTAKEN:
            schedule.plan_after_failure(
                now, scheduled=is_scheduled, retry_after=retry_after, uniform=attempt.uniform
            )
        report = _finish(attempt, now, outcome, params, ())
    return Ended(report, gave_up=gave_up is not None)


def _finish(
    attempt: Attempt, now: datetime, outcome: str, params: Mapping[str, Any], lines: Sequence[KeyLine]
) -> ContactReport:
    """Store what became of the attempt, and let the next one go."""
    ContactAttempt.objects.filter(pk=attempt.id).update(
        finished_at=now, outcome=outcome, params=dict(params), results=[asdict(line) for line in lines]
    )
    schedule.release_claim(attempt.id)
    logger.info("contact %s (%s): %s", attempt.id, attempt.trigger, outcome)
    return ContactReport(attempt.id, outcome, dict(params), tuple(lines))
