"""Group commit: calls that arrive while one transaction is written share the next.

One full commit costs a flush of the disk; sixty-four calls in one transaction cost one flush. Each call
has its own outcome, and none is told before the commit that holds it.
"""

import asyncio
import logging
import os
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from typing import Generic, TypeVar

from licensing.operations.errors import Refused

logger = logging.getLogger(__name__)

Work = TypeVar("Work")
Outcome = TypeVar("Outcome")


# A turn of the loop in which nothing is ready takes some ten microseconds; a batch costs far more.
IDLE_TURNS, MOST_TURNS = 20, 60
# How fast a crowd is forgotten.
REMEMBERED = 0.95


class Busy(Exception):
    """Another process holds the database's write lock: try again where waiting stalls nobody."""


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


@dataclass(frozen=True, slots=True)
class Failed:
    """The outcome of a call whose work raised: an error of ours, not a refusal."""

    error: BaseException


class GroupCommit(Generic[Work, Outcome]):
    """Gathers works, carries them out in batches, and hands each its outcome.

    `at_once` always runs in the context in which this object is made.

    Args:
        at_once: carries a batch out on the event loop's thread and commits it; raises `Busy` instead of
            waiting for a lock. None where every commit waits for a network: then all go to the thread.
        patiently: the same on a thread of its own, waiting as long as the database lets it.
        most_waiting: how many works may wait; beyond them a call is refused at once.
        most_in_batch: how many share a transaction.
        writers: how many batches may be under way at once on threads.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        at_once: Callable[[Sequence[Work]], Sequence[Outcome]] | None,
        patiently: Callable[[Sequence[Work]], Sequence[Outcome]],
        *,
        most_waiting: int = 8192,
        most_in_batch: int = 256,
        writers: int = 1,
    ) -> None:
        self._loop = loop
        self._at_once = at_once
        self._patiently = patiently
        self._most_waiting = most_waiting
        self._most_in_batch = most_in_batch
        self._waiting: deque[tuple[Work, asyncio.Future[Outcome | Failed | Refused]]] = deque()
        self._scheduled = False
        self._crowd = Crowd()
        self._writing = 0
        self._writers = writers
        # Django keeps a connection for each context of an event loop: all batches share this one.
        self._context = copy_context()
        self._threads = ThreadPoolExecutor(writers, thread_name_prefix="lease-writer")

    def submit(self, work: Work) -> "asyncio.Future[Outcome | Failed | Refused]":
        """Queue one work; its outcome comes after the commit that holds it.

        Raises:
            Refused: `unavailable` when too many wait: an early no is better than a late time-out.
        """
        if len(self._waiting) >= self._most_waiting:
            raise Refused("unavailable", retry_after=1)
        future: asyncio.Future[Outcome | Failed | Refused] = self._loop.create_future()
        self._waiting.append((work, future))
        self._schedule()
        return future

    def close(self, last: Sequence[Work] = ()) -> None:
        """Let the batch under way end, and carry out what is given last; nothing else that is new."""
        if last:
            self._threads.submit(carried_out, self._patiently, last)
        self._threads.shutdown(wait=True)

    def _schedule(self) -> None:
        if not self._scheduled and self._writing < self._writers and self._waiting:
            self._scheduled = True
            # After the calls that are ready in this turn of the loop: they join, and wait for nobody.
            self._loop.call_soon(self._start, context=self._context)

    def _start(self) -> None:
        if self._crowd.is_awaited(len(self._waiting)):
            self._loop.call_soon(self._start, context=self._context)
            return
        self._scheduled = False
        self._crowd.came(len(self._waiting))
        batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), self._most_in_batch))]
        if not batch:
            return
        works = [work for work, _ in batch]
        outcomes = self._tried_at_once(works)
        if outcomes is None:
            self._hand_over(batch, works)
        else:
            self._deliver(batch, outcomes)
        self._schedule()

    def _tried_at_once(self, works: list[Work]) -> Sequence[Outcome] | None:
        """The outcomes; None where a thread has to do it: the lock is held elsewhere, or the batch failed."""
        if self._at_once is None or self._writing:
            return None
        try:
            return self._at_once(works)
        except Exception as error:
            if not isinstance(error, Busy):
                logger.warning("a batch of %d lease calls failed: %s", len(works), error)
            return None

    def _hand_over(
        self, batch: list[tuple[Work, "asyncio.Future[Outcome | Failed | Refused]"]], works: list[Work]
    ) -> None:
        self._writing += 1
        written = self._loop.run_in_executor(self._threads, carried_out, self._patiently, works)
        written.add_done_callback(lambda done: self._written(batch, done))

    def _written(
        self,
        batch: list[tuple[Work, "asyncio.Future[Outcome | Failed | Refused]"]],
        done: "asyncio.Future[Sequence[Outcome | Failed | Refused]]",
    ) -> None:
        self._writing -= 1
        self._deliver(batch, done.result())
        self._schedule()

    def _deliver(
        self,
        batch: list[tuple[Work, "asyncio.Future[Outcome | Failed | Refused]"]],
        outcomes: Sequence[Outcome | Failed | Refused],
    ) -> None:
        for (_, future), outcome in zip(batch, outcomes, strict=True):
            if not future.done():
                future.set_result(outcome)


def carried_out(
    work_out: Callable[[Sequence[Work]], Sequence[Outcome]], works: Sequence[Work]
) -> Sequence[Outcome | Failed | Refused]:
    """The outcomes of a batch. One that fails as a whole is done again work by work, each on its own.

    A failure that is no `Exception` (memory, an interpreter that ends) ends the process: whoever watches
    it starts it anew, and no call hangs for ever.
    """
    try:
        return work_out(works)
    except Refused as refused:
        return [refused for _ in works]
    except Exception as error:
        if len(works) == 1:
            logger.exception("a lease call failed")
            return [Failed(error)]
        logger.warning("a batch of %d lease calls failed (%s); doing them one by one", len(works), error)
        return [outcome for work in works for outcome in carried_out(work_out, [work])]
    except BaseException:
        logger.critical("the lease writer died", exc_info=True)
        os._exit(70)
