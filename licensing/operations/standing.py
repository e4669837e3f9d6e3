"""On what a live lease stands: whether it goes on, and until when."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime

import msgspec
from django.db.backends.utils import CursorWrapper

from .endings import Ending
from .lease_rows import Claim, LeaseRow
from .seats import Place
from .sets import ask, words_of
from .terms import Terms


class SeatHeld(msgspec.Struct, frozen=True):
    """A seat row of a lease; `ends_at` where the vendor took it away."""

    place: Place
    number: int
    ends_at: datetime | None


Seats = list[SeatHeld]


def read_seats(cursor: CursorWrapper, ids: Collection[str]) -> dict[str, Seats]:
    """The seats that each of these leases holds."""
    return ask_seats(cursor, ids)()


def ask_seats(cursor: CursorWrapper, ids: Collection[str]) -> Callable[[], dict[str, Seats]]:
    """As `read_seats`, read later."""
    words = words_of(cursor)
    rows = ask(
        cursor,
        "SELECT l.id, m.key_id, m.code, s.number, s.ends_at FROM licensing_lease l"  # noqa: S608
        " JOIN licensing_seat s ON s.lease_id = l.row_number JOIN licensing_module m ON m.id = s.module_id"
        f" WHERE l.id IN {words.among('id')}",
        [words.members(ids)],
    )

    def read() -> dict[str, Seats]:
        found: dict[str, Seats] = {}
        for lease_id, key_id, code, number, ends_at in rows():
            end = None if ends_at is None else words.read_instant(ends_at)
            found.setdefault(words.read_id(lease_id), []).append(SeatHeld((key_id, code), number, end))
        return found

    return read


@dataclass(slots=True)
class Standing:
    """A lease that goes on until `expires_at`, and would then end as `expires_as`.

    `marks` are seats that the grant no longer has and that nobody has marked so: when they end, by module.
    `limit` is the earliest end that the vendor's words give; None where a seat of it was taken away.
    """

    expires_at: datetime
    expires_as: str
    limit: datetime | None
    marks: dict[Place, datetime] = field(default_factory=dict)


@dataclass(slots=True)
class _Bounds:
    """What limits a lease: gathered module by module."""

    deadlines: list[datetime] = field(default_factory=list)
    module_ends: list[datetime] = field(default_factory=list)
    seat_ends: list[datetime] = field(default_factory=list)
    lasting: bool = False
    marks: dict[Place, datetime] = field(default_factory=dict)


def stand(row: LeaseRow, seats: Seats, terms: Terms, now: datetime, wanted: datetime) -> Standing | Ending:
    """Judge a live lease that should go on until `wanted`.

    It ends at `now` where it no longer holds what it says (`released_by_admin`: the database was edited), or
    where one of its keys is not active (`key_inactive`); and earlier where a deadline that the vendor's
    words give has passed. Seats that the vendor took away bound it only by the last of them.
    """
    if row.expires_at <= now:
        return Ending(row.expires_at, row.expires_as)
    left = {seat.place: seat for seat in seats}
    if len(left) != len(seats):
        return Ending(now, "released_by_admin")
    bounds = _Bounds()
    for claim in row.claims:
        ended = _add(bounds, row, claim, left, terms, now)
        if ended is not None:
            return Ending(now, ended)
    if any(seat.ends_at is None or seat.ends_at > now for seat in left.values()):
        return Ending(now, "released_by_admin")
    return _conclude(bounds, row, now, wanted)


def _add(
    bounds: _Bounds, row: LeaseRow, claim: Claim, left: dict[Place, SeatHeld], terms: Terms, now: datetime
) -> str | None:
    """Add what one module bounds; give the reason where the lease must end for it."""
    taken_away = row.withdrawn.get(claim.code)
    if taken_away is not None and taken_away <= now:
        # Its seat has ended; the row may still stand there until it is tidied.
        key = terms.keys.get(claim.key)
        left.pop((key.key_id, claim.code), None) if key is not None else None
        return None
    key = terms.keys.get(claim.key)
    if key is None:
        return "key_inactive"
    place = (key.key_id, claim.code)
    seat = left.pop(place, None)
    if seat is None:
        return "released_by_admin"
    offer = terms.by_place.get(place)
    ends = [end for end in (seat.ends_at, taken_away) if end is not None]
    if not ends and (offer is None or (offer.module.seats is not None and seat.number > offer.module.seats)):
        ends = [row.expires_at]
    if ends:
        bounds.seat_ends.append(min(ends))
        if seat.ends_at != min(ends) or taken_away != min(ends):
            bounds.marks[place] = min(ends)
    else:
        bounds.lasting = True
    bounds.deadlines.append(key.contact_deadline)
    if offer is not None and offer.module_end is not None:
        bounds.module_ends.append(offer.module_end)
    return None


def _conclude(bounds: _Bounds, row: LeaseRow, now: datetime, wanted: datetime) -> Standing | Ending:
    if not bounds.deadlines:
        return Ending(max(row.withdrawn.values(), default=now), "withdrawn")
    ends = {"contact_lost": min(bounds.deadlines)}
    if bounds.module_ends:
        ends["module_expired"] = min(bounds.module_ends)
    if not bounds.lasting:
        ends["withdrawn"] = max(bounds.seat_ends)
    limit = min(ends.values())
    expires_at = min(wanted, limit)
    reason = next((name for name, end in ends.items() if end == expires_at), "expired")
    if expires_at <= now:
        return Ending(expires_at, reason)
    plain = not (row.withdrawn or bounds.marks)
    return Standing(expires_at, reason, limit if plain else None, bounds.marks)
