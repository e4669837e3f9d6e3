"""Leases: checkout, heartbeat, return, look, and what the portal itself does with them.

Each function that takes many calls carries them out in one transaction, each with its own outcome. The
lease engine hands the same operations many calls at once; a page or a command hands over one.

What ends a lease here raises the installation's version: the engine may keep the lease in memory.
"""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from django.db.backends.utils import CursorWrapper
from django.db.models import QuerySet

from licensing.models import Lease, Role

from .actors import Actor
from .endings import Ending, end_leases, end_some_of_what_is_overdue, end_whatever_is_overdue
from .errors import Refused
from .heartbeat import run_heartbeat, run_look
from .installation import bump_version
from .lease_rows import read_leases
from .lease_values import (
    Checkout,
    CheckoutRequest,
    HeldLease,
    HeldModule,
    LeaseCall,
    Program,
    Promise,
    hex_of,
    id_of,
)
from .terms import read_terms
from .transactions import in_transaction
from .turnover import carried_out
from .verdicts import reckon, record_release
from .withdrawal import apply_grant, clamp_to_deadlines, end_leases_of_key

# So many leases are renewed in one transaction, so that nobody else waits long.
AT_ONCE = 200

__all__ = [
    "Checkout",
    "CheckoutRequest",
    "HeldLease",
    "HeldModule",
    "LeaseCall",
    "Program",
    "apply_grant",
    "checkout",
    "clamp_to_deadlines",
    "end_leases_of_key",
    "expire_overdue",
    "heartbeat",
    "look",
    "release",
    "renew_live",
    "renew_promised",
    "return_leases",
]


def checkout(requests: Sequence[CheckoutRequest], now: datetime) -> list[Checkout | Refused]:
    """Give each request its lease, or say why not; a refusal leaves its neighbours alone.

    Raises:
        Refused: `unavailable`, for the whole batch.
    """
    return in_transaction(lambda cursor: carried_out(cursor, (), requests, read_terms(), now)[1])


def heartbeat(calls: Sequence[LeaseCall], now: datetime) -> list[HeldLease | Refused]:
    """Renew each lease called; refusals are `lease_not_found` and `lease_ended`.

    Raises:
        Refused: `unavailable`, for the whole batch.
    """
    return in_transaction(lambda cursor: run_heartbeat(cursor, calls, now, read_terms()))


def return_leases(calls: Sequence[LeaseCall], now: datetime) -> list[Refused | None]:
    """End each lease called; None also where it had ended already, else `lease_not_found`.

    Raises:
        Refused: `unavailable`, for the whole batch.
    """
    return in_transaction(lambda cursor: _return(cursor, calls, now))


def _return(cursor: CursorWrapper, calls: Sequence[LeaseCall], now: datetime) -> list[Refused | None]:
    bump_version()
    return carried_out(cursor, calls, (), read_terms(), now)[0]


def look(call: LeaseCall, now: datetime) -> HeldLease:
    """The lease as it is now, live or ended.

    Raises:
        Refused: `lease_not_found`, `unavailable`.
    """
    found = in_transaction(lambda cursor: run_look(cursor, call, now, read_terms()))
    if isinstance(found, Refused):
        raise found
    return found


def release(lease_ids: Collection[str | UUID], now: datetime, actor: Actor, reason: str = "") -> int:
    """End leases by an operator's decision, each with an event. Gives the number of those that were live.

    Raises:
        Refused: `not_permitted`, `unavailable`.
    """
    actor.require(Role.OPERATOR)
    return in_transaction(
        lambda cursor: _release(cursor, [hex_of(str(key)) for key in lease_ids], now, actor, reason)
    )


def _release(cursor: CursorWrapper, ids: Sequence[str], now: datetime, actor: Actor, reason: str) -> int:
    bump_version()
    end_whatever_is_overdue(cursor, now)
    rows = read_leases(cursor, ids)
    ended = end_leases(cursor, {key: Ending(now, "released_by_admin") for key in rows})
    for lease_id in ended:
        record_release(rows[lease_id], now, actor, reason)
    return len(ended)


def renew_live(clock: Callable[[], datetime]) -> int:
    """Give every live lease a fresh inactivity time, within its bounds. Gives the number of live leases.

    For the start of an engine: while none ran no program could send its heartbeat. Those that would end first
    come first.

    Args:
        clock: portal time; that of the start is past when the last ones have their turn.

    Raises:
        Refused: `unavailable`.
    """
    return _renewed(Lease.objects.filter(expires_at__gt=clock()), clock, timedelta(0))


def renew_promised(now: datetime, ahead: timedelta) -> int:
    """The same for leases whose end came at most `ahead` ago, and that nobody has ended. Gives their number.

    For the start of an engine, before it answers: one that died may have promised them so much more than is
    written. Nobody was told that they had ended: whoever tells that writes it down.

    Raises:
        Refused: `unavailable`.
    """
    rows = Lease.objects.filter(expires_at__gt=now - ahead, expires_at__lte=now)
    return _renewed(rows, lambda: now, ahead)


def _renewed(rows: QuerySet[Lease], clock: Callable[[], datetime], ahead: timedelta) -> int:
    ids = list(rows.filter(ended_at=None).order_by("expires_at").values_list("id", flat=True))
    for start in range(0, len(ids), AT_ONCE):
        in_transaction(partial(_renew, [key.hex for key in ids[start : start + AT_ONCE]], clock, ahead))
    return len(ids)


def _renew(
    ids: Sequence[str], clock: Callable[[], datetime], ahead: timedelta, cursor: CursorWrapper
) -> None:
    terms, rows = read_terms(), read_leases(cursor, ids, lock=True)
    now = clock()
    renewed = [key for key, row in rows.items() if row.expires_at > now - ahead]
    reckon(cursor, ids, terms, now, [Promise(id_of(key), now + terms.inactivity) for key in renewed])


def expire_overdue(now: datetime) -> int:
    """Write down what time has ended, in transactions that are short. Gives the number of leases ended."""
    ended, is_more = 0, True
    while is_more:
        some, is_more = in_transaction(lambda cursor: end_some_of_what_is_overdue(cursor, now))
        ended += some
    return ended
