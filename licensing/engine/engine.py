"""The engine of one process: what the front submits calls to."""

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from datetime import datetime

from django.db import DatabaseError, connection

from licensing.operations import leases
from licensing.operations.errors import Refused
from licensing.operations.heartbeat import Beating
from licensing.operations.lease_values import Checkout, HeldLease, Promise

from .batch import Batches, Done, Kind, Work
from .checkpoint import Checkpoints
from .commit import Asker, GroupCommit
from .outcomes import Failed
from .recent import AHEAD, Recent

logger = logging.getLogger(__name__)
Outcome = Done | Failed | Refused


class Engine:
    """Lease calls in batches, in the shape that the database asks for.

    SQLite has one process that answers lease calls: batches on the event loop's thread, heartbeats partly
    from memory. PostgreSQL serves several nodes: batches on a thread, and nothing kept.

    Args:
        clock: portal time.
        changed: see `Batches`.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        clock: Callable[[], datetime],
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._clock = clock
        self._recent: Recent | None = None
        self._checkpoints: Checkpoints | None = None
        self._renewal: threading.Thread | None = None
        batches = Batches(clock, changed)
        alone = connection.vendor == "sqlite"
        if alone:
            _carefully("leases renewed first: %d", lambda: leases.renew_promised(clock(), AHEAD))
            self._renewal = threading.Thread(target=_renew_live, args=(clock,), name="renewal", daemon=True)
            self._renewal.start()
            self._recent = batches.recent = Recent(loop, batches.others, clock, self._write)
            self._checkpoints = Checkpoints()
        self._group: GroupCommit[Work, Done] = GroupCommit(
            loop, batches.at_once if alone else None, batches.patiently, self._note
        )

    def submit(self, work: Work, asker: Asker[Done]) -> None:
        """Queue one call; `asker` is told its outcome after the commit that holds it.

        Raises:
            Refused: `unavailable` when too many wait.
        """
        if self._recent is not None:
            self._recent.write_ahead(None if work.kind is Kind.CHECKOUT else work.call.lease_id)
        self._group.submit(work, asker)

    def heartbeat(self, client_id: int, lease_id: str) -> tuple[Beating, datetime] | None:
        """A heartbeat answered at once, with the portal time; None where it must be submitted."""
        if self._recent is None or self._group.is_committing:
            return None
        return self._recent.heartbeat(client_id, lease_id)

    def close(self) -> None:
        """Let the batch under way end and write what was promised; nothing new is carried out."""
        promises = self._recent.take() if self._recent is not None else ()
        self._group.close([Work(Kind.PROMISES, promises)] if promises else [])
        if self._recent is not None:
            # All is written that was promised: none of those is for the next start to renew.
            _carefully("leases ended at the end: %d", lambda: leases.expire_overdue(self._clock()))
        if self._checkpoints is not None:
            self._checkpoints.stop()
        if self._renewal is not None:
            self._renewal.join(5)

    def _note(self, works: Sequence[Work], outcomes: Sequence[Outcome], at_once: bool) -> None:
        """Keep and forget leases by what a batch did with them.

        What a thread did may have been overtaken by the time at which it is told: that is only forgotten.
        """
        if self._recent is None:
            return
        try:
            _note(self._recent, works, outcomes, at_once)
        except Exception:
            logger.exception("what became of %d lease calls could not be kept", len(works))
            self._recent.forget_all()

    def _write(self, promises: Sequence[Promise], tell: Callable[[bool], None]) -> None:
        try:
            self._group.submit(Work(Kind.PROMISES, promises), _Promised(tell))
        except Refused:
            tell(False)


def _note(recent: Recent, works: Sequence[Work], outcomes: Sequence[Outcome], at_once: bool) -> None:
    ended: list[str] = []
    for work, done in zip(works, outcomes, strict=True):
        match work.kind:
            case Kind.CHECKOUT | Kind.HEARTBEAT:
                lease = _lease_of(done) if at_once else None
                if lease is not None:
                    recent.keep(work.call.client_id, lease)
                elif work.kind is Kind.HEARTBEAT:
                    recent.forget(work.call.lease_id)
            case Kind.RETURN:
                ended.append(work.call.lease_id)
            case Kind.LOOK if (lease := _lease_of(done)) is None or lease.state != "active":
                ended.append(work.call.lease_id)
            case Kind.PROMISES if not at_once:
                recent.forget(*[promise.lease_id for promise in work.call])
    # Whatever order they came in: a batch carries heartbeats out before returns.
    recent.forget(*ended)


class _Promised:
    """Tells whether promises were written."""

    def __init__(self, tell: Callable[[bool], None]) -> None:
        self._tell = tell

    def prepare(self, outcome: Done) -> None:
        """Nothing is needed."""

    def tell(self, outcome: Outcome) -> None:
        """Written, or not."""
        self._tell(isinstance(outcome, Done))


def _lease_of(done: Outcome) -> HeldLease | None:
    """The lease that was given, or goes on."""
    outcome = done.outcome if isinstance(done, Done) else None
    if isinstance(outcome, Checkout):
        try:
            return outcome.lease
        except Exception:
            # That it cannot be made is told to its own caller.
            return None
    return outcome if isinstance(outcome, HeldLease) else None


def _renew_live(clock: Callable[[], datetime]) -> None:
    """Beside the first calls: tens of thousands of leases take seconds."""
    try:
        _carefully("live leases renewed: %d", lambda: leases.renew_live(clock))
    finally:
        connection.close()


def _carefully(told: str, work: Callable[[], int]) -> None:
    try:
        logger.info(told, work())
    except (Refused, DatabaseError) as error:
        # They go on until the ends that are written down.
        logger.warning("%s: %s", told.partition(":")[0], error)
