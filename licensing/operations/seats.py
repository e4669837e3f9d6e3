"""What of each module can be given. Seat rows alone decide; counters only confirm."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from operator import itemgetter

import msgspec
from django.db.backends.utils import CursorWrapper

from .seat_changes import HeldSeat, SeatChanges
from .sets import ask, words_of
from .terms import Offer

Place = tuple[int, str]
_decode = msgspec.json.Decoder(list[tuple[int, int]]).decode
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
    offered = _offered(offers)
    asked = _ask_modules(cursor, offered, demand)

    def read(changes: SeatChanges) -> dict[Place, Stock]:
        found = asked()
        above = max((module.above for module in found), default=0)
        if above:
            found = _ask_modules(cursor, offered, demand + above)()
        back = changes.given_back()
        return {module.place: _stock(module, back.get(module.id, ())) for module in found}

    return read


class _ModuleRow(msgspec.Struct, frozen=True):
    """A module as it stands.

    The highest number within its seats; how many are held above them; in JSON ids and numbers of free seats
    with a row, the lowest numbers.
    """

    id: int
    key_id: int
    code: str
    seats: int
    ceiling: int | None
    taken: int
    highest: int
    above: int
    free: str

    @property
    def place(self) -> Place:
        return self.key_id, self.code


def _stock(row: _ModuleRow, back: Collection[HeldSeat]) -> Stock:
    above, taken, free = row.above, row.taken, _decode(row.free)
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
    """The modules offered, with the seats that count."""
    return [
        (*offer.place, UNCOUNTED if offer.module.seats is None else offer.module.seats) for offer in offers
    ]


def _ask_modules(
    cursor: CursorWrapper, offered: list[tuple[int, str, int]], demand: int
) -> Callable[[], list[_ModuleRow]]:
    words = words_of(cursor)
    fewer = f"{words.least}(o.seats, COALESCE(m.seats, o.seats))"
    rows = ask(
        cursor,
        "SELECT r.id, r.key_id, r.code, r.seats, r.ceiling, r.taken,"  # noqa: S608
        " COALESCE((SELECT MAX(x.number) FROM licensing_seat x"
        " WHERE x.module_id = r.id AND x.number <= r.seats), 0),"
        " (SELECT COUNT(*) FROM licensing_seat x"
        " WHERE x.module_id = r.id AND x.number > r.seats AND x.lease_id IS NOT NULL),"
        # From the index of free seats, and no further than needed.
        f" (SELECT {words.pairs('x.id', 'x.number')} FROM (SELECT x.id, x.number FROM licensing_seat x"
        " WHERE x.module_id = r.id AND x.lease_id IS NULL AND x.number <= r.seats"
        " ORDER BY x.number LIMIT %s) x)"
        f" FROM (SELECT m.id, m.key_id, m.code, {fewer} AS seats, m.ceiling, m.taken"
        f" FROM {words.rows('o', key_id='number', code='text', seats='number')}"
        " JOIN licensing_module m ON m.key_id = o.key_id AND m.code = o.code) r",
        [demand, *words.columns(offered)],
    )
    return lambda: [_ModuleRow(*row) for row in rows()]
