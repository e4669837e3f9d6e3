"""How long a batch waits for more to share its commit."""

import asyncio
from collections.abc import Callable

# A turn of the loop in which nothing is ready takes some ten microseconds; a batch costs far more.
IDLE_TURNS, MOST_TURNS = 20, 60
# How fast a crowd is forgotten.
REMEMBERED = 0.95


class Crowd:
    """How many came together lately: a batch waits for as many while somebody comes, but not for ever."""

    def __init__(self) -> None:
        self._expected = self._seen = self._idle = self._turns = 0

    def is_awaited(self, waiting: int) -> bool:
        """Asked in each turn of the loop: whether a batch of those waiting should wait for the next."""
        if waiting >= self._expected or self._idle >= IDLE_TURNS or self._turns >= MOST_TURNS:
            return False
        self._turns += 1
        self._idle = self._idle + 1 if waiting == self._seen else 0
        self._seen = waiting
        return True

    def came(self, waiting: int) -> None:
        """A batch of so many starts."""
        self._expected = max(waiting, int(self._expected * REMEMBERED))
        self._seen = self._idle = self._turns = 0


# A batch on PostgreSQL costs about as much before the first call is counted.
MOMENT_SECONDS = 0.001
# So few are not waited for.
FEW = 8


class Returning:
    """Those who were just answered: the next batch waits a moment for as many, where they were many.

    While a batch runs on a thread, other calls gather. If the next began with those alone, two halves would
    take turns from then on, each at the price of a whole batch.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, go_on: Callable[[], None]) -> None:
        self._loop, self._go_on = loop, go_on
        self._expected = 0
        self._timer: asyncio.TimerHandle | None = None

    def answered(self, count: int, waiting: int) -> None:
        """So many were answered, and so many wait already."""
        self.came()
        if count + waiting > FEW:
            self._expected = count + waiting
            self._timer = self._loop.call_later(MOMENT_SECONDS, self._over)

    def is_awaited(self, waiting: int) -> bool:
        """Whether a batch of those waiting should wait for more; `go_on` is called when that is over."""
        return waiting < self._expected

    def came(self) -> None:
        """A batch starts."""
        self._expected = 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _over(self) -> None:
        self.came()
        self._go_on()
