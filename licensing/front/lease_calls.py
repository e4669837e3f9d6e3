"""What a lease call wants of the engine, and how its outcome is told."""

from datetime import datetime

from licensing.api import leases, router
from licensing.api.auth import Caller
from licensing.api.exchange import Answer
from licensing.engine.batch import Done, Kind, Work
from licensing.engine.commit import Failed
from licensing.operations.errors import Refused
from licensing.operations.heartbeat import Beating

from . import lease_log

KINDS: dict[router.Handler, Kind] = {
    leases.checkout: Kind.CHECKOUT,
    leases.heartbeat: Kind.HEARTBEAT,
    leases.give_back: Kind.RETURN,
    leases.look: Kind.LOOK,
}
# As the metrics name them.
NAMES = {kind: kind.name.lower() for kind in KINDS.values()}
GIVEN_BACK = Answer(204)


def wanted(method: str, path: str) -> tuple[Kind, str]:
    """What is wanted, and of which lease.

    Raises:
        Refused: not_found, method_not_allowed.
    """
    handler, lease_id = router.find(method, path)
    return KINDS[handler], lease_id


def told(work: Work, done: Done | Failed | Refused) -> Answer:
    """The answer to a call that was carried out.

    Raises:
        Refused: the call was refused.
        Exception: it failed.
    """
    if isinstance(done, Failed):
        raise done.error
    if isinstance(done, Refused):
        raise done
    lease_log.note(work, done)
    if isinstance(done.outcome, Refused):
        raise done.outcome
    answer: Answer = written(work, done) if done.answer is None else done.answer
    return answer


def written_meanwhile(work: Work, done: Done) -> Answer | None:
    """The answer to a call that was carried out; None where it was refused, or nobody called."""
    if work.kind is Kind.PROMISES or isinstance(done.outcome, Refused):
        return None
    return written(work, done)


def written(work: Work, done: Done) -> Answer:
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


def told_at_once(caller: Caller, lease: Beating, now: datetime) -> Answer:
    """The answer to a heartbeat that needed no transaction."""
    lease_log.note_heartbeat(caller.id, lease.id)
    return leases.render_heartbeat(lease, now)
