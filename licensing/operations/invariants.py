"""Looking through leases, seats, deadlines and events for what must never be. Nothing is changed."""

from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

from django.db.backends.utils import CursorWrapper
from django.utils.translation import gettext as _

from licensing.models import Event, KeyState, Lease, Seat, VirtualKey

from .endings import Ending
from .heartbeat import MEMORY
from .lease_rows import LeaseRow, read_leases
from .mending import CountedModule, count_modules, orphaned_seats
from .seats import Place
from .sets import words_of
from .standing import Seats, Standing, read_seats, stand
from .terms import Terms, read_terms
from .transactions import snapshot

REASONS = {
    "returned",
    "expired",
    "released_by_admin",
    "withdrawn",
    "module_expired",
    "contact_lost",
    "key_inactive",
    "key_removed",
}
# Leases are read so many at a time.
AT_ONCE = 1000


def check_invariants(now: datetime) -> list[str]:
    """What is wrong, a sentence each; empty where all is well."""
    with snapshot() as cursor:
        terms = read_terms()
        counted = count_modules(cursor)
        return [
            *_grants(terms),
            *_seats(cursor),
            *_modules(counted, terms),
            *_held_beyond_seats(counted, terms),
            *_live_leases(cursor, terms, now),
            *_ended_leases(),
            *_releases(now),
        ]


def _grants(terms: Terms) -> Iterator[str]:
    active = VirtualKey.objects.filter(state=KeyState.ACTIVE).order_by("number")
    for number in active.values_list("number", flat=True):
        if number not in terms.keys:
            yield _("Key %(key)s is active, but its grant does not verify.") % {"key": number}


def _seats(cursor: CursorWrapper) -> Iterator[str]:
    for seat in Seat.objects.filter(pk__in=orphaned_seats(cursor)).select_related("module__key"):
        yield _("Seat %(seat)s of %(module)s (%(key)s) is held by a lease that has ended or is gone.") % {
            "seat": seat.number,
            "module": seat.module.code,
            "key": seat.module.key.number,
        }


def _modules(counted: dict[Place, CountedModule], terms: Terms) -> Iterator[str]:
    for place, offer in sorted(terms.by_place.items()):
        row = counted.get(place)
        if row is None or not row.is_right(offer):
            yield _("Module %(module)s (%(key)s): its row does not follow the grant and the seats held.") % {
                "module": offer.module.code,
                "key": offer.key,
            }


def _held_beyond_seats(counted: dict[Place, CountedModule], terms: Terms) -> Iterator[str]:
    """More seats held than bought, of which nobody said that they end."""
    for place, offer in sorted(terms.by_place.items()):
        row = counted.get(place)
        if row is None or offer.module.seats is None or row.held <= offer.module.seats:
            continue
        lasting = Seat.objects.filter(module_id=row.id, lease__isnull=False, ends_at__isnull=True).count()
        if lasting > offer.module.seats:
            yield _("Module %(module)s (%(key)s): %(held)s seats are held, %(seats)s were bought.") % {
                "module": offer.module.code,
                "key": offer.key,
                "held": lasting,
                "seats": offer.module.seats,
            }


def _live_leases(cursor: CursorWrapper, terms: Terms, now: datetime) -> Iterator[str]:
    words = words_of(cursor)
    cursor.execute(
        "SELECT id FROM licensing_lease WHERE ended_at IS NULL AND expires_at > %s ORDER BY row_number",
        [words.instant(now)],
    )
    ids = [words.read_id(row[0]) for row in cursor.fetchall()]
    for start in range(0, len(ids), AT_ONCE):
        rows = read_leases(cursor, ids[start : start + AT_ONCE])
        seats = read_seats(cursor, rows)
        for row in rows.values():
            yield from _live_lease(row, seats.get(row.id, []), terms, now)


def _live_lease(row: LeaseRow, seats: Seats, terms: Terms, now: datetime) -> Iterator[str]:
    verdict = stand(row, seats, terms, now, row.expires_at)
    name = {"lease": UUID(hex=row.id)}
    if isinstance(verdict, Ending) and verdict.reason == "released_by_admin":
        yield _("Lease %(lease)s does not hold the seats that it says.") % name
    elif isinstance(verdict, Ending):
        yield _("Lease %(lease)s should have ended: %(reason)s.") % {**name, "reason": verdict.reason}
    elif verdict.expires_at < row.expires_at:
        yield _("Lease %(lease)s outlives what the vendor granted.") % name
    elif isinstance(verdict, Standing) and verdict.marks:
        yield _("Lease %(lease)s holds a seat that the vendor took away, without an end.") % name


def _ended_leases() -> Iterator[str]:
    ended = Lease.objects.filter(ended_at__isnull=False)
    for lease in ended.exclude(ended_reason__in=REASONS).order_by("ended_at"):
        yield _("Lease %(lease)s ended for no reason that there is.") % {"lease": lease.id}


def _releases(now: datetime) -> Iterator[str]:
    """Each lease that was released has an event that says by whom."""
    since = now - MEMORY
    released = Lease.objects.filter(ended_reason="released_by_admin", ended_at__gt=since).order_by("ended_at")
    events = Event.objects.filter(kind="lease_released", at__gte=since)
    told = set(events.values_list("subject", flat=True))
    for lease_id in released.values_list("id", flat=True):
        if str(lease_id) not in told:
            yield _("Lease %(lease)s was released, and no event says by whom.") % {"lease": lease_id}
