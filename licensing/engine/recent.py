"""Heartbeats that need no commit of their own (SQLite).

A lease that was just given, or whose heartbeat was just written, is kept here. Another heartbeat is answered
from memory, by the operations' own rule (`Beating.prolong`), and written down with others soon.
That loses nothing:

- As soon as anybody else has ended a lease, or changed what leases depend on, which the installation's
  `version` tells, nothing kept counts any more: a lease that was released a moment ago is not prolonged.
- What was promised runs ahead of what is written by seconds, never by more than `AHEAD`; no inactivity time
  is shorter than 70 s, so nobody can find a lease overdue on which a heartbeat was just acknowledged.
- What was promised of a lease is written ahead of every other call on it, and when an engine starts, every
  live lease has a fresh inactivity time (`leases.renew_live`).
"""

import asyncio
import logging
from collections.abc import Callable, Hashable, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import islice

from msgspec.structs import replace

from licensing.operations.heartbeat import Beating, beating
from licensing.operations.lease_values import Checkout, HeldLease, Promise

logger = logging.getLogger(__name__)

AHEAD = timedelta(seconds=30)
# Promises are written within a second, and so many at once: more would keep other calls waiting.
WRITE_SECONDS, MOST_AT_ONCE = 1.0, 500
# Where there are more, every so often at least such a share of them: each is written well within `AHEAD`.
HURRIED_SECONDS, SHARE = 0.1, 200
# So few are written along with any other call.
FEW = 64
# Some 400 bytes each.
MOST_KEPT = 200_000


class Recent:
    """Leases by the text of their ids, as they were told last.

    Args:
        version: what changes whenever anybody but the engine may have changed a lease; None where nobody
            knows.
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
        self._write_soon()
        return kept, now

    def write_ahead(self, lease_id: str | None) -> None:
        """Have written what was promised of this lease, ahead of all that is submitted from now on."""
        promised = self._promised
        if not promised and not self._unwritten:
            return
        if len(promised) <= FEW:
            self._have_written(self.take())
        else:
            self._have_written(self._taken([lease_id] if lease_id in promised else []))

    def take(self) -> list[Promise]:
        """All that was promised and has to be written: from here on that is the caller's business."""
        return self._taken(list(self._promised))

    def stands(self, promise: Promise) -> bool:
        """Whether nobody has written to the lease since: then what was promised can be written as it is.

        Within a batch's transaction, after `compare`.
        """
        kept = self._kept.get(promise.lease_id)
        return kept is not None and promise.until < kept.limit

    def bring_up_to_date(self, outcomes: Sequence[object]) -> None:
        """Leases that are told again are told with the ends that their last heartbeats were."""
        for done in outcomes:
            if isinstance(done, Checkout) and done.replayed:
                done.make = partial(self._as_told, done.make)

    def _as_told(self, make: Callable[[], HeldLease]) -> HeldLease:
        lease = make()
        kept = self._kept.get(lease.id)
        if kept is None or lease.state != "active" or lease.expires_at >= kept.expires_at:
            return lease
        return replace(lease, expires_at=kept.expires_at, last_seen_at=kept.last_seen_at)

    def compare(self) -> None:
        """Forget everything if anybody else may have changed a lease since the last comparison.

        Within a batch's transaction: what the batch keeps counts from here on.
        """
        version = self._version_now()
        if version is None or version != self._version:
            self._kept.clear()
            self._version = version

    def keep(self, client_id: int, lease: HeldLease) -> None:
        """A batch gave the lease or carried out its heartbeat, at once, and committed that."""
        kept = beating(client_id, lease)
        if kept is None:
            self._kept.pop(lease.id, None)
            return
        if len(self._kept) >= MOST_KEPT:
            self._kept.clear()
        self._kept[lease.id] = kept

    def forget(self, *lease_ids: str) -> None:
        """A batch did something else with these leases."""
        for lease_id in lease_ids:
            self._kept.pop(lease_id, None)

    def forget_all(self) -> None:
        """Nothing that is kept counts any more; what was promised does."""
        self._kept.clear()

    def _look(self) -> datetime:
        # What is looked up once holds for all calls of this turn of the loop: all had arrived by then.
        self.compare()
        self._now = now = self._clock()
        self._loop.call_soon(self._next_turn)
        return now

    def _next_turn(self) -> None:
        self._now = None

    def _write_soon(self) -> None:
        if self._timer is None:
            seconds = WRITE_SECONDS if len(self._promised) <= MOST_AT_ONCE else HURRIED_SECONDS
            self._timer = self._loop.call_later(seconds, self._write_oldest)

    def _write_oldest(self) -> None:
        self._timer = None
        promised = self._promised
        self._have_written(self._taken(list(islice(promised, max(MOST_AT_ONCE, len(promised) // SHARE)))))
        if promised:
            self._write_soon()

    def _taken(self, lease_ids: Sequence[str]) -> list[Promise]:
        """What was promised of these leases, and all that could not be written before."""
        promises, self._unwritten = self._unwritten, []
        promises += [_promise_of(self._promised.pop(lease_id)) for lease_id in lease_ids]
        return promises

    def _have_written(self, promises: Sequence[Promise]) -> None:
        if promises:
            self._write(promises, lambda were: (self._written if were else self._put_back)(promises))

    def _written(self, promises: Sequence[Promise]) -> None:
        for promise in promises:
            kept = self._kept.get(promise.lease_id)
            if kept is not None and promise.until <= kept.expires_at:
                kept.written_until = max(kept.written_until, promise.until)

    def _put_back(self, promises: Sequence[Promise]) -> None:
        logger.warning("%d heartbeats could not be written yet", len(promises))
        self._unwritten[:0] = promises
        self._write_soon()


def _promise_of(lease: Beating) -> Promise:
    return Promise(lease.id, lease.expires_at, lease.last_seen_at)
