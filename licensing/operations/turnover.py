"""Returns and checkouts of one transaction: what is given back can be given out again."""

from collections.abc import Callable, Sequence
from datetime import datetime

from django.db.backends.utils import CursorWrapper

from .checkout import Checkouts, Outcome
from .errors import Refused
from .heartbeat import begin_return
from .lease_values import CheckoutRequest, LeaseCall
from .locking import lock_ahead
from .seat_changes import SeatChanges
from .sets import Rows, start
from .terms import Terms


class Turnover:
    """Asks, locks, and then carries out; `ask` may come before `lock` or after it, `ask_free` comes after.

    Where a database is sent statements without being waited for (`operations.sets.ask`), all but `carry_out`
    only sends. What was read before the lock and is no longer so then is found when it is written.
    """

    def __init__(
        self,
        cursor: CursorWrapper,
        returns: Sequence[LeaseCall],
        requests: Sequence[CheckoutRequest],
        terms: Terms,
    ) -> None:
        self._cursor, self._returns, self._requests, self._terms = cursor, returns, requests, terms
        self._changes = SeatChanges()
        self._give_back: Callable[[datetime], list[Refused | None]] = lambda _now: []
        self._checkouts: Checkouts | None = None

    def ask(self, now: datetime) -> None:
        """Ask for the leases that are called; `now` is roughly the time at which all will be carried out."""
        if self._returns:
            self._give_back = begin_return(self._cursor, self._returns, self._changes)
        if self._requests:
            self._checkouts = Checkouts(self._cursor, self._requests, self._terms, now, self._changes)
        start(self._cursor)

    def lock(self, clock: Callable[[], datetime]) -> Rows:
        """Ask for the locks of all modules that will be touched (`lock_ahead`); read the rows to wait."""
        return lock_ahead(self._cursor, self._requests, self._terms, self._returns, clock)

    def ask_free(self) -> None:
        """Ask for what is free."""
        if self._checkouts is not None:
            self._checkouts.ask_free()

    def carry_out(self, now: datetime) -> tuple[list[Refused | None], list[Outcome]]:
        """End the leases returned and give what is asked for: the outcomes of both.

        Raises:
            Overtaken: what was read is no longer so.
        """
        returned = self._give_back(now)
        start(self._cursor)
        given = self._checkouts.carry_out(now) if self._checkouts is not None else []
        self._changes.store(self._cursor)
        return returned, given


def carried_out(
    cursor: CursorWrapper,
    returns: Sequence[LeaseCall],
    requests: Sequence[CheckoutRequest],
    terms: Terms,
    now: datetime,
) -> tuple[list[Refused | None], list[Outcome]]:
    """Carry out returns and checkouts at a time that is known beforehand."""
    turnover = Turnover(cursor, returns, requests, terms)
    turnover.lock(lambda: now)
    turnover.ask(now)
    turnover.ask_free()
    return turnover.carry_out(now)
