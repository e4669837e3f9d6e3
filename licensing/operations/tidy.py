"""Housekeeping around leases: harmless when run twice, and at whatever time."""

import logging
from datetime import datetime, timedelta

from licensing.models import Lease, Refusal, RollUp, Seat

from .clock import UNKNOWN
from .leases import expire_overdue
from .mending import mend
from .usage import WHOLE

logger = logging.getLogger("licensing.leases")

# Whoever calls upon such a lease meanwhile finds that it has ended. An engine that is being started anew may
# have told of a later end than is written (`leases.renew_promised`).
OVERDUE_FOR = timedelta(minutes=1)
REFUSALS_KEPT = timedelta(days=400)
# Old rows are deleted so many at a time, so that no checkout waits long.
AT_ONCE = 1000


def tidy_leases(now: datetime) -> int:
    """Write down what time ended a minute ago, mend what hands left, forget leases that ended 35 days ago.

    Gives the number of leases ended by time.
    """
    ended = expire_overdue(now - OVERDUE_FOR)
    if ended:
        logger.info("leases ended by time: %d", ended)
    mend(now)
    if now < UNKNOWN:
        forget_ended_leases(now)
    return ended


def forget_ended_leases(now: datetime) -> int:
    """Delete leases that ended 35 days ago or earlier and are rolled up. Gives their number.

    The API speaks of them for 30 days; the others are for the history of use.
    """
    rolled = RollUp.objects.filter(pk=1).values_list("until", flat=True).first()
    if rolled is None:
        return 0
    old = Lease.objects.filter(ended_at__lte=min(now - WHOLE, rolled))
    forgotten = 0
    while ids := list(old.order_by("ended_at").values_list("pk", flat=True)[:AT_ONCE]):
        # An ended lease holds no seat, unless a hand gave it one.
        Seat.objects.filter(lease__in=ids).update(lease=None, ends_at=None)
        Lease.objects.filter(pk__in=ids).delete()
        forgotten += len(ids)
    return forgotten


def forget_refusals(now: datetime) -> int:
    """Delete refusals older than 400 days. Gives their number."""
    forgotten, _ = Refusal.objects.filter(at__lt=now - REFUSALS_KEPT).delete()
    return forgotten
