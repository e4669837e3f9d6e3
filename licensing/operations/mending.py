"""Putting right what hands in the database left: no seat more comes of it, and none is lost for good.

What is wrong is looked for by reading alone; only what was found is locked, judged again and mended.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db import connection
from django.db.backends.utils import CursorWrapper

from licensing.models import Module, Seat

from .endings import places_of
from .installation import lock_installation
from .seat_changes import free_seats
from .seats import Place, lock_modules
from .sets import words_of
from .terms import Offer, Terms, read_terms
from .transactions import in_transaction
from .verdicts import reckon

# As many missing numbers are made at most as a module may have seats: one typed in by hand may be anything.
MOST_NUMBERS = 100_000


def mend(now: datetime) -> int:
    """End leases that do not hold what they say, free seats that nobody holds, set counters and rows right.

    Gives the number of things mended.
    """
    with connection.cursor() as cursor:
        leases, seats = doubtful_leases(cursor), orphaned_seats(cursor)
    mended = 0
    if leases or seats:
        mended += in_transaction(lambda cursor: _mend_leases(cursor, leases, seats, now))
    with connection.cursor() as cursor:
        places = doubtful_modules(cursor, read_terms())
    if places:
        mended += in_transaction(lambda cursor: _mend_modules(cursor, places, now))
    return mended


def doubtful_leases(cursor: CursorWrapper) -> list[str]:
    """Live leases whose seats are not as many as their modules: for a seat taken away, or by a hand."""
    words = words_of(cursor)
    cursor.execute(
        "SELECT l.id FROM licensing_lease l LEFT JOIN licensing_seat s ON s.lease_id = l.row_number"  # noqa: S608
        " WHERE l.ended_at IS NULL GROUP BY l.row_number"
        f" HAVING COUNT(s.id) <> {words.array_length('l.modules')}"
    )
    return [words.read_id(row[0]) for row in cursor.fetchall()]


def orphaned_seats(cursor: CursorWrapper) -> list[int]:
    """Seats held by leases that have ended or are gone."""
    cursor.execute(
        "SELECT s.id FROM licensing_seat s LEFT JOIN licensing_lease l ON l.row_number = s.lease_id"
        " WHERE s.lease_id IS NOT NULL AND (l.id IS NULL OR l.ended_at IS NOT NULL)"
    )
    return [row[0] for row in cursor.fetchall()]


def doubtful_modules(cursor: CursorWrapper, terms: Terms) -> list[Place]:
    """Modules whose row is missing, or whose copies, counter or numbers are not as they should be."""
    counted = count_modules(cursor)
    return [
        place
        for place, offer in terms.by_place.items()
        if place not in counted or not counted[place].is_right(offer)
    ]


@dataclass(frozen=True, slots=True)
class CountedModule:
    """A module's row beside what its seat rows say.

    `held` is the number of seats held; of the numbers up to `highest`, the highest within the seats,
    `numbered` have a row.
    """

    id: int
    seats: int | None
    ceiling: int | None
    taken: int
    held: int
    numbered: int
    highest: int

    def is_right(self, offer: Offer) -> bool:
        """Whether the row follows the grant and the seat rows."""
        right = (offer.module.seats, ceiling(offer, self.held), self.held, self.highest)
        return right == (self.seats, self.ceiling, self.taken, self.numbered)


def ceiling(offer: Offer, held: int) -> int | None:
    """How far the number held may rise: to the seats, or where more are held, not at all."""
    return None if offer.module.seats is None else max(offer.module.seats, held)


def count_modules(cursor: CursorWrapper) -> dict[Place, CountedModule]:
    """Every module with its seat rows counted."""
    within = "m.seats IS NULL OR s.number <= m.seats"
    cursor.execute(
        "SELECT m.key_id, m.code, m.id, m.seats, m.ceiling, m.taken, COUNT(s.lease_id),"  # noqa: S608
        f" COUNT(CASE WHEN {within} THEN s.id END), COALESCE(MAX(CASE WHEN {within} THEN s.number END), 0)"
        " FROM licensing_module m LEFT JOIN licensing_seat s ON s.module_id = m.id GROUP BY m.id"
    )
    return {(row[0], row[1]): CountedModule(*row[2:]) for row in cursor.fetchall()}


def _mend_leases(cursor: CursorWrapper, leases: list[str], seats: list[int], now: datetime) -> int:
    lock_installation()
    ended = reckon(cursor, leases, read_terms(), now)
    still = set(orphaned_seats(cursor)).intersection(seats)
    if still:
        lock_modules(cursor, places_of(cursor, (), still))
        free_seats(cursor, still)
    return ended + len(still)


def _mend_modules(cursor: CursorWrapper, places: Collection[Place], now: datetime) -> int:
    lock_installation()
    terms = read_terms()
    offers = [terms.by_place[place] for place in places if place in terms.by_place]
    make_modules(cursor, [offer.place for offer in offers], terms, now)
    lock_modules(cursor, places)
    counted = count_modules(cursor)
    wrong = [offer for offer in offers if not counted[offer.place].is_right(offer)]
    for offer in wrong:
        row = counted[offer.place]
        Module.objects.filter(pk=row.id).update(
            seats=offer.module.seats, ceiling=ceiling(offer, row.held), taken=row.held
        )
        if row.numbered != row.highest:
            close_gaps(row.id)
    return len(offers)


def make_modules(cursor: CursorWrapper, places: Collection[Place], terms: Terms, now: datetime) -> None:
    """Make the rows of these modules where they are missing.

    A live lease that says it holds one of them cannot: its module was edited away, so it ends.
    """
    if not places:
        return
    seats = {place: terms.by_place[place].module.seats if place in terms.by_place else 0 for place in places}
    Module.objects.bulk_create(
        [Module(key_id=key, code=code, seats=n, ceiling=n) for (key, code), n in seats.items()],
        ignore_conflicts=True,
    )
    reckon(cursor, _claiming(cursor, {code for _, code in places}), terms, now)


def _claiming(cursor: CursorWrapper, codes: Iterable[str]) -> set[str]:
    """Live leases that name one of these modules."""
    words = words_of(cursor)
    found: set[str] = set()
    for code in codes:
        cursor.execute(
            "SELECT id FROM licensing_lease WHERE ended_at IS NULL AND CAST(modules AS text) LIKE %s",
            [f'%"{code}"%'],
        )
        found.update(words.read_id(row[0]) for row in cursor.fetchall())
    return found


def close_gaps(module_id: int) -> None:
    """Make the numbers that are missing below held ones; free ones above a gap are made again when needed."""
    seats = Seat.objects.filter(module_id=module_id)
    missing = _missing(seats.values_list("number", flat=True))
    if not missing:
        return
    seats.filter(number__gt=missing[0], lease__isnull=True).delete()
    rows = [Seat(module_id=module_id, number=n) for n in _missing(seats.values_list("number", flat=True))]
    Seat.objects.bulk_create(rows, ignore_conflicts=True)


def _missing(numbers: Iterable[int]) -> list[int]:
    """The numbers without a row below the highest that has one."""
    known = set(numbers)
    reach = min(max(known, default=0), len(known) + MOST_NUMBERS)
    return [number for number in range(1, reach + 1) if number not in known]
