"""Modules as they stand: what was bought, what is taken, what a checkout would now be refused for."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from django.db import connection
from django.db.backends.utils import CursorWrapper

from .entitlements import Entitlement, entitlements
from .seats import Place
from .sets import words_of
from .terms import Offer, Terms, offers_of, read_terms


@dataclass(frozen=True, slots=True)
class ModuleRow:
    """A module on a key. `seats` and `free` are None where not counted; both dates are last good days.

    `reason` is the code with which a checkout would now be refused, None where `available`.
    """

    code: str
    name: Mapping[str, str]
    key: str
    seats: int | None
    taken: int
    free: int | None
    available: bool
    reason: str | None
    expires_on: date | None
    warranty_until: date | None
    contact_deadline: datetime


@dataclass(frozen=True, slots=True)
class Holder:
    """A lease that holds a seat of a module; `ends_at` where the vendor took that seat away."""

    lease_id: UUID
    seat: int | None
    workstation: str
    user: str
    taken_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    ends_at: datetime | None


def list_modules(
    now: datetime, built_on: date | None = None, held: Mapping[str, Entitlement] | None = None
) -> list[ModuleRow]:
    """Every module of every active key, by code, then key; `held` where the caller has the entitlements.

    The warranty is a reason only if `built_on` is given. What time has ended is not taken, whether or not
    anyone has written that down.
    """
    offers = offers_of(entitlements() if held is None else held)
    with connection.cursor() as cursor:
        taken = _taken(cursor, now)
    rows = [_row(offer, taken.get(offer.place, 0), now, built_on) for offer in offers]
    return sorted(rows, key=lambda row: (row.code, row.key))


def _row(offer: Offer, taken: int, now: datetime, built_on: date | None) -> ModuleRow:
    module = offer.module
    free = None if module.seats is None else max(0, module.seats - taken)
    reason = offer.refusal(now)
    if reason is None and built_on is not None and offer.out_of_warranty(built_on, now):
        reason = "warranty_expired"
    if reason is None and free == 0:
        reason = "no_free_seat"
    return ModuleRow(
        code=module.code,
        name=module.name,
        key=offer.key,
        seats=module.seats,
        taken=taken,
        free=free,
        available=reason is None,
        reason=reason,
        expires_on=module.expires_on,
        warranty_until=module.warranty_until,
        contact_deadline=offer.contact_deadline,
    )


def _taken(cursor: CursorWrapper, now: datetime) -> dict[Place, int]:
    """How many seats of each module are held: the counters, less what is overdue."""
    instant = words_of(cursor).instant(now)
    cursor.execute("SELECT key_id, code, id, taken FROM licensing_module")
    rows = cursor.fetchall()
    cursor.execute(
        "SELECT o.module_id, COUNT(*) FROM ("
        "SELECT s.module_id, s.id FROM licensing_lease l JOIN licensing_seat s ON s.lease_id = l.row_number"
        " WHERE l.ended_at IS NULL AND l.expires_at <= %s"
        " UNION SELECT s.module_id, s.id FROM licensing_seat s WHERE s.ends_at <= %s"
        ") AS o GROUP BY o.module_id",
        [instant, instant],
    )
    overdue = dict(cursor.fetchall())
    return {(key_id, code): max(0, taken - overdue.get(module, 0)) for key_id, code, module, taken in rows}


def holders(key: str, code: str, now: datetime) -> list[Holder]:
    """Who holds seats of a module on a key now, by the age of their leases."""
    terms = read_terms()
    with connection.cursor() as cursor:
        words = words_of(cursor)
        cursor.execute(
            'SELECT l.id, s.number, l.workstation, l."user", l.taken_at, l.last_seen_at, l.expires_at,'
            " s.ends_at"
            " FROM licensing_seat s JOIN licensing_lease l ON l.row_number = s.lease_id"
            " JOIN licensing_module m ON m.id = s.module_id"
            " JOIN licensing_virtualkey k ON k.id = m.key_id"
            " WHERE k.number = %s AND m.code = %s AND l.ended_at IS NULL AND l.expires_at > %s"
            " AND (s.ends_at IS NULL OR s.ends_at > %s) ORDER BY l.taken_at, s.number",
            [key, code, words.instant(now), words.instant(now)],
        )
        rows = cursor.fetchall()
    counted = _counted(terms, key, code)
    return [
        Holder(
            UUID(hex=words.read_id(lease_id)),
            number if counted else None,
            workstation,
            user,
            words.read_instant(taken_at),
            words.read_instant(last_seen_at),
            words.read_instant(expires_at),
            None if ends_at is None else words.read_instant(ends_at),
        )
        for lease_id, number, workstation, user, taken_at, last_seen_at, expires_at, ends_at in rows
    ]


def _counted(terms: Terms, key: str, code: str) -> bool:
    offer = terms.by_key.get((key, code))
    return offer is None or offer.module.seats is not None
