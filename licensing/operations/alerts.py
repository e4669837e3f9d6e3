"""What the administrator is told by e-mail: decided here, in the database; delivered by the mail queue.

Every teller finds out by itself what is due and writes the mails' rows in the transaction of the fact, so
that it is harmless whichever workers run, how often, and wherever one is killed.
"""

from collections.abc import Callable
from datetime import datetime

from .clock import UNKNOWN
from .contact_alerts import tell_of_contact
from .module_alerts import tell_of_expiry, tell_of_full_modules
from .trouble_alerts import tell_of_clock, tell_of_disk, tell_of_refused_keys

TELLERS: tuple[Callable[[datetime], int], ...] = (
    tell_of_contact,
    tell_of_refused_keys,
    tell_of_expiry,
    tell_of_full_modules,
    tell_of_clock,
    tell_of_disk,
)


def raise_alerts(now: datetime) -> int:
    """Queue the mails that are due at `now`; how many were queued. Harmless when run twice at once."""
    if now == UNKNOWN:
        # Nobody knows how late it is; the pages say so.
        return 0
    return sum(tell(now) for tell in TELLERS)
