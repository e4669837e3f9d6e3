"""Forgetting who used what: users' names are personal data and are kept as long as a setting says.

Afterwards a pseudonym stands in their place, the same for the same name, so that numbers stay right. It
comes from the name by the installation's key file; without that nobody can tell or guess the name.
"""

import hashlib
import logging
import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Min

from licensing.models import Event, Lease, MailState, OutgoingMail, Refusal, RollUp, UsageQuarter
from licensing.models.sealed import secret_for

from .configuration import configuration

logger = logging.getLogger(__name__)

QUARTERS_KEPT = timedelta(days=400)
AT_ONCE = 1000
# Each statement is a transaction of its own and so short that no checkout waits long for it.
ROWS_AT_ONCE = 500
STEP = timedelta(days=1)
PSEUDONYM = re.compile(r"user-[0-9a-f]{12}")


def pseudonym(name: str) -> str:
    """What stands in the place of a user's name once that is forgotten."""
    return "user-" + hashlib.blake2b(name.encode(), digest_size=6, key=secret_for("pseudonym")).hexdigest()


def forget_names(now: datetime) -> int:
    """Replace users' names in what is older than the setting says. Gives the number of rows changed.

    Leases that have not ended keep theirs. It goes a day at a time from where it was; a day in which it was
    ended is gone through again, and no name is replaced twice.
    """
    limit = now - timedelta(days=configuration().names_kept_days)
    state = RollUp.objects.filter(pk=1).first()
    if state is None:
        return 0
    if state.names_from is not None and state.names_from > limit:
        # The clock was ahead, or names are kept longer now: what came since has to be looked at.
        RollUp.objects.filter(pk=1, names_from=state.names_from).update(names_from=limit)
        return 0
    at = state.names_from or _oldest(limit)
    changed = 0
    while at < limit:
        upto = min(at + STEP, limit)
        changed += sum(forget(at, upto) for forget in FORGETTING)
        if not RollUp.objects.filter(pk=1, names_from=state.names_from).update(names_from=upto):
            break
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
        OutgoingMail.objects.filter(fact__startswith=NAMING_MAILS).aggregate(at=Min("created_at"))["at"],
    )
    return min([limit, *[at for at in firsts if at is not None]])


def _in_leases(start: datetime, end: datetime) -> int:
    # The hash is of a body that named the user: whoever guesses a name could try it.
    return _by_name(Lease, "ended_at", start, end, body_sha256="")


def _in_refusals(start: datetime, end: datetime) -> int:
    return _by_name(Refusal, "at", start, end)


def _by_name(
    model: type[Lease] | type[Refusal], column: str, start: datetime, end: datetime, **besides: str
) -> int:
    """Replace the names in the rows of a time, those of one name together; how many were replaced."""
    rows = model.objects.filter(**{f"{column}__gte": start, f"{column}__lt": end})
    named: dict[str, list[Any]] = defaultdict(list)
    for pk, name in rows.values_list("pk", "user"):
        if not PSEUDONYM.fullmatch(name):
            named[name].append(pk)
    changed = 0
    for name, ids in named.items():
        for place in range(0, len(ids), ROWS_AT_ONCE):
            some = model.objects.filter(pk__in=ids[place : place + ROWS_AT_ONCE])
            changed += some.update(user=pseudonym(name), **besides)
    return changed


# Kinds of events that name who used a module.
NAMING = ("lease_released",)


def _in_events(start: datetime, end: datetime) -> int:
    changed = 0
    for event in Event.objects.filter(kind__in=NAMING, at__gte=start, at__lt=end):
        name = str(event.data.get("user", ""))
        if name and not PSEUDONYM.fullmatch(name):
            data = {**event.data, "user": pseudonym(name)}
            changed += Event.objects.filter(pk=event.pk).update(data=data)
    return changed


# What the facts of mails begin with that name users: such a mail loses its text, and its fact stays told.
NAMING_MAILS = "seats_full:"


def _in_mails(start: datetime, end: datetime) -> int:
    mails = OutgoingMail.objects.filter(
        fact__startswith=NAMING_MAILS, created_at__gte=start, created_at__lt=end
    )
    return mails.exclude(text="").exclude(state=MailState.QUEUED).update(text="", html="")


FORGETTING: Iterable[Callable[[datetime, datetime], int]] = (_in_leases, _in_refusals, _in_events, _in_mails)


def forget_quarters(now: datetime) -> int:
    """Delete the use by quarters of an hour of more than 400 days ago; the days stay. Gives their number."""
    old = UsageQuarter.objects.filter(start__lt=now - QUARTERS_KEPT).order_by("start")
    forgotten = 0
    while ids := list(old.values_list("pk", flat=True)[:AT_ONCE]):
        forgotten += UsageQuarter.objects.filter(pk__in=ids).delete()[0]
    return forgotten
