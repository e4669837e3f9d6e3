"""A contact walked step by step, each step told as it happens, up to the first that fails.

It is a real contact by the same client, only watched: what it says is what every attempt would be told.
"""

import queue
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from licensing.protocol.errors import BadSignature, MalformedMessage, ProtocolError
from licensing.vendor import errors
from licensing.vendor.client import Attempt, VendorClient
from licensing.vendor.faults import Param, VendorError, gettext_noop
from licensing.vendor.wire import Stage

SIGNATURE = "signature"
CLOCK = "clock"
MAX_CLOCK_DIFFERENCE_SECONDS = 300

TITLES: Mapping[str, str] = {
    Stage.CONFIGURATION: gettext_noop("Configuration"),
    Stage.DNS: gettext_noop("Name look-up (DNS)"),
    Stage.PROXY: gettext_noop("Proxy reached"),
    Stage.PROXY_LOGIN: gettext_noop("Log-in at the proxy"),
    Stage.TCP: gettext_noop("Vendor's server reached (TCP)"),
    Stage.TLS: gettext_noop("Secure connection (TLS)"),
    Stage.HTTP: gettext_noop("Answer (HTTP)"),
    SIGNATURE: gettext_noop("Vendor's signature"),
    CLOCK: gettext_noop("This computer's clock"),
}
"""The steps in order and their titles (message ids)."""


@dataclass(frozen=True, slots=True)
class Step:
    """A step that was walked; a failed one is the last and has a code and params of `errors`."""

    name: str
    ok: bool
    seconds: float
    code: str | None = None
    params: Mapping[str, Param] = field(default_factory=dict)


Check = Callable[[str], datetime | None]
"""Given the answer's body: raises ProtocolError (or VendorError) where the signature or the answer is wrong,
else gives the vendor's signed time (None: the clock is not to be judged by it)."""
_ANSWER_FAULTS: Mapping[type[ProtocolError], type[VendorError]] = {
    BadSignature: errors.Forged,
    MalformedMessage: errors.AnswerDamaged,
}
_News = queue.SimpleQueue[tuple[Stage, float] | None]


def walk(client: VendorClient, request_jws: str, check: Check, *, now: datetime) -> Iterator[Step]:
    """Walk a contact with this request; yields each Step as it ends and stops at the first that failed.

    `now` is this computer's own clock (not portal time, which the vendor has corrected). A generator that is
    closed early cuts the attempt.
    """
    news: _News = queue.SimpleQueue()
    started = client.clock()
    attempt = client.begin(request_jws, watch=lambda stage, at: news.put((stage, at)))
    attempt.on_end(lambda: news.put(None))
    try:
        body = yield from _walk_attempt(attempt, news, client.clock)
        if body is not None:
            own_time = now + timedelta(seconds=client.clock() - started)
            yield from _walk_answer(body, check, own_time, attempt.params, client.clock)
    finally:
        attempt.give_up()


def step_names(client: VendorClient) -> list[str]:
    """The steps that `walk` will take with this client's settings if none fails."""
    return [*client.stages(), SIGNATURE, CLOCK]


def _walk_attempt(
    attempt: Attempt, news: _News, clock: Callable[[], float]
) -> Generator[Step, None, str | None]:
    """The steps of the attempt itself; gives the answer's body, or None after a failed step."""
    stage, began = Stage.CONFIGURATION, clock()
    while (change := _next(news, attempt.remaining())) is not None:
        if change[0] is not stage:
            yield Step(stage, True, change[1] - began)
        stage, began = change
    try:
        body = attempt.result()
    except VendorError as error:
        yield _failed(stage, clock() - began, error)
        return None
    yield Step(stage, True, clock() - began)
    return body


def _walk_answer(
    body: str, check: Check, own_time: datetime, params: Mapping[str, Param], clock: Callable[[], float]
) -> Iterator[Step]:
    """The steps after the answer has come: its signature, and what its signed time says of our clock."""
    began = clock()
    try:
        vendor_time = check(body)
    except (ProtocolError, VendorError) as error:
        yield _failed(SIGNATURE, clock() - began, _answer_fault(error, params))
        return
    yield Step(SIGNATURE, True, clock() - began)
    if vendor_time is None:
        return
    seconds = round((own_time - vendor_time).total_seconds())
    if abs(seconds) > MAX_CLOCK_DIFFERENCE_SECONDS:
        off = errors.ClockOff(**params, difference_seconds=seconds, minutes=round(abs(seconds) / 60))
        yield _failed(CLOCK, 0.0, off)
    else:
        yield Step(CLOCK, True, 0.0)


def _answer_fault(error: ProtocolError | VendorError, params: Mapping[str, Param]) -> VendorError:
    if isinstance(error, VendorError):
        return error
    for refusal, kind in _ANSWER_FAULTS.items():
        if isinstance(error, refusal):
            return kind(**params)
    return errors.WrongAnswer(**params)


def _failed(name: str, seconds: float, error: VendorError) -> Step:
    return Step(name, False, seconds, error.code, error.params)


def _next(news: _News, seconds: float) -> tuple[Stage, float] | None:
    """The next stage; None when the outcome is there or the time is up."""
    try:
        return news.get(timeout=seconds)
    except queue.Empty:
        return None
