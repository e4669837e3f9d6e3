"""Seats: what is free, taking them, freeing them. Seat rows alone decide; counters only confirm."""

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

import msgspec
from django.db.backends.utils import CursorWrapper

from .sets import Words, words_of
from .terms import Offer
from .transactions import Overtaken

Place = tuple[int, str]
# The highest number that a seat of a module that is not counted may get.
UNCOUNTED = 2_147_483_647


class ModuleRow(msgspec.Struct, frozen=True):
    """A module's row, locked: `seats` is its copy of the grant, None where not counted."""

    id: int
    seats: int | None
    ceiling: int | None
    taken: int


@dataclass(slots=True)
class Stock:
    """What a module can give: lowest free numbers first, rows for new numbers made when needed."""

    module_id: int
    seats: int | None
    taken: int
    left: int
    # Ids and numbers of free seat rows, the lowest number last.
    free: list[tuple[int, int]]
    next_number: int

    def take(self) -> tuple[int | None, int]:
        """Take a seat: the id of its row, None if that has yet to be made, and its number."""
        self.left -= 1
        self.taken += 1
        if self.free:
            return self.free.pop()
        self.next_number += 1
        return None, self.next_number - 1


class TakenSeat(msgspec.Struct, frozen=True):
    """A seat given to a lease in this batch."""

    seat_id: int | None
    module_id: int
    number: int
    lease_id: str


def lock_modules(cursor: CursorWrapper, places: Collection[Place]) -> dict[Place, ModuleRow]:
    """The rows of the modules, locked in the order of their ids so that no two batches wait in a ring."""
    if not places:
        return {}
    words = words_of(cursor)
    cursor.execute(
        "SELECT m.key_id, m.code, m.id, m.seats, m.ceiling, m.taken FROM licensing_module m"  # noqa: S608
        f" JOIN {words.rows('r', key_id='number', code='text')} ON m.key_id = r.key_id AND m.code = r.code"
        f" ORDER BY m.id{words.for_update}",
        words.columns(list(places)),
    )
    return {(row[0], row[1]): ModuleRow(*row[2:]) for row in cursor.fetchall()}


def stock_of(
    cursor: CursorWrapper, offers: Iterable[Offer], rows: dict[Place, ModuleRow], demand: int
) -> dict[Place, Stock]:
    """What each module offered can give, as far as `demand` seats of it may be asked for.

    The number held must stay within the seats, and a low number must be free: with `above` seats held
    beyond them (they were taken away), only `free numbers - above` can be given.
    """
    wanted = {
        offer.place: _Wanted(rows[offer.place], _seats(offer, rows[offer.place]))
        for offer in offers
        if offer.place in rows
    }
    numbers = _free_numbers(cursor, list(wanted.values()), demand)
    if above := max((found.above for found in numbers.values()), default=0):
        numbers = _free_numbers(cursor, list(wanted.values()), demand + above)
    return {place: _stock(want, numbers[want.row.id]) for place, want in wanted.items()}


class _Wanted(msgspec.Struct):
    row: ModuleRow
    seats: int | None


@dataclass(slots=True)
class _Numbers:
    highest: int
    above: int
    free: list[tuple[int, int]]


def _seats(offer: Offer, row: ModuleRow) -> int | None:
    """The seats by the grant; fewer where the row, just locked, says that seats have been taken away."""
    counted = [seats for seats in (offer.module.seats, row.seats) if seats is not None]
    return min(counted) if counted else None


def _stock(want: _Wanted, numbers: _Numbers) -> Stock:
    seats = UNCOUNTED if want.seats is None else want.seats
    row = want.row
    left = len(numbers.free) + seats - numbers.highest - numbers.above
    left = min(left, seats - row.taken, left if row.ceiling is None else row.ceiling - row.taken)
    return Stock(row.id, want.seats, row.taken, max(0, left), numbers.free, numbers.highest + 1)


def _free_numbers(cursor: CursorWrapper, wanted: list[_Wanted], demand: int) -> dict[int, _Numbers]:
    if not wanted:
        return {}
    words = words_of(cursor)
    given = words.columns([(want.row.id, UNCOUNTED if want.seats is None else want.seats) for want in wanted])
    source = words.rows("r", module="number", seats="number")
    cursor.execute(
        "SELECT r.module, 0, COALESCE((SELECT MAX(x.number) FROM licensing_seat x"  # noqa: S608
        " WHERE x.module_id = r.module AND x.number <= r.seats), 0),"
        " (SELECT COUNT(*) FROM licensing_seat x"
        " WHERE x.module_id = r.module AND x.number > r.seats AND x.lease_id IS NOT NULL)"
        f" FROM {source} UNION ALL SELECT r.module, 1, s.id, s.number FROM {source} {_lowest_free(words)}",
        [*given, *given, demand],
    )
    found = {want.row.id: _Numbers(0, 0, []) for want in wanted}
    for module_id, kind, first, second in cursor.fetchall():
        if kind:
            found[module_id].free.append((first, second))
        else:
            found[module_id].highest, found[module_id].above = first, second
    for numbers in found.values():
        numbers.free.sort(key=lambda seat: -seat[1])
    return found


def _lowest_free(words: Words) -> str:
    """Each module's lowest free seat rows, read from the index of free seats and no further than needed."""
    lowest = (
        "FROM licensing_seat x WHERE x.module_id = r.module AND x.lease_id IS NULL AND x.number <= r.seats"
        " ORDER BY x.number LIMIT %s"
    )
    if words.for_update:
        return f"CROSS JOIN LATERAL (SELECT x.id, x.number {lowest}) s"
    return f"JOIN licensing_seat s ON s.id IN (SELECT x.id {lowest})"


def store_taken(cursor: CursorWrapper, taken: list[TakenSeat]) -> None:
    """Give the seats to their leases and count them: three statements whatever their number."""
    words = words_of(cursor)
    new = [(seat.module_id, seat.number, seat.lease_id) for seat in taken if seat.seat_id is None]
    reused = [(seat.seat_id, seat.lease_id) for seat in taken if seat.seat_id is not None]
    if new:
        kinds = {"module_id": "number", "number": "number", "lease_id": "id"}
        words.insert(cursor, "licensing_seat", kinds, new)
    if reused:
        cursor.execute(
            "UPDATE licensing_seat SET lease_id = r.lease"  # noqa: S608
            f" FROM {words.rows('r', seat='number', lease='id')}"
            " WHERE licensing_seat.id = r.seat AND licensing_seat.lease_id IS NULL",
            words.columns(reused),
        )
        if cursor.rowcount != len(reused):
            raise Overtaken
    counts = Counter(seat.module_id for seat in taken)
    cursor.execute(
        "UPDATE licensing_module SET taken = taken + r.n"  # noqa: S608
        f" FROM {words.rows('r', module='number', n='number')} WHERE licensing_module.id = r.module",
        words.columns(list(counts.items())),
    )


def free_seats_of(cursor: CursorWrapper, lease_ids: Collection[str]) -> None:
    """Free every seat of the leases."""
    words = words_of(cursor)
    _free(cursor, f"lease_id IN {words.among('id')}", words.members(lease_ids))


def free_seats(cursor: CursorWrapper, seat_ids: Collection[int]) -> None:
    """Free these seats."""
    words = words_of(cursor)
    _free(cursor, f"id IN {words.among('number')}", words.members(seat_ids))


def _free(cursor: CursorWrapper, which: str, parameter: Any) -> None:
    words = words_of(cursor)
    cursor.execute(
        f"UPDATE licensing_seat SET lease_id = NULL, ends_at = NULL WHERE {which}"  # noqa: S608
        " AND lease_id IS NOT NULL RETURNING id, module_id, number",
        [parameter],
    )
    freed = cursor.fetchall()
    if not freed:
        return
    counts = Counter(module_id for _, module_id, _ in freed)
    remaining = f"{words.greatest}(0, licensing_module.taken - r.n)"
    cursor.execute(
        f"UPDATE licensing_module SET taken = {remaining},"  # noqa: S608
        f" ceiling = CASE WHEN seats IS NULL THEN NULL ELSE {words.greatest}(seats, {remaining}) END"
        f" FROM {words.rows('r', module='number', n='number')} WHERE licensing_module.id = r.module"
        " RETURNING licensing_module.id, licensing_module.seats",
        words.columns(list(counts.items())),
    )
    seats = {module_id: UNCOUNTED if seats is None else seats for module_id, seats in cursor.fetchall()}
    beyond = [seat_id for seat_id, module_id, number in freed if number > seats[module_id]]
    if beyond:
        # The module no longer has these numbers.
        cursor.execute(
            f"DELETE FROM licensing_seat WHERE id IN {words.among('number')}",  # noqa: S608
            [words.members(beyond)],
        )
