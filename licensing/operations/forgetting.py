"""Forgetting who used what: users' names are personal data and are kept as long as a setting says.

Afterwards a pseudonym stands in their place, the same for the same name, so that numbers stay right. It
comes from the name by the installation's key file; without that nobody can tell or guess the name.
"""

import logging
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Min
from django.utils.crypto import salted_hmac

from licensing.models import Event, Lease, Refusal, RollUp, UsageQuarter

from .configuration import configuration

logger = logging.getLogger(__name__)

QUARTERS_KEPT = timedelta(days=400)
AT_ONCE = 1000
STEP = timedelta(days=1)


def pseudonym(name: str) -> str:
    """What stands in the place of a user's name once that is forgotten."""
    return "user-" + salted_hmac("licensing.pseudonym", name, algorithm="sha256").hexdigest()[:12]


def forget_names(now: datetime) -> int:
    """Replace users' names in what is older than the setting says. Gives the number of rows changed.

    Leases that have not ended keep theirs. It goes a day at a time from where it was.
    """
    limit = now - timedelta(days=configuration().names_kept_days)
    state = RollUp.objects.filter(pk=1).first()
    if state is None:
        return 0
    at = state.names_from or _oldest(limit)
    changed = 0
    while at < limit:
        upto = min(at + STEP, limit)
        with transaction.atomic():
            ours = RollUp.objects.filter(pk=1, names_from=state.names_from).update(names_from=upto)
            if not ours:
                break
            changed += sum(forget(at, upto) for forget in FORGETTING)
        at = state.names_from = upto
    if changed:
        logger.info("users' names replaced in %d rows", changed)
    return changed


def _oldest(limit: datetime) -> datetime:
    """Where there can be a name that was not looked at yet."""
    firsts: tuple[datetime | None, ...] = (
        Lease.objects.filter(ended_at__isnull=False).aggregate(at=Min("ended_at"))["at"],
        Refusal.objects.aggregate(at=Min("at"))["at"],
        Event.objects.filter(kind__in=NAMING).aggregate(at=Min("at"))["at"],
    )
    return min([limit, *[at for at in firsts if at is not None]])


def _in_leases(start: datetime, end: datetime) -> int:
    leases = list(Lease.objects.filter(ended_at__gte=start, ended_at__lt=end).only("user"))
    for lease in leases:
        # The hash is of a body that named the user: whoever guesses a name could try it.
        lease.user, lease.body_sha256 = pseudonym(lease.user), ""
    return Lease.objects.bulk_update(leases, ["user", "body_sha256"], batch_size=200)


def _in_refusals(start: datetime, end: datetime) -> int:
    refusals = list(Refusal.objects.filter(at__gte=start, at__lt=end).only("user"))
    for refusal in refusals:
        refusal.user = pseudonym(refusal.user)
    return Refusal.objects.bulk_update(refusals, ["user"], batch_size=200)


# Kinds of events that name who used a module.
NAMING = ("lease_released",)


def _in_events(start: datetime, end: datetime) -> int:
    rows = Event.objects.filter(kind__in=NAMING, at__gte=start, at__lt=end)
    events = [event for event in rows if "user" in event.data]
    for event in events:
        event.data["user"] = pseudonym(str(event.data["user"]))
    return Event.objects.bulk_update(events, ["data"], batch_size=200)


FORGETTING: Iterable[Callable[[datetime, datetime], int]] = (_in_leases, _in_refusals, _in_events)


def forget_quarters(now: datetime) -> int:
    """Delete the use by quarters of an hour of more than 400 days ago; the days stay. Gives their number."""
    old = UsageQuarter.objects.filter(start__lt=now - QUARTERS_KEPT).order_by("start")
    forgotten = 0
    while ids := list(old.values_list("pk", flat=True)[:AT_ONCE]):
        forgotten += UsageQuarter.objects.filter(pk__in=ids).delete()[0]
    return forgotten
