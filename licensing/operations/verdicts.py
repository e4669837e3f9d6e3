"""Carrying out what was judged of leases: some end, the others go on."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from django.db.backends.utils import CursorWrapper
from msgspec.structs import replace

from .actors import PORTAL, Actor
from .endings import Ending, end_leases
from .events import record
from .installation import bump_version, lock_installation
from .lease_rows import LeaseRow, encode, read_leases, write_withdrawn
from .lease_values import Promise, id_of
from .seats import Place
from .sets import words_of
from .standing import Seats, Standing, read_seats, stand
from .terms import Terms

EDITED = "database edited"


def carry_out(
    cursor: CursorWrapper,
    rows: Mapping[str, LeaseRow],
    verdicts: Mapping[str, Standing | Ending],
    now: datetime,
    *,
    heard: bool = False,
) -> None:
    """Write the verdicts down, in the rows at hand too; `heard`: the leases' programs called just now."""
    endings = {key: end for key, end in verdicts.items() if isinstance(end, Ending)}
    standing = {key: go for key, go in verdicts.items() if isinstance(go, Standing)}
    if endings:
        _end(cursor, rows, endings, now)
    if standing:
        _go_on(cursor, rows, standing, now if heard else None)


def reckon(
    cursor: CursorWrapper,
    ids: Collection[str],
    terms: Terms,
    now: datetime,
    promises: Sequence[Promise] = (),
) -> int:
    """Judge these leases anew, though nobody called: until when they go on, or that they end.

    What was promised of them counts as written down. Where one is found to end, or a seat of it to be taken
    away, the installation's version is raised: an engine may keep it in memory. Gives the number of those
    that end.
    """
    if not ids:
        return 0
    lock_installation()
    rows = {key: row for key, row in read_leases(cursor, ids, lock=True).items() if row.ended_at is None}
    seats = read_seats(cursor, rows)
    for promise in promises:
        if (promised := rows.get(promise.key)) is not None:
            if promise.heard_at is not None and promise.until > promised.expires_at:
                seats[promise.key] = _later(cursor, promised, seats.get(promise.key, []), promise.until)
            promised.expires_at = max(promised.expires_at, promise.until)
            promised.last_seen_at = max(promised.last_seen_at, promise.heard_at or promised.last_seen_at)
    verdicts = {key: stand(row, seats.get(key, []), terms, now, row.expires_at) for key, row in rows.items()}
    carry_out(cursor, rows, verdicts, now)
    if any(isinstance(verdict, Ending) or verdict.marks for verdict in verdicts.values()):
        bump_version()
    return sum(row.ended_at is not None for row in rows.values())


def record_release(row: LeaseRow, now: datetime, actor: Actor, reason: str) -> None:
    """Record that a lease was ended by whoever may, and why."""
    record(
        "lease_released",
        now,
        actor,
        id_of(row.id),
        user=row.user,
        workstation=row.workstation,
        modules=[claim.code for claim in row.claims],
        reason=reason,
    )


def _end(
    cursor: CursorWrapper, rows: Mapping[str, LeaseRow], endings: Mapping[str, Ending], now: datetime
) -> None:
    for lease_id in end_leases(cursor, endings):
        if endings[lease_id].reason == "released_by_admin":
            record_release(rows[lease_id], now, PORTAL, EDITED)
    for lease_id, ending in endings.items():
        rows[lease_id].ended_at, rows[lease_id].ended_reason = ending.at, ending.reason


def _go_on(
    cursor: CursorWrapper,
    rows: Mapping[str, LeaseRow],
    standing: Mapping[str, Standing],
    seen_at: datetime | None,
) -> None:
    words = words_of(cursor)
    for lease_id, go in standing.items():
        row = rows[lease_id]
        row.expires_at, row.expires_as = go.expires_at, go.expires_as
        row.limit = go.limit
        row.last_seen_at = seen_at or row.last_seen_at
    cursor.execute(
        "UPDATE licensing_lease SET last_seen_at = r.seen, expires_at = r.ends, expires_as = r.reason"  # noqa: S608
        f" FROM {words.rows('r', lease='id', seen='instant', ends='instant', reason='text')}"
        " WHERE licensing_lease.id = r.lease",
        words.columns(
            [
                (key, words.instant(rows[key].last_seen_at), words.instant(go.expires_at), go.expires_as)
                for key, go in standing.items()
            ]
        ),
    )
    for lease_id, go in standing.items():
        if go.marks:
            _mark(cursor, rows[lease_id], go.marks)


def _later(cursor: CursorWrapper, row: LeaseRow, seats: Seats, until: datetime) -> Seats:
    """Seats that were taken away at the end written of their lease: a heartbeat had been told a later one.

    They end at the lease's end of that moment (contract, lease-api.md).
    """
    marks = {seat.place: until for seat in seats if seat.ends_at == row.expires_at}
    if not marks:
        return seats
    _mark(cursor, row, marks)
    return [replace(seat, ends_at=until) if seat.place in marks else seat for seat in seats]


def _mark(cursor: CursorWrapper, row: LeaseRow, marks: Mapping[Place, datetime]) -> None:
    """Mark seats as taken away: when each ends."""
    words = words_of(cursor)
    for (key_id, code), ends_at in marks.items():
        row.withdrawn[code] = ends_at
        cursor.execute(
            "UPDATE licensing_seat SET ends_at = %s WHERE lease_id ="
            " (SELECT row_number FROM licensing_lease WHERE id = %s) AND module_id IN"
            " (SELECT id FROM licensing_module WHERE key_id = %s AND code = %s)",
            [words.instant(ends_at), row.id, key_id, code],
        )
    text = encode(write_withdrawn(row.withdrawn)).decode()
    cursor.execute(
        f"UPDATE licensing_lease SET withdrawn = %s{words.json} WHERE id = %s",  # noqa: S608
        [text, row.id],
    )
