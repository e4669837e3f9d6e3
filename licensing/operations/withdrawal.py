"""What a grant, or the loss of a key, does to the leases that are held."""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta

from django.db.backends.utils import CursorWrapper
from django.db.models import F, Max

from licensing.models import Lease, Module, Seat, VirtualKey
from licensing.protocol.messages import Grant, GrantedModule
from licensing.protocol.times import format_instant

from .endings import Ending, ask_overdue, end_leases, end_overdue, places_of
from .installation import bump_version
from .mending import close_gaps, make_modules
from .seats import UNCOUNTED, Place, lock_modules
from .serials import note_serial
from .sets import words_of
from .terms import Terms, read_terms
from .transactions import in_transaction
from .verdicts import reckon

# By how much a heartbeat under way may be judged by a later time than a contact that it does not see yet.
LATE = timedelta(minutes=1)


def apply_grant(key: VirtualKey, grant: Grant, now: datetime) -> None:
    """Let modules and seats follow a grant that was just accepted and stored, in the same transaction.

    Held seats beyond the grant end at their lease's `expires_at` of this moment; those that the grant
    brings back go on as if nothing had happened.
    """
    in_transaction(lambda cursor: _apply(cursor, key.pk, grant, now))


def _apply(cursor: CursorWrapper, key_id: int, grant: Grant, now: datetime) -> None:
    bump_version()
    note_serial(grant.key, grant.serial)
    held = set(Module.objects.filter(key_id=key_id).values_list("key_id", "code"))
    _lock_and_tidy(cursor, held, [], now)
    terms = read_terms()
    make_modules(cursor, {(key_id, module.code) for module in grant.modules} - held, terms, now)
    touched: set[str] = set()
    for module in Module.objects.filter(key_id=key_id).order_by("id"):
        touched |= _follow(module, grant.module(module.code), grant.key)
    reckon(cursor, touched | _beyond_deadlines(cursor, terms, now), terms, now)


def clamp_to_deadlines(now: datetime) -> None:
    """Shorten leases that would outlive what the vendor's words give now."""
    in_transaction(lambda cursor: _clamp(cursor, now))


def _clamp(cursor: CursorWrapper, now: datetime) -> None:
    bump_version()
    terms = read_terms()
    _lock_and_tidy(cursor, set(), [], now)
    reckon(cursor, _beyond_deadlines(cursor, terms, now), terms, now)


def end_leases_of_key(key_number: str, reason: str, now: datetime) -> int:
    """End every lease that holds a module of the key, with `reason`; its modules and seats are no more.

    Gives the number of leases ended.
    """
    return in_transaction(lambda cursor: _end_of_key(cursor, key_number, reason, now))


def _end_of_key(cursor: CursorWrapper, number: str, reason: str, now: datetime) -> int:
    bump_version()
    modules = Module.objects.filter(key__number=number)
    _lock_and_tidy(cursor, set(modules.values_list("key_id", "code")), _holders(number), now)
    # Now that the modules are locked: a lease may have been given while that was waited for.
    ended = end_leases(cursor, {key: Ending(now, reason) for key in _holders(number)})
    modules.delete()
    return len(ended)


def _holders(key_number: str) -> set[str]:
    """Leases that hold a seat of the key."""
    held = Seat.objects.filter(module__key__number=key_number, lease__isnull=False)
    return {lease_id.hex for lease_id in held.values_list("lease__id", flat=True)}


def _lock_and_tidy(cursor: CursorWrapper, places: set[Place], leases: Collection[str], now: datetime) -> None:
    """Lock the modules that will be touched, all at once, and end what is overdue."""
    overdue = ask_overdue(cursor, now)()
    lock_modules(cursor, places | places_of(cursor, [*overdue.leases, *leases], overdue.seats))
    if overdue:
        end_overdue(cursor, overdue, now)


def _follow(module: Module, granted: GrantedModule | None, key_number: str) -> set[str]:
    """Let one module follow its grant. Gives the leases whose end must be reckoned anew."""
    seats = 0 if granted is None else granted.seats
    reach = UNCOUNTED if seats is None else seats
    if (seats is None) != (module.seats is None):
        _number_by_age(module, key_number, counted=seats is not None)
    free = module.seat_rows.filter(lease__isnull=True)
    free.filter(number__gt=reach).delete()
    held = module.seat_rows.filter(lease__isnull=False)
    touched = _take_away(module.code, held.filter(number__gt=reach, ends_at__isnull=True))
    touched |= _give_back(module.code, held.filter(number__lte=reach, ends_at__isnull=False))
    taken = held.count() if seats != module.seats else module.taken
    ceiling = None if seats is None else max(seats, taken)
    if granted is None and not taken and not held.exists():
        module.delete()
    elif (seats, ceiling, taken) != (module.seats, module.ceiling, module.taken):
        Module.objects.filter(pk=module.pk).update(seats=seats, ceiling=ceiling, taken=taken)
        # Free seats beyond a smaller grant were dropped; between those that stayed, numbers are missing.
        close_gaps(module.pk)
    return touched


def _take_away(code: str, seats: "Iterable[Seat]") -> set[str]:
    """Held seats end at their lease's `expires_at` of this moment."""
    rows = list(seats)
    leases = _locked(rows)
    for seat in rows:
        lease = leases[seat.lease_id]
        seat.ends_at = lease.expires_at
        lease.withdrawn[code] = format_instant(lease.expires_at)
    return _store(rows, leases.values())


def _give_back(code: str, seats: "Iterable[Seat]") -> set[str]:
    """Seats that were to end go on."""
    rows = list(seats)
    leases = _locked(rows)
    for seat in rows:
        seat.ends_at = None
        leases[seat.lease_id].withdrawn.pop(code, None)
    return _store(rows, leases.values())


def _locked(seats: Iterable[Seat]) -> dict[object, Lease]:
    ids = [seat.lease_id for seat in seats if seat.lease_id is not None]
    return {lease.pk: lease for lease in Lease.objects.select_for_update().filter(pk__in=ids).order_by("pk")}


def _store(seats: list[Seat], leases: Iterable[Lease]) -> set[str]:
    stored = list(leases)
    Seat.objects.bulk_update(seats, ["ends_at"], batch_size=500)
    Lease.objects.bulk_update(stored, ["withdrawn"], batch_size=500)
    return {lease.id.hex for lease in stored}


def _number_by_age(module: Module, key_number: str, *, counted: bool) -> None:
    """Number the held seats by the age of their leases, or tell their numbers to nobody any more."""
    module.seat_rows.filter(lease__isnull=True).delete()
    seats = list(module.seat_rows.select_related("lease").order_by("lease__taken_at", "number"))
    if not seats:
        return
    if counted:
        # First out of each other's way: no number may stand twice, not even for a moment.
        offset = module.seat_rows.aggregate(highest=Max("number"))["highest"]
        module.seat_rows.update(number=F("number") + max(offset, len(seats)))
        for number, seat in enumerate(seats, start=1):
            seat.number = number
        Seat.objects.bulk_update(seats, ["number"], batch_size=500)
    leases = []
    for seat in seats:
        if seat.lease is not None:
            _tell_number(seat.lease, module.code, key_number, seat.number if counted else None)
            leases.append(seat.lease)
    Lease.objects.bulk_update(leases, ["modules"], batch_size=500)


def _tell_number(lease: Lease, code: str, key_number: str, number: int | None) -> None:
    for claim in lease.modules:
        if claim["code"] == code and claim["key"] == key_number:
            claim["seat"] = number


def _beyond_deadlines(cursor: CursorWrapper, terms: Terms, now: datetime) -> set[str]:
    """Live leases that may outlive a module or key of theirs.

    A heartbeat that another process has not committed yet cannot be seen: it gives no more than a fresh
    inactivity time. So of a module that ends before that, each lease is named: whoever locks it waits for
    that heartbeat. Checkouts of such a module have ended, or wait, once it is locked.
    """
    words = words_of(cursor)
    unseen = now + terms.inactivity + LATE
    cursor.execute("SELECT MAX(expires_at) FROM licensing_lease WHERE ended_at IS NULL")
    (latest,) = cursor.fetchone()
    last = unseen if latest is None else max(unseen, words.read_instant(latest))
    early = [place for place, offer in terms.by_place.items() if offer.ends_at < last]
    if not early:
        return set()
    lock_modules(cursor, early)
    cursor.execute(
        "SELECT DISTINCT l.id FROM licensing_module m JOIN licensing_seat s ON s.module_id = m.id"  # noqa: S608
        " JOIN licensing_lease l ON l.row_number = s.lease_id"
        f" JOIN {words.rows('r', key_id='number', code='text')}"
        " ON r.key_id = m.key_id AND r.code = m.code WHERE l.ended_at IS NULL",
        words.columns(early),
    )
    return {words.read_id(row[0]) for row in cursor.fetchall()}
