"""Heartbeat, return and look: what an ERP client does with a lease that it has."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from operator import attrgetter

import msgspec
from django.db.backends.utils import CursorWrapper

from .clock import UNKNOWN
from .endings import Ending, end_returned, places_of
from .errors import Refused
from .lease_rows import LIVE, LeaseRow, ask_leases, held_lease, read_leases
from .lease_values import HeldLease, LeaseCall, Promise
from .seat_changes import Holding, SeatChanges, ask_holdings
from .seats import lock_modules
from .sets import words_of
from .standing import Standing, ask_seats, read_seats, stand
from .terms import Terms, ask_whether_in_force
from .verdicts import carry_out

# How long an ended lease is remembered.
MEMORY = timedelta(days=30)


def run_heartbeat(
    cursor: CursorWrapper, calls: Sequence[LeaseCall], now: datetime, terms: Terms
) -> list[HeldLease | Refused]:
    """Carry out a batch of heartbeats: each live lease gets a fresh inactivity time, within its bounds.

    Raises:
        Overtaken: the terms have changed while a lease was waited for.
    """
    keys = {call.key for call in calls}
    read_rows, read_held = ask_leases(cursor, keys, lock=True), ask_seats(cursor, keys)
    need_in_force = ask_whether_in_force(cursor, terms)
    rows, seats = read_rows(), read_held()
    need_in_force()
    live = own_live(rows, calls)
    verdicts = {
        row.id: stand(
            row, seats.get(row.id, []), terms, now, _fresh_end(row.expires_at, now, terms.inactivity)
        )
        for row in live.values()
    }
    carry_out(cursor, rows, verdicts, now, heard=True)
    return [told(rows.get(call.key), call, terms, now, live_only=True) for call in calls]


class Beating(msgspec.Struct, gc=False):
    """What heartbeats tell of a live lease whose next ones change nothing but its end, as it is now.

    That holds as long as nobody else writes to the lease. `written_until` is the end that the database has.
    """

    client_id: int
    id: str
    expires_at: datetime
    last_seen_at: datetime
    limit: datetime
    inactivity: timedelta
    inactivity_seconds: int
    contact_deadline: datetime
    written_until: datetime
    state: str = "active"
    withdrawn: tuple[str, ...] = ()

    def prolong(self, now: datetime, most_ahead: timedelta) -> bool:
        """Carry out one heartbeat more, but for writing it down.

        False where it would change more than the end, or put that further than `most_ahead` beyond the one
        written: then nothing was done, and it has to be carried out as others are.
        """
        expires_at = _fresh_end(self.expires_at, now, self.inactivity)
        if expires_at >= self.limit or self.expires_at <= now or expires_at - self.written_until > most_ahead:
            return False
        self.expires_at, self.last_seen_at = expires_at, now
        return True


def beating(client_id: int, lease: HeldLease) -> Beating | None:
    """A lease to which a heartbeat was just carried out and written; None where the next must be too."""
    if lease.limit is None:
        return None
    return Beating(
        client_id,
        lease.id,
        lease.expires_at,
        lease.last_seen_at,
        lease.limit,
        timedelta(seconds=lease.inactivity_seconds),
        lease.inactivity_seconds,
        lease.contact_deadline,
        lease.expires_at,
    )


def write_promises(cursor: CursorWrapper, promises: Sequence[Promise]) -> None:
    """Write down what `Beating.prolong` promised of leases to which nobody else has written since.

    Of several promises of a lease the furthest counts.
    """
    if not promises:
        return
    words = words_of(cursor)
    furthest = {promise.key: promise for promise in sorted(promises, key=attrgetter("until"))}
    cursor.execute(
        "UPDATE licensing_lease SET last_seen_at = COALESCE(r.seen, last_seen_at), expires_at = r.ends"  # noqa: S608
        f" FROM {words.rows('r', lease='id', seen='instant', ends='instant')}"
        f" WHERE licensing_lease.id = r.lease AND licensing_lease.{LIVE}"
        " AND licensing_lease.expires_at <= r.ends",
        words.columns(
            [
                (key, one.heard_at and words.instant(one.heard_at), words.instant(one.until))
                for key, one in furthest.items()
            ]
        ),
    )


def _fresh_end(expires_at: datetime, now: datetime, inactivity: timedelta) -> datetime:
    """Until when a heartbeat at `now` would let a lease live, but for its bounds; no earlier than before."""
    return max(expires_at, now + inactivity)


def begin_return(
    cursor: CursorWrapper, calls: Sequence[LeaseCall], changes: SeatChanges
) -> Callable[[datetime], list[Refused | None]]:
    """Ask for what returns have to know; gives what carries them out, their modules being locked.

    The seats are given back to `changes`. Returning what has ended already is no mistake.
    """
    keys = [call.key for call in calls]
    read = ask_holdings(cursor, keys)

    def carry_out_all(now: datetime) -> list[Refused | None]:
        holdings = read()
        live: dict[int, Holding] = {}
        outcomes: list[Refused | None] = []
        for key, call in zip(keys, calls, strict=True):
            holding = holdings.get(key)
            if holding is None or not _known(holding, call, now):
                outcomes.append(_not_found())
                continue
            outcomes.append(None)
            if holding.is_live:
                live[holding.row_number] = holding
        if live:
            end_returned(cursor, live, now)
            changes.give_back([seat for holding in live.values() for seat in holding.seats])
        return outcomes

    return carry_out_all


def run_look(cursor: CursorWrapper, call: LeaseCall, now: datetime, terms: Terms) -> HeldLease | Refused:
    """One lease as it is now; where time has ended it and nobody wrote that down, that is written down."""
    rows = read_leases(cursor, [call.key])
    verdicts = _stand_as_they_are(cursor, rows, call, terms, now)
    if any(isinstance(verdict, Ending) for verdict in verdicts.values()):
        # Only under locks: between its row and its seats somebody else may have ended the lease.
        lock_modules(cursor, places_of(cursor, verdicts))
        rows = read_leases(cursor, verdicts, lock=True)
        verdicts = _stand_as_they_are(cursor, rows, call, terms, now)
    for lease_id, verdict in verdicts.items():
        if isinstance(verdict, Ending):
            carry_out(cursor, rows, {lease_id: verdict}, now)
        else:
            rows[lease_id].expires_at = verdict.expires_at
    return told(rows.get(call.key), call, terms, now)


def _stand_as_they_are(
    cursor: CursorWrapper, rows: Mapping[str, LeaseRow], call: LeaseCall, terms: Terms, now: datetime
) -> dict[str, Standing | Ending]:
    """Judge the lease called, where it is live and the caller's own, without giving it more time."""
    live = own_live(rows, [call])
    seats = read_seats(cursor, live) if live else {}
    return {row.id: stand(row, seats.get(row.id, []), terms, now, row.expires_at) for row in live.values()}


def own_live(rows: Mapping[str, LeaseRow], calls: Sequence[LeaseCall]) -> dict[str, LeaseRow]:
    """Of the leases called, those that nobody has ended and that are the caller's own."""
    found = {}
    for call in calls:
        row = rows.get(call.key)
        if row is not None and row.ended_at is None and row.client_id == call.client_id:
            found[row.id] = row
    return found


def told(
    row: LeaseRow | None, call: LeaseCall, terms: Terms, now: datetime, *, live_only: bool = False
) -> HeldLease | Refused:
    """The lease as it is told to its client; another's is told exactly as one that never was."""
    if row is None or not _known(row, call, now):
        return _not_found()
    if live_only and row.ended_at is not None:
        return Refused("lease_ended", ended_reason=row.ended_reason, ended_at=row.ended_at)
    return held_lease(row, terms, now)


def _known(row: LeaseRow | Holding, call: LeaseCall, now: datetime) -> bool:
    if row.client_id != call.client_id:
        return False
    # While portal time is unknown nobody can tell how long ago it ended.
    return row.ended_at is None or now >= UNKNOWN or row.ended_at > now - MEMORY


def _not_found() -> Refused:
    return Refused("lease_not_found")
