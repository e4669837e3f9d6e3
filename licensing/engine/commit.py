"""Group commit: calls that arrive while one transaction is written share the next.

One full commit costs a flush of the disk; sixty-four calls in one transaction cost one flush. Each call
has its own outcome, and none is told before the commit that holds it.
"""

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from licensing.operations.errors import Refused
from licensing.operations.transactions import Contended, unavailable

from .crowd import Crowd, Returning
from .outcomes import Failed, Foresee, carried_out, commit_error, nothing

logger = logging.getLogger(__name__)

Work = TypeVar("Work")
Outcome = TypeVar("Outcome")
Told_contra = TypeVar("Told_contra", contravariant=True)


# So many works wait: beyond them an early no is better than a late time-out.
MOST_WAITING = 8192
# A batch of so few is committed on the loop's thread: handing it over would cost more than it spares.
SMALL = 8


class Busy(Exception):
    """Another process holds the database's write lock: try again where waiting stalls nobody."""


@dataclass(frozen=True, slots=True)
class Uncommitted(Generic[Outcome]):
    """A batch that was carried out on the loop's thread, and whose transaction is still open.

    `commit` may be called on another thread; it raises where nothing was kept.
    """

    outcomes: Sequence[Outcome]
    commit: Callable[[], None]


class Asker(Protocol[Told_contra]):
    """Who submitted a work."""

    def prepare(self, outcome: Told_contra) -> None:
        """Do what telling this outcome will take: nobody may know of it yet, and it may not come to pass."""

    def tell(self, outcome: Told_contra | Failed | Refused) -> None:
        """The outcome, after the commit that holds it; must not raise."""


# Works with who asked for them.
Batch = list[tuple[Work, Asker[Outcome]]]


class GroupCommit(Generic[Work, Outcome]):
    """Gathers works, carries them out in batches, and hands each its outcome.

    `at_once` always runs in the context in which this object is made.

    Args:
        at_once: carries a batch out on the event loop's thread, but for the commit; raises `Busy` instead
            of waiting for a lock. None where every commit waits for a network: then all go to the thread.
        patiently: the same on a thread of its own, commit and all, waiting as long as the database lets it.
            What it is given beside the works it may tell the outcomes that it is committing.
        note: told on the loop's thread of each batch that is done, before anybody else is; the last argument
            says whether it was carried out at once. Must not raise.
        most_waiting: how many works may wait; beyond them a call is refused at once.
        most_in_batch: how many share a transaction.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        at_once: Callable[[Sequence[Work]], Uncommitted[Outcome]] | None,
        patiently: Callable[[Sequence[Work], Foresee[Outcome]], Sequence[Outcome]],
        note: Callable[[Sequence[Work], Sequence[Outcome | Failed | Refused], bool], None] = nothing,
        *,
        most_waiting: int = MOST_WAITING,
        most_in_batch: int = 256,
    ) -> None:
        self._loop = loop
        self._at_once = at_once
        self._patiently = patiently
        self._note = note
        self._most_waiting = most_waiting
        self._most_in_batch = most_in_batch
        self._waiting: deque[tuple[Work, Asker[Outcome]]] = deque()
        self._scheduled = False
        self._crowd = Crowd()
        self._returning = Returning(loop, self._schedule)
        # Whether a batch is under way on the thread.
        self._is_writing = False
        # Whether a batch that was carried out on the loop's thread is being committed beside it.
        self.is_committing = False
        # Django keeps a connection for each context of an event loop: all batches share this one.
        self._context = copy_context()
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="lease-writer")

    def submit(self, work: Work, asker: Asker[Outcome]) -> None:
        """Queue one work; `asker` is told its outcome after the commit that holds it.

        Raises:
            Refused: `unavailable` when too many wait: an early no is better than a late time-out.
        """
        if len(self._waiting) >= self._most_waiting:
            raise unavailable()
        self._waiting.append((work, asker))
        self._schedule()

    def close(self, last: Sequence[Work] = ()) -> None:
        """Let the batch under way end, and carry out what is given last; nothing else that is new."""
        if last:
            self._threads.submit(carried_out, self._patiently, last)
        self._threads.shutdown(wait=True)

    def _schedule(self) -> None:
        if self._returning.is_awaited(len(self._waiting)):
            return
        if not self._scheduled and not self._is_writing and self._waiting:
            self._scheduled = True
            # After the calls that are ready in this turn of the loop: they join, and wait for nobody.
            self._loop.call_soon(self._start, context=self._context)

    def _start(self) -> None:
        if self._at_once is not None and self._crowd.is_awaited(len(self._waiting)):
            self._loop.call_soon(self._start, context=self._context)
            return
        self._scheduled = False
        self._crowd.came(len(self._waiting))
        self._returning.came()
        batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), self._most_in_batch))]
        if not batch:
            return
        works = [work for work, _ in batch]
        carried = self._tried_at_once(works)
        if carried is None:
            self._hand_over(batch, works)
        elif len(batch) <= SMALL:
            error = commit_error(carried.commit)
            self._after_commit(batch, works, carried, error)
        else:
            self._commit_beside(batch, works, carried)
        self._schedule()

    def _tried_at_once(self, works: list[Work]) -> Uncommitted[Outcome] | None:
        """What was carried out; None where a thread must: the lock is held elsewhere, or the batch failed."""
        if self._at_once is None or self._is_writing:
            return None
        try:
            return self._at_once(works)
        except Exception as error:
            if not isinstance(error, Busy):
                logger.warning("a batch of %d lease calls failed: %s", len(works), error)
            return None

    def _commit_beside(
        self, batch: "Batch[Work, Outcome]", works: list[Work], carried: Uncommitted[Outcome]
    ) -> None:
        """Commit on a thread: that hardly needs the interpreter, and meanwhile the loop reads what comes."""
        self._is_writing = True
        self.is_committing = True

        def commit() -> None:
            begun.release()
            error = commit_error(carried.commit)
            self._loop.call_soon_threadsafe(committed, error, context=self._context)

        def committed(error: Exception | None) -> None:
            self._is_writing = False
            self.is_committing = False
            self._after_commit(batch, works, carried, error)
            self._schedule()

        begun = threading.Lock()
        begun.acquire()
        self._threads.submit(commit)
        begun.acquire()
        _prepare(batch, carried.outcomes)

    def _after_commit(
        self,
        batch: "Batch[Work, Outcome]",
        works: list[Work],
        carried: Uncommitted[Outcome],
        error: Exception | None,
    ) -> None:
        if error is None:
            self._deliver(batch, works, carried.outcomes, at_once=True)
        else:
            logger.warning("a batch of %d lease calls could not be committed: %s", len(works), error)
            self._hand_over(batch, works)

    def _hand_over(self, batch: "Batch[Work, Outcome]", works: list[Work]) -> None:
        """Have a thread carry the batch out; what it is about to commit is prepared meanwhile."""
        self._is_writing = True

        def foresee(outcomes: Sequence[Outcome]) -> None:
            # A loop that has ended prepares nothing, but the batch is being committed.
            with suppress(RuntimeError):
                if len(works) > SMALL:
                    self._loop.call_soon_threadsafe(_prepare, batch, outcomes)

        def carry_out() -> None:
            outcomes = carried_out(self._patiently, works, foresee)
            self._loop.call_soon_threadsafe(self._written, batch, works, outcomes, context=self._context)

        self._threads.submit(carry_out)

    def _written(
        self,
        batch: "Batch[Work, Outcome]",
        works: list[Work],
        outcomes: Sequence[Outcome | Failed | Refused],
    ) -> None:
        self._is_writing = False
        self._deliver(batch, works, outcomes, at_once=False)
        if all(_is_unavailable(outcome) for outcome in outcomes):
            self._refuse_waiting()
        if self._at_once is None:
            self._returning.answered(len(batch), len(self._waiting))
        self._schedule()

    def _refuse_waiting(self) -> None:
        """Whoever came while the database could not be had need not find that out for as long once more."""
        waiting, self._waiting = self._waiting, deque()
        for _, asker in waiting:
            _tell(asker, unavailable())

    def _deliver(
        self,
        batch: "Batch[Work, Outcome]",
        works: list[Work],
        outcomes: Sequence[Outcome | Failed | Refused],
        *,
        at_once: bool,
    ) -> None:
        self._note(works, outcomes, at_once)
        for (_, asker), outcome in zip(batch, outcomes, strict=True):
            _tell(asker, outcome)


def _is_unavailable(outcome: object) -> bool:
    """Whether the database could not be had."""
    return (
        isinstance(outcome, Refused) and outcome.code == "unavailable" and not isinstance(outcome, Contended)
    )


def _tell(asker: Asker[Outcome], outcome: Outcome | Failed | Refused) -> None:
    try:
        asker.tell(outcome)
    except Exception:
        # Its neighbours wait for theirs.
        logger.exception("the outcome of a lease call could not be told")


def _prepare(batch: "Batch[Work, Outcome]", outcomes: Sequence[Outcome]) -> None:
    for (_, asker), outcome in zip(batch, outcomes, strict=True):
        try:
            asker.prepare(outcome)
        except Exception:
            # It is tried again when it is told, and fails alone.
            logger.debug("an answer could not be prepared", exc_info=True)
