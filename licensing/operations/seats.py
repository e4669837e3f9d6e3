"""Seats: what is free, taking them, freeing them. Seat rows alone decide; counters only confirm."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any

import msgspec
from django.db.backends.utils import CursorWrapper

from .sets import Words, ask, words_of
from .terms import Offer
from .transactions import Overtaken

Place = tuple[int, str]
# The highest number that a seat of a module that is not counted may get.
UNCOUNTED = 2_147_483_647


@dataclass(slots=True)
class Stock:
    """What a module can give: lowest free numbers first, rows for new numbers made when needed."""

    module_id: int
    left: int
    # Ids and numbers of free seat rows, the lowest number last.
    free: list[tuple[int, int]]
    next_number: int

    def take(self) -> tuple[int | None, int]:
        """Take a seat: the id of its row, None if that has yet to be made, and its number."""
        self.left -= 1
        if self.free:
            return self.free.pop()
        self.next_number += 1
        return None, self.next_number - 1


class TakenSeat(msgspec.Struct, frozen=True, gc=False):
    """A seat given to a lease in this batch."""

    seat_id: int | None
    module_id: int
    number: int
    lease_id: str


def lock_modules(cursor: CursorWrapper, places: Collection[Place]) -> None:
    """Lock the rows of the modules in the order of their ids, so that no two batches wait in a ring.

    Where a transaction holds the whole database there is nothing to do.
    """
    words = words_of(cursor)
    if places and words.for_update:
        cursor.execute(
            "SELECT m.id FROM licensing_module m"  # noqa: S608
            f" JOIN {words.rows('r', key_id='number', code='text')}"
            f" ON m.key_id = r.key_id AND m.code = r.code ORDER BY m.id{words.for_update}",
            words.columns(list(places)),
        )


def ask_stock(
    cursor: CursorWrapper, offers: Collection[Offer], demand: int
) -> Callable[[], dict[Place, Stock]]:
    """What each module offered can give, as far as `demand` seats of it may be asked for.

    The modules are locked. Their seats are the grant's; fewer where the row says that some were taken away.
    The number held must stay within the seats, and a low number must be free: with `above` seats held
    beyond them (they were taken away), only `free numbers - above` can be given.
    """
    if not offers:
        return dict
    given = words_of(cursor).columns(_offered(offers))
    modules = _ask_modules(cursor, given)
    free = _ask_free(cursor, given, demand)

    def read() -> dict[Place, Stock]:
        found = modules()
        above = max((module.above for module in found), default=0)
        lists = (_ask_free(cursor, given, demand + above) if above else free)()
        return {module.place: _stock(module, lists.get(module.id, [])) for module in found}

    return read


class _ModuleRow(msgspec.Struct, frozen=True):
    """A module as it stands: the highest number within its seats, and how many are held above them."""

    id: int
    key_id: int
    code: str
    seats: int
    ceiling: int | None
    taken: int
    highest: int
    above: int

    @property
    def place(self) -> Place:
        return self.key_id, self.code


def _stock(row: _ModuleRow, free: list[tuple[int, int]]) -> Stock:
    left = len(free) + row.seats - row.highest - row.above
    left = min(left, row.seats - row.taken, left if row.ceiling is None else row.ceiling - row.taken)
    return Stock(row.id, max(0, left), free, row.highest + 1)


def _offered(offers: Iterable[Offer]) -> list[tuple[int, str, int]]:
    """The rows of `_wanted`."""
    return [
        (*offer.place, UNCOUNTED if offer.module.seats is None else offer.module.seats) for offer in offers
    ]


def _wanted(words: Words) -> str:
    """The modules offered, as `r`, with the seats that count."""
    fewer = f"{words.least}(o.seats, COALESCE(m.seats, o.seats))"
    return (
        f"(SELECT m.id, m.key_id, m.code, {fewer} AS seats, m.ceiling, m.taken"  # noqa: S608
        f" FROM {words.rows('o', key_id='number', code='text', seats='number')}"
        " JOIN licensing_module m ON m.key_id = o.key_id AND m.code = o.code) r"
    )


def _ask_modules(cursor: CursorWrapper, given: list[Any]) -> Callable[[], list[_ModuleRow]]:
    words = words_of(cursor)
    rows = ask(
        cursor,
        "SELECT r.id, r.key_id, r.code, r.seats, r.ceiling, r.taken,"  # noqa: S608
        " COALESCE((SELECT MAX(x.number) FROM licensing_seat x"
        " WHERE x.module_id = r.id AND x.number <= r.seats), 0),"
        " (SELECT COUNT(*) FROM licensing_seat x"
        " WHERE x.module_id = r.id AND x.number > r.seats AND x.lease_id IS NOT NULL)"
        f" FROM {_wanted(words)}",
        given,
    )
    return lambda: [_ModuleRow(*row) for row in rows()]


def _ask_free(
    cursor: CursorWrapper, given: list[Any], demand: int
) -> Callable[[], dict[int, list[tuple[int, int]]]]:
    """By module: ids and numbers of free seat rows within the seats, the lowest number last."""
    words = words_of(cursor)
    rows = ask(
        cursor,
        f"SELECT r.id, s.id, s.number FROM {_wanted(words)} {_lowest_free(words)}",  # noqa: S608
        [*given, demand],
    )

    def read() -> dict[int, list[tuple[int, int]]]:
        found: dict[int, list[tuple[int, int]]] = {}
        for module_id, seat_id, number in rows():
            found.setdefault(module_id, []).append((seat_id, number))
        for free in found.values():
            free.sort(key=lambda seat: -seat[1])
        return found

    return read


def _lowest_free(words: Words) -> str:
    """Each module's lowest free seat rows, read from the index of free seats and no further than needed."""
    lowest = (
        "FROM licensing_seat x WHERE x.module_id = r.id AND x.lease_id IS NULL AND x.number <= r.seats"
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


def free_seats_of_ended(cursor: CursorWrapper, lease_ids: Collection[str]) -> None:
    """Free every seat of those of the leases that have ended, whoever knows which."""
    words = words_of(cursor)
    ended = "(SELECT l.ended_at FROM licensing_lease l WHERE l.id = licensing_seat.lease_id)"
    _free(cursor, f"lease_id IN {words.among('id')} AND {ended} IS NOT NULL", words.members(lease_ids))


def free_seats(cursor: CursorWrapper, seat_ids: Collection[int]) -> None:
    """Free these seats."""
    words = words_of(cursor)
    _free(cursor, f"id IN {words.among('number')}", words.members(seat_ids))


def _free(cursor: CursorWrapper, which: str, parameter: Any) -> None:
    words = words_of(cursor)
    freed = ask(
        cursor,
        f"UPDATE licensing_seat SET lease_id = NULL, ends_at = NULL WHERE {which}"  # noqa: S608
        " AND lease_id IS NOT NULL RETURNING id, module_id,"
        " number > (SELECT m.seats FROM licensing_module m WHERE m.id = module_id)",
        [parameter],
    )()
    if not freed:
        return
    counts = Counter(module_id for _, module_id, _ in freed)
    remaining = f"{words.greatest}(0, licensing_module.taken - r.n)"
    cursor.execute(
        f"UPDATE licensing_module SET taken = {remaining},"  # noqa: S608
        f" ceiling = CASE WHEN seats IS NULL THEN NULL ELSE {words.greatest}(seats, {remaining}) END"
        f" FROM {words.rows('r', module='number', n='number')} WHERE licensing_module.id = r.module",
        words.columns(list(counts.items())),
    )
    beyond = [seat_id for seat_id, _, is_beyond in freed if is_beyond]
    if beyond:
        # The module no longer has these numbers.
        cursor.execute(
            f"DELETE FROM licensing_seat WHERE id IN {words.among('number')}",  # noqa: S608
            [words.members(beyond)],
        )
