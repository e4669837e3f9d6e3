"""Heartbeats that need no commit of their own (SQLite).

A lease whose heartbeat has just been written is kept here. Another one within seconds is answered from
memory, by the operations' own rule (`prolonged`), and written down within a second together with all others.
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
from dataclasses import dataclass
from datetime import datetime, timedelta

from licensing.operations.heartbeat import prolonged
from licensing.operations.lease_values import HeldLease, Promise

logger = logging.getLogger(__name__)

AHEAD = timedelta(seconds=10)
WRITE_SECONDS = 1.0
MOST_KEPT = 10_000


@dataclass(slots=True)
class _Kept:
    client_id: int
    lease: HeldLease
    written_until: datetime


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
        self._kept: dict[str, _Kept] = {}
        self._promised: dict[str, Promise] = {}
        self._now: datetime | None = None
        self._timer: asyncio.TimerHandle | None = None

    def heartbeat(self, client_id: int, lease_id: str) -> tuple[HeldLease, datetime] | None:
        """The lease prolonged, and the portal time of that; None where the call must be carried out."""
        now = self._now or self._look()
        kept = self._kept.get(lease_id)
        if kept is None or kept.client_id != client_id:
            return None
        lease = prolonged(kept.lease, now)
        if lease is None or lease.expires_at - kept.written_until > AHEAD:
            return None
        kept.lease = lease
        self._promised[lease_id] = Promise(lease.id, lease.expires_at, now)
        self._write_soon()
        return lease, now

    def write_down(self) -> None:
        """Have what was promised written, ahead of all that is submitted from now on."""
        promises = self.take()
        if promises:
            self._write(promises, lambda were: (self._written if were else self._put_back)(promises))

    def take(self) -> Sequence[Promise]:
        """What was promised and has to be written: from here on that is the caller's business."""
        if not self._promised:
            return ()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        promises, self._promised = list(self._promised.values()), {}
        return promises

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
        if lease.limit is None:
            return
        if len(self._kept) >= MOST_KEPT:
            self._kept.clear()
        self._kept[lease.id] = _Kept(client_id, lease, lease.expires_at)

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
        for promise in promises:
            self._promised.setdefault(promise.lease_id, promise)
        self._write_soon()

    def _write_soon(self) -> None:
        if self._timer is None:
            self._timer = self._loop.call_later(WRITE_SECONDS, self.write_down)
