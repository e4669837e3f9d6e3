"""Portal time: the one clock, asked at the edges and handed down.

Portal time is the local clock plus the offset learned from the vendor's last on-line answer
(vendor-protocol.md, "Time"). The offset is sealed. Where it does not open, whoever edited it gains
nothing: portal time is then unknown, and every deadline counts as passed until the next contact.
"""

from datetime import UTC, datetime, timedelta

from licensing.models import Installation
from licensing.models.sealed import SealBroken

# Later than any deadline that a vendor can sign.
UNKNOWN = datetime(9999, 1, 1, tzinfo=UTC)


def local_now() -> datetime:
    """The computer's own clock, in UTC."""
    return datetime.now(UTC)


def portal_now() -> datetime:
    """Portal time, in UTC. Only edges call this."""
    return local_now() + clock_offset()


def clock_offset() -> timedelta:
    """How far the vendor's clock is ahead of the local one, as last learned; zero before the first start."""
    try:
        sealed = Installation.objects.values_list("clock_offset", flat=True).filter(pk=1).first()
        return timedelta(seconds=float(sealed)) if sealed is not None else timedelta(0)
    except (SealBroken, ValueError):
        return UNKNOWN - local_now()


def learn_offset(answered_at: datetime, now: datetime) -> datetime:
    """Set portal time by the vendor's clock, in the caller's transaction; returns the portal time it now is.

    Args:
        answered_at: the vendor's time in an on-line answer that came at the first sending of its request.
        now: the portal time, by the offset so far, at which that answer came.
    """
    local = now - clock_offset()
    offset = answered_at - local
    Installation.objects.filter(pk=1).update(clock_offset=repr(offset.total_seconds()))
    return answered_at
