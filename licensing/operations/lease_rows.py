"""Leases as the database keeps them, read in one statement, and told as `HeldLease`."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

import msgspec
from django.db.backends.utils import CursorWrapper

from licensing.protocol.errors import MalformedMessage
from licensing.protocol.times import format_instant, parse_instant

from .lease_ids import REMEMBERED, STEM_DIGITS
from .lease_values import HeldLease, HeldModule, id_of
from .sets import Words, ask, words_of
from .terms import Terms

Part = TypeVar("Part")


class Claim(msgspec.Struct, frozen=True, gc=False):
    """A module of a lease as it was given: `seat` is None where seats are not counted."""

    code: str
    key: str
    seat: int | None


class NotTaken(msgspec.Struct, frozen=True, gc=False):
    """An optional module that was not given, and why."""

    code: str
    reason: str


class LeaseRow(msgspec.Struct, gc=False):
    """One lease's row. `withdrawn` has the instants at which seats end that the vendor took away.

    `limit` is no column: see `HeldLease`.
    """

    id: str
    client_id: int
    user: str
    workstation: str
    claims: tuple[Claim, ...]
    not_taken: tuple[NotTaken, ...]
    withdrawn: dict[str, datetime]
    taken_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    expires_as: str
    ended_at: datetime | None
    ended_reason: str
    limit: datetime | None = None


# That a lease lives, where something else finds it: for `ended_at IS NULL` PostgreSQL would read the index of
# live leases, and that whole.
LIVE = "ended_reason = ''"
# The reasons with which a lease may end by time alone.
ENDS_BY_ITSELF = ("expired", "contact_lost", "module_expired", "withdrawn")

encode = msgspec.json.encode
_claims = msgspec.json.Decoder(tuple[Claim, ...])
_not_taken = msgspec.json.Decoder(tuple[NotTaken, ...])
_withdrawn = msgspec.json.Decoder(dict[str, str])
_COLUMNS = (
    'l.id, l.client_id, l."user", l.workstation, l.modules, l.not_taken, l.withdrawn, l.taken_at,'
    " l.last_seen_at, l.expires_at, l.expires_as, l.ended_at, l.ended_reason"
)


def read_leases(cursor: CursorWrapper, ids: Iterable[str], *, lock: bool = False) -> dict[str, LeaseRow]:
    """The rows of these leases by id, locked in the order of their ids where asked."""
    return ask_leases(cursor, ids, lock=lock)()


def ask_leases(
    cursor: CursorWrapper, ids: Iterable[str], *, lock: bool = False
) -> Callable[[], dict[str, LeaseRow]]:
    """As `read_leases`, read later."""
    words = words_of(cursor)
    order = f" ORDER BY l.row_number{words.for_update}" if lock and words.for_update else ""
    rows = ask(
        cursor,
        f"SELECT {_COLUMNS} FROM licensing_lease l WHERE l.id IN {words.among('id')}{order}",  # noqa: S608
        [words.members(ids)],
    )
    return lambda: {row.id: row for row in (_read(words, values) for values in rows())}


def _by_itself(reason: str) -> str:
    return reason if reason in ENDS_BY_ITSELF else "expired"


# By the stem of its ids: the last lease that was given for an idempotency key, and the hash of its body.
Repeated = dict[str, tuple[LeaseRow, str]]


def ask_row_numbers(cursor: CursorWrapper, count: int) -> Callable[[], list[int]]:
    """Numbers for the rows of so many new leases of this transaction."""
    return words_of(cursor).ask_numbers(cursor, "licensing_lease", "row_number", count)


def ask_repeated(cursor: CursorWrapper, stems: Collection[str], now: datetime) -> Callable[[], Repeated]:
    """Of the leases whose ids begin with these digits (`lease_ids.Stem`) those that are remembered at `now`.

    Portal time may have been set back since one was given; of one that seems to come from after tomorrow
    nobody knows when that was.
    """
    if not stems:
        return dict
    words = words_of(cursor)
    first, last = (words.as_id(f"k.stem || '{digit * (32 - STEM_DIGITS)}'") for digit in "0f")
    rows = ask(
        cursor,
        f"SELECT {_COLUMNS}, l.body_sha256 FROM {words.column('k', 'stem', 'text')}"  # noqa: S608
        f" JOIN licensing_lease l ON l.id BETWEEN {first} AND {last} AND l.taken_at > %s AND l.taken_at < %s",
        [words.members(stems), words.instant(now - REMEMBERED), words.instant(now + REMEMBERED)],
    )

    def read() -> Repeated:
        found: Repeated = {}
        for *values, body in rows():
            row = _read(words, values)
            stem = row.id[:STEM_DIGITS]
            known = found.get(stem)
            if known is None or known[0].taken_at < row.taken_at:
                found[stem] = (row, body)
        return found

    return read


def _read(words: Words, values: Sequence[Any]) -> LeaseRow:
    lease_id, client_id, user, workstation, modules, not_taken, withdrawn, *instants = values
    taken_at, last_seen_at, expires_at, expires_as, ended_at, ended_reason = instants
    return LeaseRow(
        words.read_id(lease_id),
        client_id,
        user,
        workstation,
        _decoded(_claims, modules) or (),
        () if not_taken == "[]" else _decoded(_not_taken, not_taken) or (),
        {} if withdrawn == "{}" else _read_withdrawn(withdrawn),
        words.read_instant(taken_at),
        words.read_instant(last_seen_at),
        words.read_instant(expires_at),
        _by_itself(expires_as),
        None if ended_at is None else words.read_instant(ended_at),
        ended_reason,
    )


def _decoded(decoder: msgspec.json.Decoder[Part], text: str) -> Part | None:
    """What was stored; None for what a hand has made of it."""
    try:
        return decoder.decode(text)
    except msgspec.ValidationError:
        return None


def _read_withdrawn(text: str) -> dict[str, datetime]:
    try:
        return {code: parse_instant(at) for code, at in (_decoded(_withdrawn, text) or {}).items()}
    except MalformedMessage:
        return {}


def write_withdrawn(withdrawn: Mapping[str, datetime]) -> dict[str, str]:
    """What `Lease.withdrawn` keeps."""
    return {code: format_instant(instant) for code, instant in withdrawn.items()}


def held_lease(row: LeaseRow, terms: Terms, now: datetime) -> HeldLease:
    """The lease as the API and the pages tell it."""
    keys = {claim.key: terms.keys[claim.key] for claim in row.claims if claim.key in terms.keys}
    standing = _standing(row, now) or keys if row.withdrawn else keys
    deadlines = [held.contact_deadline for number, held in keys.items() if number in standing]
    return HeldLease(
        id=id_of(row.id),
        state="active" if row.ended_at is None else "ended",
        modules=tuple([_held_module(claim, terms) for claim in row.claims]),
        not_taken=tuple([(missed.code, missed.reason) for missed in row.not_taken]),
        workstation=row.workstation,
        user=row.user,
        taken_at=row.taken_at,
        last_seen_at=row.last_seen_at,
        expires_at=row.expires_at,
        ended_at=row.ended_at,
        ended_reason=row.ended_reason,
        # An ended lease whose keys are gone had a deadline no earlier than its end.
        contact_deadline=min(deadlines, default=row.expires_at),
        withdrawn=tuple(sorted(row.withdrawn)) if row.withdrawn else (),
        inactivity_seconds=terms.inactivity_seconds,
        keys=keys,
        limit=row.limit,
    )


def _standing(row: LeaseRow, now: datetime) -> set[str]:
    """The keys of which the lease still holds a seat: one that was taken away counts until it ends."""
    return {c.key for c in row.claims if (end := row.withdrawn.get(c.code)) is None or end > now}


def _held_module(claim: Claim, terms: Terms) -> HeldModule:
    offer = terms.by_key.get((claim.key, claim.code))
    if offer is None:
        return HeldModule(claim.code, claim.key, claim.seat, None, None)
    module = offer.module
    return HeldModule(claim.code, claim.key, claim.seat, module.expires_on, module.warranty_until)
