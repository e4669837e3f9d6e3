"""Seats that change hands: those that a transaction gives back it may give out again, and writes them once.

Where as many log out as log in, that is every seat: half the writes, and none to the index of free seats.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from datetime import datetime

import msgspec
from django.db.backends.utils import CursorWrapper

from .lease_rows import LIVE
from .sets import ask, words_of


class HeldSeat(msgspec.Struct, frozen=True, gc=False):
    """A seat, and the row number of the lease that holds it.

    `is_beyond`: the module no longer has its number.
    """

    id: int
    module_id: int
    number: int
    is_beyond: bool | None
    lease: int


class GivenSeat(msgspec.Struct, frozen=True, gc=False):
    """A seat given out, to the lease of this row number; `id` is None where the seat's row has to be made."""

    id: int | None
    module_id: int
    number: int
    lease: int


class Holding(msgspec.Struct):
    """A lease and the seats that it holds."""

    row_number: int
    client_id: int
    ended_at: datetime | None
    is_live: bool
    seats: list[HeldSeat]


class SeatChanges:
    """The seats that change hands within one transaction, their modules being locked."""

    def __init__(self) -> None:
        self._back: dict[int, HeldSeat] = {}
        self._given: list[GivenSeat] = []

    def give_back(self, seats: Iterable[HeldSeat]) -> None:
        """Nobody holds these any more."""
        self._back.update({seat.id: seat for seat in seats})

    def given_back(self) -> dict[int, list[HeldSeat]]:
        """Those given back and not given out again, by module."""
        found: dict[int, list[HeldSeat]] = {}
        for seat in self._back.values():
            found.setdefault(seat.module_id, []).append(seat)
        return found

    def give(self, seat: GivenSeat) -> None:
        """Give out a seat that is free or was given back."""
        self._given.append(seat)

    def store(self, cursor: CursorWrapper) -> None:
        """Write down what changed: at most four statements, whatever the number of seats.

        Raises:
            Overtaken: a seat is not held as it was when it was read.
        """
        back, given = self._back, self._given
        if not back and not given:
            return
        self._back, self._given = {}, []
        counts = Counter(s.module_id for s in back.values()), Counter(s.module_id for s in given)
        moves: list[_Move] = []
        for seat in given:
            if seat.id is not None:
                was = back.pop(seat.id, None)
                moves.append((seat.id, seat.lease, None if was is None else was.lease))
        moves += [(seat.id, None, seat.lease) for seat in back.values()]
        _hand_over(cursor, moves)
        _make(cursor, [seat for seat in given if seat.id is None])
        _drop(cursor, [seat.id for seat in back.values() if seat.is_beyond])
        _count(cursor, *counts)


def _count(cursor: CursorWrapper, back: Counter[int], given: Counter[int]) -> None:
    """Set each module's counter, by the seats given back and given out; its ceiling falls with those back."""
    words = words_of(cursor)
    remaining = f"{words.greatest}(0, licensing_module.taken - r.back)"
    cursor.execute(
        f"UPDATE licensing_module SET taken = {remaining} + r.given,"  # noqa: S608
        f" ceiling = CASE WHEN seats IS NULL THEN NULL ELSE {words.greatest}(seats, {remaining}) END"
        f" FROM {words.rows('r', module='number', back='number', given='number')}"
        " WHERE licensing_module.id = r.module",
        words.columns([(module, back[module], given[module]) for module in back.keys() | given.keys()]),
    )


# A seat, the lease that holds it from now on, and the one that did.
_Move = tuple[int, int | None, int | None]


def _hand_over(cursor: CursorWrapper, moves: Collection[_Move]) -> None:
    if not moves:
        return
    words = words_of(cursor)
    words.change(
        cursor,
        "UPDATE licensing_seat SET lease_id = r.lease, ends_at = NULL"  # noqa: S608
        f" FROM {words.rows('r', seat='number', lease='number', was='number')}"
        f" WHERE licensing_seat.id = r.seat AND licensing_seat.lease_id {words.same} r.was",
        words.columns(list(moves)),
        len(moves),
    )


def _make(cursor: CursorWrapper, seats: Collection[GivenSeat]) -> None:
    if seats:
        kinds = {"module_id": "number", "number": "number", "lease_id": "number"}
        rows = [(seat.module_id, seat.number, seat.lease) for seat in seats]
        words_of(cursor).insert(cursor, "licensing_seat", kinds, rows)


def _drop(cursor: CursorWrapper, seat_ids: Collection[int]) -> None:
    if seat_ids:
        words = words_of(cursor)
        which = words.among("number")
        cursor.execute(f"DELETE FROM licensing_seat WHERE id IN {which}", [words.members(seat_ids)])  # noqa: S608


_SEAT = "s.id, s.module_id, s.number, s.number > m.seats, s.lease_id"
_MODULE = "JOIN licensing_module m ON m.id = s.module_id"


def ask_holdings(cursor: CursorWrapper, ids: Iterable[str]) -> Callable[[], dict[str, Holding]]:
    """Those of these leases that there are, by id."""
    words = words_of(cursor)
    rows = ask(
        cursor,
        f"SELECT l.id, l.row_number, l.client_id, l.ended_at, l.{LIVE}, {_SEAT}"  # noqa: S608
        f" FROM {words.column('k', 'id', 'id')} JOIN licensing_lease l ON l.id = k.id"
        f" LEFT JOIN licensing_seat s ON s.lease_id = l.row_number LEFT {_MODULE}",
        # Each once, or a holding would have each of its seats twice.
        [words.members(dict.fromkeys(ids))],
    )

    def read() -> dict[str, Holding]:
        found: dict[str, Holding] = {}
        for lease_id, row_number, client_id, ended_at, is_live, *seat in rows():
            key = words.read_id(lease_id)
            holding = found.get(key)
            if holding is None:
                end = None if ended_at is None else words.read_instant(ended_at)
                holding = found[key] = Holding(row_number, client_id, end, is_live, [])
            if seat[0] is not None:
                holding.seats.append(HeldSeat(*seat))
        return found

    return read


def free_seats_of(cursor: CursorWrapper, lease_ids: Collection[str]) -> None:
    """Free every seat of the leases, their modules being locked."""
    _free(cursor, [seat for holding in ask_holdings(cursor, lease_ids)().values() for seat in holding.seats])


def free_seats(cursor: CursorWrapper, seat_ids: Collection[int]) -> None:
    """Free these seats, their modules being locked."""
    words = words_of(cursor)
    cursor.execute(
        f"SELECT {_SEAT} FROM licensing_seat s {_MODULE}"  # noqa: S608
        f" WHERE s.lease_id IS NOT NULL AND s.id IN {words.among('number')}",
        [words.members(seat_ids)],
    )
    _free(cursor, [HeldSeat(*row) for row in cursor.fetchall()])


def _free(cursor: CursorWrapper, seats: Iterable[HeldSeat]) -> None:
    changes = SeatChanges()
    changes.give_back(seats)
    changes.store(cursor)
