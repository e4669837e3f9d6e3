"""A lease call under way: what it wants of the engine, and how its outcome is told."""

import logging
import secrets
from time import monotonic

from django.db import Error as DatabaseError

from licensing.api import latency, leases, router
from licensing.api.auth import Caller
from licensing.api.exchange import Answer, problem
from licensing.api.languages import language_of
from licensing.api.parsing import read_checkout
from licensing.engine.batch import Done, Kind, Work
from licensing.engine.engine import Engine, Outcome
from licensing.engine.outcomes import Failed
from licensing.operations.errors import Refused
from licensing.operations.transactions import unavailable

from . import lease_log
from .http import Request
from .replies import written

logger = logging.getLogger(__name__)

KINDS: dict[router.Handler, Kind] = {
    leases.checkout: Kind.CHECKOUT,
    leases.heartbeat: Kind.HEARTBEAT,
    leases.give_back: Kind.RETURN,
    leases.look: Kind.LOOK,
}
# As the metrics name them.
NAMES = {kind: kind.name.lower() for kind in KINDS.values()}
GIVEN_BACK = Answer(204)
_NOTHING_YET = Work(Kind.LOOK, None)


class LeaseExchange:
    """One lease call and its answer. The engine prepares and tells its outcome (`engine.commit.Asker`)."""

    __slots__ = ("_began", "_kind", "_prepared", "_request", "_work")

    def __init__(self, request: Request) -> None:
        self._began = monotonic()
        self._request = request
        self._kind = Kind.LOOK
        self._work = _NOTHING_YET
        # An outcome, and the bytes that tell it.
        self._prepared: tuple[object, bytes] | None = None

    def carry_out(self, caller: Caller, path: str, engine: Engine) -> None:
        """Have the call carried out, or answer it at once."""
        try:
            work = self._wanted(caller, path, engine)
            if work is not None:
                self._work = work
                engine.submit(work, self)
        except Exception as error:
            self.fail(error)

    def _wanted(self, caller: Caller, path: str, engine: Engine) -> Work | None:
        """What the engine is to do; None where the call needed no transaction and was answered.

        Raises:
            Refused: the call is not as it should be.
        """
        request = self._request
        handler, lease_id = router.find(request.method, path)
        self._kind = kind = KINDS[handler]
        if kind is Kind.CHECKOUT:
            return Work(kind, *read_checkout(request.headers, request.body, caller.id))
        if kind is Kind.HEARTBEAT:
            heard = engine.heartbeat(caller.id, lease_id)
            if heard is not None:
                lease_log.note_heartbeat(caller.id, heard[0].id)
                self._answer(written(request, leases.render_heartbeat(*heard)))
                return None
        return Work(kind, leases.lease_call(caller, lease_id))

    def prepare(self, done: Done) -> None:
        """Write the answer that will tell this outcome, if it is told."""
        if not isinstance(done.outcome, Refused):
            self._prepared = done, self._written(done)

    def tell(self, done: Outcome) -> None:
        """Answer with what became of the call."""
        try:
            if isinstance(done, Failed):
                raise done.error
            if isinstance(done, Refused):
                raise done
            lease_log.note(self._work, done)
            if isinstance(done.outcome, Refused):
                raise done.outcome
            # A batch that could not be committed is done again: what was written for it then is void.
            is_prepared = self._prepared is not None and self._prepared[0] is done
            self._answer(self._prepared[1] if is_prepared else self._written(done))  # type: ignore[index]
        except Exception as error:
            self.fail(error)

    def fail(self, error: Exception) -> None:
        """Answer with a refusal, or with the number of an incident."""
        if isinstance(error, DatabaseError):
            logger.error("the database failed during a lease call (%s): %s", NAMES[self._kind], error)
            error = unavailable()
        if not isinstance(error, Refused):
            incident = secrets.token_hex(6)
            logger.error("incident %s during a lease call (%s)", incident, NAMES[self._kind], exc_info=error)
            error = Refused("internal_error", incident=incident)
        language = language_of(self._request.headers.get("accept-language"))
        self._answer(written(self._request, problem(error, language)))

    def _answer(self, answer: bytes) -> None:
        self._request.line.send(answer)
        latency.count(NAMES[self._kind], monotonic() - self._began)

    def _written(self, done: Done) -> bytes:
        return written(self._request, _answer_of(self._work, done))


def _answer_of(work: Work, done: Done) -> Answer:
    """The answer to a call that was carried out and not refused."""
    match work.kind:
        case Kind.RETURN:
            return GIVEN_BACK
        case Kind.HEARTBEAT:
            return leases.render_heartbeat(done.outcome, done.now)
        case Kind.LOOK:
            return leases.render_look(done.outcome, done.now)
        case _:
            return leases.render_checkout(done.outcome, work.known_grants, done.now)
