"""Checkout: one batch of log-ins, judged in their order, each with an outcome of its own."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from itertools import chain

from django.db.backends.utils import CursorWrapper

from .endings import ask_overdue, lock_and_end
from .errors import Refused
from .lease_ids import REMEMBERED, IdsOfKeys, ids_of_keys, new_ids
from .lease_rows import Claim, LeaseRow, NotTaken, Repeated, ask_repeated, encode, held_lease
from .lease_values import Checkout, CheckoutRequest
from .refusals import Refusal, full_modules, refusal_of, store_refusals
from .seats import Place, Stock, TakenSeat, ask_stock, store_taken
from .sets import words_of
from .terms import RANK, Offer, Terms

Outcome = Checkout | Refused


def run_checkout(
    cursor: CursorWrapper, requests: Sequence[CheckoutRequest], now: datetime, terms: Terms
) -> list[Outcome]:
    """Carry out a batch of checkouts, their modules being locked (`lock_ahead`).

    Its statements do not grow with the batch.
    """
    keys = {(r.client_id, r.idempotency_key) for r in requests if r.idempotency_key is not None}
    ids = ids_of_keys(keys, now)
    overdue = ask_overdue(cursor, now)
    stock, repeated = _ask_what_is(cursor, requests, terms, ids)
    if found := overdue():
        lock_and_end(cursor, found, now)
        stock, repeated = _ask_what_is(cursor, requests, terms, ids)
    batch = _Batch(
        terms, now, stock(), ids, new_ids(sum(r.idempotency_key is None for r in requests)), repeated()
    )
    for request in requests:
        batch.carry_out(request)
    batch.store(cursor)
    return batch.outcomes


def offers_for(requests: Iterable[CheckoutRequest], terms: Terms) -> list[Offer]:
    """Every offer that one of the requests may get."""
    codes = {code for request in requests for code in (*request.modules, *request.optional)}
    return [offer for code in codes for offer in terms.offers.get(code, ())]


def _demand(requests: Iterable[CheckoutRequest]) -> int:
    """The most seats that may be asked of one module."""
    counts = Counter(code for request in requests for code in (*request.modules, *request.optional))
    return max(counts.values(), default=0)


def _ask_what_is(
    cursor: CursorWrapper, requests: Sequence[CheckoutRequest], terms: Terms, ids: IdsOfKeys
) -> tuple[Callable[[], dict[Place, Stock]], Callable[[], Repeated]]:
    """What can be given, and the leases that requests repeat."""
    return (
        ask_stock(cursor, offers_for(requests, terms), _demand(requests)),
        ask_repeated(cursor, chain.from_iterable(ids.values())) if ids else dict,
    )


@dataclass(slots=True)
class _Batch:
    """A batch under way: what is left to give falls as requests are granted, one after another."""

    terms: Terms
    now: datetime
    stock: dict[Place, Stock]
    ids: IdsOfKeys
    # For requests without a key, one each; what is left over is never used.
    drawn_ids: list[str]
    repeated: Repeated
    outcomes: list[Outcome] = field(default_factory=list)
    given: list[tuple[CheckoutRequest, LeaseRow]] = field(default_factory=list)
    taken: list[TakenSeat] = field(default_factory=list)
    refused: list[tuple[CheckoutRequest, Refusal]] = field(default_factory=list)
    full: list[tuple[int, Refusal]] = field(default_factory=list)

    def carry_out(self, request: CheckoutRequest) -> None:
        """Judge one request and note what is to be written for it."""
        known = self._known(request) if request.idempotency_key is not None else None
        if known is not None:
            self._repeat(request, *known)
            return
        picked = self._pick_all(request)
        if isinstance(picked, Refusal):
            self._refuse(request, picked)
        else:
            self._give(request, picked)

    def _known(self, request: CheckoutRequest) -> tuple[LeaseRow, str] | None:
        """The lease that was given for the request's key; one from 24 h ago is forgotten."""
        for lease_id in self._ids_of(request):
            known = self.repeated.get(lease_id)
            if known is not None and known[0].taken_at > self.now - REMEMBERED:
                return known
        return None

    def _ids_of(self, request: CheckoutRequest) -> tuple[str, str]:
        return self.ids[request.client_id, request.idempotency_key or ""]

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

    def _give(self, request: CheckoutRequest, picked: list[Offer]) -> None:
        not_taken = []
        for code in request.optional:
            offer = self._pick(request, code)
            if isinstance(offer, str):
                not_taken.append(NotTaken(code, offer))
            else:
                picked.append(offer)
        lease_id = self._ids_of(request)[0] if request.idempotency_key is not None else self.drawn_ids.pop()
        claims = tuple([self._take(offer, lease_id) for offer in picked])
        limit = min([offer.ends_at for offer in picked])
        expires_at = min(self.now + self.terms.inactivity, limit)
        row = LeaseRow(
            lease_id, request.client_id, request.user, request.workstation, claims, tuple(not_taken), {},
            self.now, self.now, expires_at, _ends_as(picked, expires_at), None, "", limit,
        )  # fmt: skip
        self.given.append((request, row))
        if request.idempotency_key is not None:
            self.repeated[lease_id] = (row, request.body_sha256)
        self.outcomes.append(Checkout(partial(held_lease, row, self.terms, self.now), replayed=False))

    def _take(self, offer: Offer, lease_id: str) -> Claim:
        stock = self.stock[offer.place]
        seat_id, number = stock.take()
        self.taken.append(TakenSeat(seat_id, stock.module_id, number, lease_id))
        return Claim(offer.module.code, offer.key, None if offer.module.seats is None else number)

    def store(self, cursor: CursorWrapper) -> None:
        """Write everything down: leases, seats, refusals; then read who holds what was full."""
        if self.given:
            _store_leases(cursor, self.given)
            store_taken(cursor, self.taken)
        if self.refused:
            store_refusals(cursor, self.refused, self.now)
        if self.full:
            told = full_modules(
                cursor, [refusal for _, refusal in self.full], self.stock, self.terms, self.now
            )
            for (place, _), refused in zip(self.full, told, strict=True):
                self.outcomes[place] = refused


def _ends_as(offers: Sequence[Offer], end: datetime) -> str:
    """With which reason a new lease would end then."""
    for offer in offers:
        if offer.contact_deadline == end:
            return "contact_lost"
    return "module_expired" if any(offer.module_end == end for offer in offers) else "expired"


_LEASE = {
    "id": "id", "client_id": "number", '"user"': "text", "workstation": "text", "program_name": "text",
    "program_version": "text", "built_on": "date", "modules": "json", "not_taken": "json",
    "withdrawn": "json", "taken_at": "instant", "last_seen_at": "instant", "expires_at": "instant",
    "expires_as": "text", "ended_reason": "text", "idempotency_key": "text", "body_sha256": "text",
}  # fmt: skip


def _store_leases(cursor: CursorWrapper, given: Sequence[tuple[CheckoutRequest, LeaseRow]]) -> None:
    words = words_of(cursor)
    instant = words.instant
    rows = [
        (
            row.id, row.client_id, row.user, row.workstation, request.program.name, request.program.version,
            request.program.built_on, encode(row.claims).decode(), encode(row.not_taken).decode(), "{}",
            instant(row.taken_at), instant(row.last_seen_at), instant(row.expires_at), row.expires_as, "",
            request.idempotency_key, request.body_sha256,
        )
        for request, row in given
    ]  # fmt: skip
    words.insert(cursor, "licensing_lease", _LEASE, rows)
