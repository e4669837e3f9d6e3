"""Lease calls in the log, from level 2 on."""

import logging

from licensing.engine.batch import Done, Kind, Work
from licensing.operations.errors import Refused
from licensing.operations.lease_values import Checkout, CheckoutRequest

logger = logging.getLogger("licensing.leases")


def note(work: Work, done: Done) -> None:
    """Log what became of a call; at lower levels this costs a comparison."""
    if logger.isEnabledFor(logging.INFO):
        logger.info("%s %s: %s", work.kind.name.lower(), _who(work), _outcome(work.kind, done.outcome))


def note_heartbeat(client_id: int, lease_id: str) -> None:
    """Log a heartbeat that was answered from memory."""
    if logger.isEnabledFor(logging.INFO):
        logger.info("heartbeat %s (client %s): goes on", lease_id, client_id)


def _who(work: Work) -> str:
    call = work.call
    if isinstance(call, CheckoutRequest):
        modules = ",".join((*call.modules, *call.optional))
        # A program's codes may have any character; they make no line of their own here.
        modules = repr(modules)[1:-1] if not modules.isprintable() else modules
        return f"{modules} by {call.user} on {call.workstation} (client {call.client_id})"
    return f"{call.lease_id} (client {call.client_id})"


def _outcome(kind: Kind, outcome: object) -> str:
    if isinstance(outcome, Refused):
        return outcome.code
    if isinstance(outcome, Checkout):
        again = " again" if outcome.replayed else ""
        return f"lease {outcome.lease.id}{again} until {outcome.lease.expires_at.isoformat()}"
    return "done" if kind is not Kind.HEARTBEAT else "goes on"
