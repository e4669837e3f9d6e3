"""`GET /grants/{key}` and `GET /status`."""

from licensing.operations.clock import portal_now
from licensing.operations.entitlements import entitlements
from licensing.operations.errors import Refused
from licensing.operations.status import KeyStatus, Status
from licensing.operations.status import status as portal_status

from .auth import Caller
from .exchange import Answer, Call, answer, instant
from .messages import GrantAnswer, KeyStatusAnswer, StatusAnswer


def grant(call: Call, caller: Caller, number: str) -> Answer:
    """`GET /grants/{key}`: the vendor's own signed words on an active key."""
    held = entitlements().get(number)
    if held is None:
        raise Refused("not_found")
    return answer(GrantAnswer(held.number, held.grant.serial, held.grant_jws))


def status(call: Call, caller: Caller, _path: str) -> Answer:
    """`GET /status`."""
    return answer(status_message(portal_status(portal_now())))


def status_message(status: Status) -> StatusAnswer:
    """The status as the contract writes it; the command `status --json` prints the same."""
    return StatusAnswer(
        light=status.light,
        reasons=list(status.reasons),
        keys=[_key(key) for key in status.keys],
        release_pending=list(status.release_pending),
        server_time=instant(status.server_time),
    )


def _key(key: KeyStatus) -> KeyStatusAnswer:
    return KeyStatusAnswer(
        number=key.number,
        state=key.state,
        refusal=key.refusal or None,
        last_contact_at=instant(key.last_contact_at) if key.last_contact_at else None,
        contact_deadline=instant(key.contact_deadline) if key.contact_deadline else None,
        light=key.light,
        reasons=list(key.reasons),
    )
