"""Refused checkouts: what they say, and that they are recorded."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from math import ceil
from operator import attrgetter
from typing import Any, NamedTuple

from django.db.backends.utils import CursorWrapper
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from .errors import Refused, Shared
from .lease_rows import encode
from .lease_values import CheckoutRequest
from .seats import Place, Stock
from .sets import words_of
from .terms import Offer, Terms

_SENTENCES = {
    "module_unknown": _("No active key has the module {codes}."),
    "module_expired": _("The module {codes} has expired."),
    "contact_lost": _(
        "The keys with the module {codes} have been without contact with the vendor for 72 hours."
    ),
    "warranty_expired": _("The warranty of the module {codes} does not cover this version of the program."),
    "no_free_seat": _("All seats of the module {codes} are taken."),
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a checkout is refused: the modules that are the cause, with the offers that give this reason."""

    code: str
    causes: tuple[str, ...] = ()
    offers: Mapping[str, tuple[Offer, ...]] = field(default_factory=dict)
    key: str = ""


def refusal_of(refusal: Refusal) -> Refused:
    """The refusal with what its code adds (lease-api: the table of refusals)."""
    sentence = _SENTENCES.get(refusal.code)
    detail = format_lazy(sentence, codes=", ".join(refusal.causes)) if sentence is not None else ""
    return Refused(refusal.code, detail, **_added(refusal))


def _added(refusal: Refusal) -> dict[str, Any]:
    first = refusal.offers[refusal.causes[0]] if refusal.offers else ()
    if refusal.code == "module_unknown":
        return {"modules": list(refusal.causes)}
    if refusal.code == "key_unknown":
        return {"key": refusal.key}
    if refusal.code == "module_expired":
        return {"expires_on": max(o.module.expires_on for o in first if o.module.expires_on is not None)}
    if refusal.code == "contact_lost":
        return {"contact_deadline": max(offer.contact_deadline for offer in first)}
    if refusal.code == "warranty_expired":
        days = [offer.module.warranty_until for offer in first]
        return {"warranty_until": max(day for day in days if day is not None)}
    return {}


class _Holding(NamedTuple):
    """A seat that is held: by whom, since when, and when it falls free by itself."""

    holder: Shared
    taken_at: datetime
    ends_at: datetime


def full_modules(
    cursor: CursorWrapper,
    refusals: Sequence[Refusal],
    stock: Mapping[Place, Stock],
    terms: Terms,
    now: datetime,
) -> list[Refused]:
    """The refusals `no_free_seat` with each full module's numbers, holders and next free seat."""
    offers = [offer for refusal in refusals for found in refusal.offers.values() for offer in found]
    holdings = _holdings(cursor, {s.module_id for o in offers if (s := stock.get(o.place)) is not None})
    told: dict[tuple[Offer, ...], Shared] = {}
    refused = []
    for refusal in refusals:
        modules = []
        for code, found in refusal.offers.items():
            if found not in told:
                told[found] = _full_module(code, found, stock, holdings, terms)
            modules.append(told[found])
        outcome = refusal_of(refusal)
        outcome.data["modules"] = modules
        next_ones = [module["next_free_at"] for module in modules if module["next_free_at"] is not None]
        if next_ones:
            outcome.data["retry_after"] = max(1, ceil((min(next_ones) - now).total_seconds()))
        refused.append(outcome)
    return refused


def _full_module(
    code: str,
    offers: Iterable[Offer],
    stock: Mapping[Place, Stock],
    holdings: Mapping[int, list[_Holding]],
    terms: Terms,
) -> Shared:
    """One module's numbers, summed over the keys that are only full."""
    seats, held, next_ones = 0, [], []
    for offer in offers:
        seats += offer.module.seats or 0
        module = stock.get(offer.place)
        mine = holdings.get(module.module_id, []) if module is not None else []
        held += mine
        next_ones.append(_next_free_at(offer.module.seats or 0, mine))
    return Shared(
        code=code,
        seats=seats,
        taken=len(held),
        next_free_at=min((at for at in next_ones if at is not None), default=None),
        holders=[holding.holder for holding in held] if terms.name_holders else [],
    )


def _next_free_at(seats: int, held: Sequence[_Holding]) -> datetime | None:
    """When the number held falls below the seats by itself; None where it never does."""
    ends = sorted(holding.ends_at for holding in held)
    must_end = len(ends) - seats
    return ends[must_end] if seats > 0 and 0 <= must_end < len(ends) else None


def _holdings(cursor: CursorWrapper, module_ids: Iterable[int]) -> dict[int, list[_Holding]]:
    """The seats held of each module, the oldest lease first."""
    words = words_of(cursor)
    cursor.execute(
        "SELECT module_id, lease_id, ends_at FROM licensing_seat WHERE lease_id IS NOT NULL"  # noqa: S608
        f" AND module_id IN {words.among('number')} ORDER BY module_id, number",
        [words.members(module_ids)],
    )
    seats = cursor.fetchall()
    leases = _holding_leases(cursor, {lease_id for _, lease_id, _ in seats})
    found: dict[int, list[_Holding]] = {}
    for module_id, lease_id, ends_at in seats:
        holding = leases[lease_id]
        if ends_at is not None:
            holding = holding._replace(ends_at=min(holding.ends_at, words.read_instant(ends_at)))
        found.setdefault(module_id, []).append(holding)
    for held in found.values():
        held.sort(key=attrgetter("taken_at"))
    return found


def _holding_leases(cursor: CursorWrapper, lease_ids: Collection[int]) -> dict[int, _Holding]:
    """Leases that hold seats, by row number: each is read and made once, however many modules it has."""
    words = words_of(cursor)
    cursor.execute(
        'SELECT row_number, workstation, "user", taken_at, last_seen_at, expires_at FROM licensing_lease'  # noqa: S608
        f" WHERE row_number IN {words.among('number')}",
        [words.members(lease_ids)],
    )
    found = {}
    for lease_id, workstation, user, *instants in cursor.fetchall():
        taken_at, last_seen_at, expires_at = [words.read_instant(at) for at in instants]
        holder = Shared(workstation=workstation, user=user, taken_at=taken_at, last_seen_at=last_seen_at)
        found[lease_id] = _Holding(holder, taken_at, expires_at)
    return found


_COLUMNS = {
    "at": "instant", "client_id": "number", '"user"': "text", "workstation": "text", "program_name": "text",
    "program_version": "text", "modules": "json", "causes": "json", "code": "text",
}  # fmt: skip


def store_refusals(
    cursor: CursorWrapper, refused: Iterable[tuple[CheckoutRequest, Refusal]], now: datetime
) -> None:
    """Record who was refused what, for the administrator's page of refusals."""
    words = words_of(cursor)
    at = words.instant(now)
    rows = [
        (
            at, request.client_id, request.user, request.workstation, request.program.name,
            request.program.version, encode((*request.modules, *request.optional)).decode(),
            encode(refusal.causes).decode(), refusal.code,
        )
        for request, refusal in refused
    ]  # fmt: skip
    words.insert(cursor, "licensing_refusal", _COLUMNS, rows)
