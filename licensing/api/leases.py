"""`/api/v1/leases…`: checkout, heartbeat, return, look.

Each call is read, handed to the operation, and its outcome rendered; reading and rendering stand alone,
so that the lease engine, which carries out many calls at once, uses the same two.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeVar

from msgspec import structs

from licensing.operations import leases
from licensing.operations.clock import portal_now
from licensing.operations.errors import Refused
from licensing.operations.heartbeat import Beating
from licensing.operations.leases import Checkout, HeldLease, LeaseCall

from .auth import Caller
from .exchange import MAX_BODY, Answer, Call, answer, instant
from .messages import Activation, HeartbeatAnswer, LeaseAnswer, LeasedModule, LookAnswer, NotTaken
from .parsing import read_checkout

ROOT = "/api/v1/leases"
Outcome = TypeVar("Outcome")
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def checkout(call: Call, caller: Caller, _path: str) -> Answer:
    """`POST /leases`."""
    request, known_grants = read_checkout(call.headers, call.read_body(MAX_BODY + 1), caller.id)
    now = portal_now()
    return render_checkout(raised(leases.checkout([request], now)[0]), known_grants, now)


def heartbeat(call: Call, caller: Caller, lease_id: str) -> Answer:
    """`POST /leases/{id}/heartbeat`. A body is ignored."""
    now = portal_now()
    return render_heartbeat(raised(leases.heartbeat([lease_call(caller, lease_id)], now)[0]), now)


def give_back(call: Call, caller: Caller, lease_id: str) -> Answer:
    """`DELETE /leases/{id}`."""
    raised(leases.return_leases([lease_call(caller, lease_id)], portal_now())[0])
    return Answer(204)


def look(call: Call, caller: Caller, lease_id: str) -> Answer:
    """`GET /leases/{id}`."""
    now = portal_now()
    return render_look(leases.look(lease_call(caller, lease_id), now), now)


def raised(outcome: Outcome | Refused) -> Outcome:
    """The outcome of one call of a batch, its refusal raised."""
    if isinstance(outcome, Refused):
        raise outcome
    return outcome


def lease_call(caller: Caller, lease_id: str) -> LeaseCall:
    """The call on one lease; an id that cannot be one is an unknown one."""
    if not _ID.fullmatch(lease_id):
        raise Refused("lease_not_found")
    return LeaseCall(caller.id, lease_id)


def render_checkout(done: Checkout, known_grants: Mapping[str, int], now: datetime) -> Answer:
    """201, with the vendor's own words on each key of the lease that the client does not have yet.

    A lease that was given before for the same idempotency key is told as it now is.
    """
    lease = done.lease
    message = LeaseAnswer(
        **_common(lease, now),
        grants={
            number: held.grant_jws
            for number, held in lease.keys.items()
            if known_grants.get(number) != held.grant.serial
        },
        activation=_activation(lease),
    )
    headers = [("location", f"{ROOT}/{lease.id}")]
    if done.replayed:
        headers.append(("idempotency-replayed", "true"))
        message = structs.replace(message, **_ending(lease))
    return answer(message, 201, headers)


def render_heartbeat(lease: HeldLease | Beating, now: datetime) -> Answer:
    """200, with the new end of the lease."""
    return answer(
        HeartbeatAnswer(
            id=lease.id,
            state=lease.state,
            expires_at=instant(lease.expires_at),
            renew_after_seconds=lease.inactivity_seconds // 3,
            contact_deadline=instant(lease.contact_deadline),
            server_time=instant(now),
            withdrawn=list(lease.withdrawn),
        )
    )


def render_look(lease: HeldLease, now: datetime) -> Answer:
    """200, as at checkout but for the grants; an ended lease says when and why."""
    return answer(
        LookAnswer(
            **_common(lease, now),
            activation=_activation(lease),
            **_ending(lease),
        )
    )


def _common(lease: HeldLease, now: datetime) -> dict[str, Any]:
    return {
        "id": lease.id,
        "state": lease.state,
        "modules": [
            LeasedModule(held.code, held.key, held.seat, held.expires_on, held.warranty_until)
            for held in lease.modules
        ],
        "not_taken": [NotTaken(code, reason) for code, reason in lease.not_taken],
        "workstation": lease.workstation,
        "user": lease.user,
        "taken_at": instant(lease.taken_at),
        "expires_at": instant(lease.expires_at),
        "renew_after_seconds": lease.inactivity_seconds // 3,
        "inactivity_seconds": lease.inactivity_seconds,
        "contact_deadline": instant(lease.contact_deadline),
        "server_time": instant(now),
    }


def _ending(lease: HeldLease) -> dict[str, Any]:
    """When and why a lease has ended; nothing of one that lives."""
    if lease.ended_at is None:
        return {}
    return {"ended_at": instant(lease.ended_at), "ended_reason": lease.ended_reason}


def _activation(lease: HeldLease) -> Activation | None:
    """The proof of the offline code on which the deadline of one of the lease's keys rests."""
    for held in lease.keys.values():
        if held.activation is not None:
            return Activation(held.activation.codes, held.activation.slot, held.activation.code)
    return None
