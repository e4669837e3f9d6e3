"""Heartbeats that need no commit of their own (SQLite).

A lease whose heartbeat has just been written is kept here. Another one within seconds is answered from
memory, by the operations' own rule (`Beating.prolong`), and written down with others within a second.
That loses nothing:

- As soon as another connection has committed anything, which SQLite tells by its `data_version`, nothing
  kept counts any more: a lease that was released a moment ago is not prolonged.
- What was promised runs ahead of what is written by seconds, never by more than `AHEAD`; no inactivity time
  is shorter than 70 s, so nobody can find a lease overdue on which a heartbeat was just acknowledged.
- Promises are written ahead of every other call, and when an engine starts, every live lease has a fresh
  inactivity time (`leases.renew_live`).
"""

import asyncio
import logging
from collections.abc import Callable, Hashable, Sequence
from datetime import datetime, timedelta

from licensing.operations.heartbeat import Beating, beating
from licensing.operations.lease_values import HeldLease, Promise

logger = logging.getLogger(__name__)

AHEAD = timedelta(seconds=10)
WRITE_SECONDS = 1.0
# So many promises are written in one go: more would keep other calls waiting.
MOST_PROMISED = 2_000
# Some 400 bytes each.
MOST_KEPT = 200_000


class Recent:
    """Leases by the text of their ids, as they were told last.

    Args:
        version: SQLite's `data_version` on the connection on which batches are carried out at once, or None.
        clock: portal time.
        write: has promises written down, and tells afterwards whether they were.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        version: Callable[[], Hashable | None],
        clock: Callable[[], datetime],
        write: Callable[[Sequence[Promise], Callable[[bool], None]], None],
    ) -> None:
        self._loop, self._version_now, self._clock, self._write = loop, version, clock, write
        self._version: Hashable | None = None
        self._kept: dict[str, Beating] = {}
        self._promised: dict[str, Beating] = {}
        self._unwritten: list[Promise] = []
        self._now: datetime | None = None
        self._timer: asyncio.TimerHandle | None = None

    def heartbeat(self, client_id: int, lease_id: str) -> tuple[Beating, datetime] | None:
        """The lease prolonged, and the portal time of that; None where the call must be carried out."""
        now = self._now or self._look()
        kept = self._kept.get(lease_id)
        if kept is None or kept.client_id != client_id or not kept.prolong(now, AHEAD):
            return None
        self._promised[lease_id] = kept
        if len(self._promised) >= MOST_PROMISED:
            self.write_down()
        elif self._timer is None:
            self._write_soon()
        return kept, now

    def write_down(self) -> None:
        """Have what was promised written, ahead of all that is submitted from now on."""
        promises = self.take()
        if promises:
            self._write(promises, lambda were: (self._written if were else self._put_back)(promises))

    def take(self) -> Sequence[Promise]:
        """What was promised and has to be written: from here on that is the caller's business."""
        if not self._promised and not self._unwritten:
            return ()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        promises = self._unwritten
        promises += [Promise(one.id, one.expires_at, one.last_seen_at) for one in self._promised.values()]
        self._promised, self._unwritten = {}, []
        return promises

    def stands(self, promise: Promise) -> bool:
        """Whether nobody has written to the lease since: then what was promised can be written as it is.

        Within a batch's transaction, after `compare`.
        """
        kept = self._kept.get(promise.lease_id)
        return kept is not None and promise.until < kept.limit

    def compare(self) -> None:
        """Forget everything if another connection has committed anything since the last comparison.

        Within a batch's transaction: what the batch keeps counts from here on.
        """
        version = self._version_now()
        if version is None or version != self._version:
            self._kept.clear()
            self._version = version

    def keep(self, client_id: int, lease: HeldLease) -> None:
        """A batch carried out a heartbeat, and committed it."""
        kept = beating(client_id, lease)
        if kept is None:
            return
        if len(self._kept) >= MOST_KEPT:
            self._kept.clear()
        self._kept[lease.id] = kept

    def forget(self, lease_id: str) -> None:
        """A batch did something else with this lease."""
        self._kept.pop(lease_id, None)

    def _look(self) -> datetime:
        # What is looked up once holds for all calls of this turn of the loop: all had arrived by then.
        self.compare()
        self._now = now = self._clock()
        self._loop.call_soon(self._next_turn)
        return now

    def _next_turn(self) -> None:
        self._now = None

    def _written(self, promises: Sequence[Promise]) -> None:
        for promise in promises:
            kept = self._kept.get(promise.lease_id)
            if kept is not None:
                kept.written_until = max(kept.written_until, promise.until)

    def _put_back(self, promises: Sequence[Promise]) -> None:
        logger.warning("%d heartbeats could not be written yet", len(promises))
        self._unwritten[:0] = promises
        self._write_soon()

    def _write_soon(self) -> None:
        if self._timer is None:
            self._timer = self._loop.call_later(WRITE_SECONDS, self.write_down)
