"""How leases end: by time, by return, by the portal. An ended lease is never touched again."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db.backends.utils import CursorWrapper

from .lease_rows import ENDS_BY_ITSELF, LIVE
from .seat_changes import free_seats, free_seats_of
from .seats import Place, lock_modules
from .sets import ask, words_of

# The reason with which a lease ends by time; one that a hand wrote is none. A tuple reads as SQL does.
_BY_TIME = f"CASE WHEN expires_as IN {ENDS_BY_ITSELF} THEN expires_as ELSE 'expired' END"


@dataclass(frozen=True, slots=True)
class Ending:
    """When and why a lease ends."""

    at: datetime
    reason: str


# So much of what is overdue is ended at once where somebody waits for his own call.
AT_ONCE = 500
_ALL = 2_147_483_647


@dataclass(frozen=True, slots=True)
class Overdue:
    """What time has ended and nobody has written down yet: leases, and seats that the vendor took away.

    `is_cut_short`: there may be more of it.
    """

    leases: list[str]
    seats: list[int]
    is_cut_short: bool = False

    def __bool__(self) -> bool:
        return bool(self.leases or self.seats)


def ask_overdue(
    cursor: CursorWrapper, now: datetime, *, at_most: int = _ALL, of: Collection[Place] | None = None
) -> Callable[[], Overdue]:
    """What is overdue at `now`, by two partial indexes, however many leases live.

    At most so many leases, and so many seats, those first that ended first; `of` these modules alone.
    """
    words = words_of(cursor)
    instant = words.instant(now)
    lease_of, seat_of, places = "", "", []
    if of is not None:
        wanted = f"SELECT key_id, code FROM {words.rows('r', key_id='number', code='text')}"  # noqa: S608
        seat_of = f" AND module_id IN (SELECT id FROM licensing_module WHERE (key_id, code) IN ({wanted}))"  # noqa: S608
        held = f"SELECT 1 FROM licensing_seat WHERE lease_id = licensing_lease.row_number{seat_of}"  # noqa: S608
        lease_of, places = f" AND EXISTS ({held})", words.columns(list(of))
    rows = ask(
        cursor,
        "SELECT * FROM (SELECT id, CAST(NULL AS bigint) FROM licensing_lease"  # noqa: S608
        f" WHERE ended_at IS NULL AND expires_at <= %s{lease_of} ORDER BY expires_at LIMIT %s) AS of_leases"
        " UNION ALL SELECT * FROM (SELECT CAST(NULL AS uuid), id FROM licensing_seat"
        f" WHERE ends_at <= %s{seat_of} ORDER BY ends_at LIMIT %s) AS of_seats",
        [instant, *places, at_most, instant, *places, at_most],
    )

    def read() -> Overdue:
        found = rows()
        leases = [words.read_id(lease_id) for lease_id, _ in found if lease_id is not None]
        seats = [seat_id for _, seat_id in found if seat_id is not None]
        return Overdue(leases, seats, at_most in (len(leases), len(seats)))

    return read


def places_of(cursor: CursorWrapper, leases: Collection[str], seats: Collection[int] = ()) -> set[Place]:
    """The modules of whose seats these leases or seats are, for locking them.

    Empty where the transaction holds the whole database anyway.
    """
    words = words_of(cursor)
    if not words.for_update or not (leases or seats):
        return set()
    cursor.execute(
        "SELECT DISTINCT m.key_id, m.code FROM licensing_seat s JOIN licensing_module m ON m.id = s.module_id"  # noqa: S608
        f" WHERE s.lease_id IN (SELECT row_number FROM licensing_lease WHERE id IN {words.among('id')})"
        f" OR s.id IN {words.among('number')}",
        [words.members(leases), words.members(seats)],
    )
    return set(cursor.fetchall())


def end_overdue(cursor: CursorWrapper, overdue: Overdue, now: datetime) -> int:
    """End what is overdue, its modules being locked. Gives the number of leases ended."""
    words = words_of(cursor)
    cursor.execute(
        f"UPDATE licensing_lease SET ended_at = expires_at, ended_reason = {_BY_TIME}"  # noqa: S608
        f" WHERE id IN {words.among('id')} AND {LIVE} AND expires_at <= %s RETURNING id",
        [words.members(overdue.leases), words.instant(now)],
    )
    ended = [words.read_id(row[0]) for row in cursor.fetchall()]
    if ended:
        free_seats_of(cursor, ended)
    if overdue.seats:
        free_seats(cursor, overdue.seats)
    return len(ended)


def end_whatever_is_overdue(cursor: CursorWrapper, now: datetime) -> int:
    """Find, lock and end what is overdue. Gives the number of leases ended."""
    overdue = ask_overdue(cursor, now)()
    return lock_and_end(cursor, overdue, now) if overdue else 0


def end_some_of_what_is_overdue(cursor: CursorWrapper, now: datetime) -> tuple[int, bool]:
    """As `end_whatever_is_overdue`, but no more than `AT_ONCE`; tells too whether there may be more."""
    overdue = ask_overdue(cursor, now, at_most=AT_ONCE)()
    return lock_and_end(cursor, overdue, now) if overdue else 0, overdue.is_cut_short


def lock_and_end(cursor: CursorWrapper, overdue: Overdue, now: datetime) -> int:
    """Lock the modules of what is overdue and end it. Gives the number of leases ended."""
    lock_modules(cursor, places_of(cursor, overdue.leases, overdue.seats))
    return end_overdue(cursor, overdue, now)


def end_returned(cursor: CursorWrapper, row_numbers: Collection[int], now: datetime) -> None:
    """End live leases that their own client returns at `now`: as expired where time was earlier.

    Raises:
        Overtaken: one of them has ended meanwhile.
    """
    words = words_of(cursor)
    instant = words.instant(now)
    words.change(
        cursor,
        f"UPDATE licensing_lease SET ended_at = CASE WHEN expires_at > %s THEN %s ELSE expires_at END,"  # noqa: S608
        f" ended_reason = CASE WHEN expires_at > %s THEN 'returned' ELSE {_BY_TIME} END"
        f" WHERE row_number IN {words.among('number')} AND {LIVE}",
        [instant, instant, instant, words.members(row_numbers)],
        len(row_numbers),
    )


def end_leases(cursor: CursorWrapper, endings: Mapping[str, Ending]) -> list[str]:
    """End these leases and free their seats. Gives the ids of those that were still live."""
    if not endings:
        return []
    words = words_of(cursor)
    lock_modules(cursor, places_of(cursor, endings))
    rows = [(lease_id, words.instant(end.at), end.reason) for lease_id, end in endings.items()]
    cursor.execute(
        "UPDATE licensing_lease SET ended_at = r.at, ended_reason = r.reason"  # noqa: S608
        f" FROM {words.rows('r', lease='id', at='instant', reason='text')}"
        f" WHERE licensing_lease.id = r.lease AND licensing_lease.{LIVE}"
        " RETURNING licensing_lease.id",
        words.columns(rows),
    )
    ended = [words.read_id(row[0]) for row in cursor.fetchall()]
    if ended:
        free_seats_of(cursor, ended)
    return ended
