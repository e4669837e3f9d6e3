"""Checkout: one batch of log-ins, judged in their order, each with an outcome of its own."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from functools import partial

from django.db.backends.utils import CursorWrapper

from .endings import AT_ONCE, Overdue, ask_overdue, lock_and_end
from .errors import Refused
from .lease_ids import REMEMBERED, Stem, day_of, id_on, new_stems, stems_of_keys
from .lease_rows import (
    Claim,
    LeaseRow,
    NotTaken,
    Repeated,
    ask_repeated,
    ask_row_numbers,
    encode,
    held_lease,
)
from .lease_values import Checkout, CheckoutRequest
from .refusals import Refusal, full_modules, refusal_of, store_refusals
from .seat_changes import GivenSeat, SeatChanges
from .seats import Place, Stock, ask_stock
from .sets import words_of
from .terms import RANK, Offer, Terms

Outcome = Checkout | Refused
# What was asked so long before it is carried out is asked again.
SOON = timedelta(milliseconds=50)


class Checkouts:
    """A batch of checkouts: asks for what they have to know, then carries them out.

    The statements do not grow with the batch.
    """

    def __init__(
        self,
        cursor: CursorWrapper,
        requests: Sequence[CheckoutRequest],
        terms: Terms,
        now: datetime,
        changes: SeatChanges,
    ) -> None:
        self._cursor, self._requests, self._terms, self._changes = cursor, requests, terms, changes
        counts = Counter(code for request in requests for code in (*request.modules, *request.optional))
        self._offers, self._demand = _offers_of(counts, terms), max(counts.values(), default=0)
        self._numbers = ask_row_numbers(cursor, len(requests))
        self._stems = _stems_of(requests)
        self._ask_known(now)

    def ask_free(self) -> None:
        """Ask for what is free: the modules are locked by the time at which that is read."""
        self._overdue = ask_overdue(self._cursor, self._asked_at, at_most=AT_ONCE)
        self._ask_stock()

    def carry_out(self, now: datetime) -> list[Outcome]:
        """Give each request its lease, or say why not; what was given back to `changes` can be given out."""
        if now - self._asked_at > SOON:
            # The locks were long in coming: more is overdue.
            self._ask_known(now)
            self.ask_free()
        if found := self._overdue():
            self._end(found, now)
        stock, known = self._stock(self._changes), self._known()
        batch = _Batch(self._terms, now, stock, self._changes, self._numbers(), known, day_of(now))
        for request, stem in zip(self._requests, self._stems, strict=True):
            batch.carry_out(request, stem)
        batch.store(self._cursor)
        return batch.outcomes

    def _end(self, found: Overdue, now: datetime) -> None:
        """End what is overdue; where that is much, those first that ended first, as far as it matters here.

        What is left is ended by the checkouts after this one, or when the worker tidies.
        """
        self._changes.store(self._cursor)
        while found:
            lock_and_end(self._cursor, found, now)
            self._ask_known(now)
            self._ask_stock()
            if not found.is_cut_short:
                return
            found = self._overdue_for_us(now)

    def _overdue_for_us(self, now: datetime) -> Overdue:
        """What is still overdue of modules with too few free seats, and leases that are asked for again."""
        short = [place for place, one in self._stock(self._changes).items() if one.left < self._demand]
        found = ask_overdue(self._cursor, now, at_most=AT_ONCE, of=short)() if short else Overdue([], [])
        again = [
            row.id for row, _ in self._known().values() if row.ended_at is None and row.expires_at <= now
        ]
        return replace(found, leases=[*found.leases, *again])

    def _ask_known(self, now: datetime) -> None:
        """Ask for the leases that were given for the requests' keys."""
        self._asked_at = now
        of_keys = zip(self._requests, self._stems, strict=True)
        stems = [stem[0] for request, stem in of_keys if request.idempotency_key is not None]
        self._known = ask_repeated(self._cursor, stems, now)

    def _ask_stock(self) -> None:
        self._stock = ask_stock(self._cursor, self._offers, self._demand)


def offers_for(requests: Iterable[CheckoutRequest], terms: Terms) -> list[Offer]:
    """Every offer that one of the requests may get."""
    return _offers_of({code for request in requests for code in (*request.modules, *request.optional)}, terms)


def _offers_of(codes: Iterable[str], terms: Terms) -> list[Offer]:
    return [offer for code in codes for offer in terms.offers.get(code, ())]


def _stems_of(requests: Sequence[CheckoutRequest]) -> list[Stem]:
    """Of each request what its lease's id is made of."""
    keys = [(r.client_id, r.idempotency_key) for r in requests if r.idempotency_key is not None]
    of_keys = iter(stems_of_keys(keys))
    drawn = iter(new_stems(len(requests) - len(keys)))
    return [next(drawn if r.idempotency_key is None else of_keys) for r in requests]


@dataclass(slots=True)
class _Batch:
    """A batch under way: what is left to give falls as requests are granted, one after another."""

    terms: Terms
    now: datetime
    stock: dict[Place, Stock]
    changes: SeatChanges
    # Of rows of new leases; what is left over is never used.
    row_numbers: list[int]
    repeated: Repeated
    day: int
    outcomes: list[Outcome] = field(default_factory=list)
    given: list[tuple[CheckoutRequest, int, LeaseRow]] = field(default_factory=list)
    refused: list[tuple[CheckoutRequest, Refusal]] = field(default_factory=list)
    full: list[tuple[int, Refusal]] = field(default_factory=list)

    def carry_out(self, request: CheckoutRequest, stem: Stem) -> None:
        """Judge one request and note what is to be written for it."""
        known = self.repeated.get(stem[0])
        if known is not None and known[0].taken_at > self.now - REMEMBERED:
            self._repeat(request, *known)
            return
        picked = self._pick_all(request)
        if isinstance(picked, Refusal):
            self._refuse(request, picked)
        else:
            self._give(request, picked, stem)

    def _repeat(self, request: CheckoutRequest, row: LeaseRow, body: str) -> None:
        if body != request.body_sha256:
            self._refuse(request, Refusal("idempotency_key_reused"))
            return
        self.outcomes.append(Checkout(partial(held_lease, row, self.terms, self.now), replayed=True))

    def _refuse(self, request: CheckoutRequest, refusal: Refusal) -> None:
        self.refused.append((request, refusal))
        if refusal.code == "no_free_seat":
            # Who holds the seats is read once, after the batch.
            self.full.append((len(self.outcomes), refusal))
        self.outcomes.append(refusal_of(refusal))

    def _pick_all(self, request: CheckoutRequest) -> list[Offer] | Refusal:
        """An offer for each module required, or the refusal that comes first in the contract's order."""
        if request.key is not None and request.key not in self.terms.keys:
            return Refusal("key_unknown", key=request.key)
        picked: list[Offer] = []
        reasons: dict[str, str] = {}
        for code in request.modules:
            offer = self._pick(request, code)
            if isinstance(offer, str):
                reasons[code] = offer
            else:
                picked.append(offer)
        if not reasons:
            return picked
        first = min(reasons.values(), key=RANK.__getitem__)
        causes = tuple(code for code, reason in reasons.items() if reason == first)
        offers = {
            code: tuple(o for o in self._offers(request, code) if self._reason(o, request) == first)
            for code in causes
        }
        return Refusal(first, causes, offers)

    def _offers(self, request: CheckoutRequest, code: str) -> tuple[Offer, ...]:
        offers = self.terms.offers.get(code, ())
        return offers if request.key is None else tuple(o for o in offers if o.key == request.key)

    def _pick(self, request: CheckoutRequest, code: str) -> Offer | str:
        """The best offer that can be given now; else the last reason of the table that a key gives."""
        last = "module_unknown"
        for offer in self._offers(request, code):
            reason = self._reason(offer, request)
            if reason is None:
                return offer
            if RANK[reason] > RANK[last]:
                last = reason
        return last

    def _reason(self, offer: Offer, request: CheckoutRequest) -> str | None:
        reason = offer.refusal(self.now)
        if reason is not None:
            return reason
        if offer.out_of_warranty(request.program.built_on, self.now):
            return "warranty_expired"
        stock = self.stock.get(offer.place)
        return None if stock is not None and stock.left > 0 else "no_free_seat"

    def _give(self, request: CheckoutRequest, picked: list[Offer], stem: Stem) -> None:
        not_taken = []
        for code in request.optional:
            offer = self._pick(request, code)
            if isinstance(offer, str):
                not_taken.append(NotTaken(code, offer))
            else:
                picked.append(offer)
        row_number = self.row_numbers[len(self.given)]
        lease_id = id_on(stem, self.day)
        claims = tuple([self._take(offer, row_number) for offer in picked])
        limit = min([offer.ends_at for offer in picked])
        expires_at = min(self.now + self.terms.inactivity, limit)
        row = LeaseRow(
            lease_id, request.client_id, request.user, request.workstation, claims, tuple(not_taken), {},
            self.now, self.now, expires_at, _ends_as(picked, expires_at, limit), None, "", limit,
        )  # fmt: skip
        self.given.append((request, row_number, row))
        if request.idempotency_key is not None:
            self.repeated[stem[0]] = (row, request.body_sha256)
        self.outcomes.append(Checkout(partial(held_lease, row, self.terms, self.now), replayed=False))

    def _take(self, offer: Offer, row_number: int) -> Claim:
        stock = self.stock[offer.place]
        seat_id, number = stock.take()
        self.changes.give(GivenSeat(seat_id, stock.module_id, number, row_number))
        return Claim(offer.module.code, offer.key, None if offer.module.seats is None else number)

    def store(self, cursor: CursorWrapper) -> None:
        """Write everything down: leases, seats, refusals; then read who holds what was full."""
        if self.given:
            _store_leases(cursor, self.given)
        self.changes.store(cursor)
        if self.refused:
            store_refusals(cursor, self.refused, self.now)
        if self.full:
            told = full_modules(
                cursor, [refusal for _, refusal in self.full], self.stock, self.terms, self.now
            )
            for (place, _), refused in zip(self.full, told, strict=True):
                self.outcomes[place] = refused


def _ends_as(offers: Sequence[Offer], end: datetime, limit: datetime) -> str:
    """With which reason a new lease would end then; `limit` is the earliest end of an offer."""
    if end < limit:
        return "expired"
    return "contact_lost" if any(offer.contact_deadline == end for offer in offers) else "module_expired"


_LEASE = {
    "row_number": "number", "id": "id", "client_id": "number", '"user"': "text", "workstation": "text",
    "program_name": "text", "program_version": "text", "built_on": "date", "modules": "json",
    "not_taken": "json", "withdrawn": "json", "taken_at": "instant", "last_seen_at": "instant",
    "expires_at": "instant", "expires_as": "text", "ended_reason": "text", "idempotency_key": "text",
    "body_sha256": "text",
}  # fmt: skip


def _store_leases(cursor: CursorWrapper, given: Sequence[tuple[CheckoutRequest, int, LeaseRow]]) -> None:
    words = words_of(cursor)
    instant = words.instant
    rows = [
        (
            row_number, row.id, row.client_id, row.user, row.workstation, request.program.name,
            request.program.version, _day(request.program.built_on), encode(row.claims).decode(),
            encode(row.not_taken).decode(), "{}", instant(row.taken_at), instant(row.last_seen_at),
            instant(row.expires_at), row.expires_as, "", request.idempotency_key, request.body_sha256,
        )
        for request, row_number, row in given
    ]  # fmt: skip
    words.insert(cursor, "licensing_lease", _LEASE, rows)


def _day(day: date | None) -> str | None:
    # As both databases read it; SQLite's driver would look for how to write a date, each time.
    return None if day is None else day.isoformat()
