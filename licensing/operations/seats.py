"""What of each module can be given. Seat rows alone decide; counters only confirm."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import msgspec
from django.db.backends.utils import CursorWrapper

from .seat_changes import HeldSeat, SeatChanges
from .sets import Words, ask, words_of
from .terms import Offer

Place = tuple[int, str]
# The highest number that a seat of a module that is not counted may get.
UNCOUNTED = 2_147_483_647


@dataclass(slots=True)
class Stock:
    """What a module can give: lowest free numbers first, rows for new numbers made when needed."""

    module_id: int
    left: int
    # Ids and numbers of free seats with a row, the lowest number last.
    free: list[tuple[int, int]]
    next_number: int

    def take(self) -> tuple[int | None, int]:
        """Take a seat: the id of its row, None if that has yet to be made, and its number."""
        self.left -= 1
        if self.free:
            return self.free.pop()
        self.next_number += 1
        return None, self.next_number - 1


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
) -> Callable[[SeatChanges], dict[Place, Stock]]:
    """What each module offered can give, as far as `demand` seats of it may be asked for.

    The modules are locked. Their seats are the grant's; fewer where the row says that some were taken away.
    The number held must stay within the seats, and a low number must be free: with `above` seats held
    beyond them (they were taken away), only `free numbers - above` can be given. What the transaction has
    given back is free.
    """
    if not offers:
        return lambda _changes: {}
    given = words_of(cursor).columns(_offered(offers))
    modules = _ask_modules(cursor, given)
    free = _ask_free(cursor, given, demand)

    def read(changes: SeatChanges) -> dict[Place, Stock]:
        found = modules()
        above = max((module.above for module in found), default=0)
        lists = (_ask_free(cursor, given, demand + above) if above else free)()
        back = changes.given_back()
        return {
            module.place: _stock(module, lists.get(module.id, []), back.get(module.id, ()))
            for module in found
        }

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


def _stock(row: _ModuleRow, free: list[tuple[int, int]], back: Collection[HeldSeat]) -> Stock:
    above, taken = row.above, row.taken
    if back:
        within = [(seat.id, seat.number) for seat in back if seat.number <= row.seats]
        above, taken = above - (len(back) - len(within)), taken - len(back)
        free += within
    if len(free) > 1:
        free.sort(key=itemgetter(1), reverse=True)
    left = min(len(free) + row.seats - row.highest - above, row.seats - taken)
    if row.ceiling is not None:
        left = min(left, row.ceiling - taken)
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
    """By module: ids and numbers of free seat rows within the seats, the lowest numbers."""
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
