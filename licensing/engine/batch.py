"""One batch of lease calls in one transaction, by the operations that every other door uses."""

import sqlite3
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from datetime import datetime
from enum import IntEnum
from functools import partial
from typing import Any

import msgspec
from django.db import DEFAULT_DB_ALIAS, OperationalError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

from licensing.operations.errors import Refused
from licensing.operations.heartbeat import run_heartbeat, run_look, write_promises
from licensing.operations.lease_values import Checkout, HeldLease, Promise
from licensing.operations.terms import Terms, ask_version, read_terms
from licensing.operations.transactions import in_transaction
from licensing.operations.turnover import Turnover
from licensing.operations.verdicts import reckon

from .commit import Busy, Uncommitted
from .cursor import batch_cursor, lean
from .open_transaction import OpenTransaction
from .outcomes import Foresee, nothing
from .recent import Recent

# The calls of a batch.
Calls = Mapping["Kind", Sequence[Any]]
# Whether nobody has written to a lease since that was promised of it.
Stands = Callable[[Promise], bool]


def _never(_promise: Promise) -> bool:
    return False


class Kind(IntEnum):
    """What a call wants, in the order in which a batch does it: what is given back first can be taken."""

    PROMISES = 0
    HEARTBEAT = 1
    RETURN = 2
    CHECKOUT = 3
    LOOK = 4


class Work(msgspec.Struct):
    """One call; `known_grants` is what a checkout's client has already, for whoever writes the answer."""

    kind: Kind
    call: Any  # a CheckoutRequest for CHECKOUT, a sequence of Promise for PROMISES, else a LeaseCall
    known_grants: Mapping[str, int] = {}


class Done(msgspec.Struct):
    """What became of a call, and the portal time at which it was judged."""

    outcome: Any  # as the operation of the call's kind gives it: Checkout, HeldLease, None; or Refused
    now: datetime


class Batches:
    """Carries batches out. `clock` gives portal time; it is asked once the write lock is held.

    `changed` is called before the clock is asked where the installation's version has moved: whoever keeps
    the clock in memory reads it again, so that no batch is judged by a time that a contact has corrected.
    `recent`, where there is one, tells at once whether promises stand as they were given.
    """

    def __init__(
        self,
        clock: Callable[[], datetime],
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._clock = clock
        self._changed = changed
        # The event loop's own: Django keeps another one outside of a running loop.
        self._database: BaseDatabaseWrapper | None = None
        self.recent: Recent | None = None
        self._own: Any = None
        # What `others` saw last: the connection and its `data_version`, and what it gave.
        self._others: tuple[Hashable, Hashable] = (None, None)
        self._terms: Terms | None = None

    def at_once(self, works: Sequence[Work]) -> Uncommitted[Done]:
        """All but the commit, without waiting for another process's lock (SQLite).

        Raises:
            Busy: the lock is held.
        """
        database, recent = self._never_waiting(), self.recent
        try:
            with OpenTransaction(database) as opened, database.cursor() as own, batch_cursor(own) as cursor:
                stands: Stands = _never
                if recent is not None:
                    recent.compare()
                    stands = recent.stands
                done = self._done(cursor, works, stands)
        except OperationalError as error:
            raise Busy from error

        return Uncommitted(done, opened.commit)

    def patiently(self, works: Sequence[Work], foresee: Foresee[Done] = nothing) -> list[Done]:
        """Waiting for the lock as long as the database lets us.

        `foresee` is told what is being committed.

        Raises:
            Refused: `unavailable`, for the whole batch.
        """

        done: list[Done] = []

        def carry_out(cursor: CursorWrapper) -> list[Done]:
            nonlocal done
            done = self._done(cursor, works, _never)
            return done

        return in_transaction(carry_out, partial(lean, sent=lambda: foresee(done)))

    def others(self) -> Hashable | None:
        """What changes whenever anybody else has changed what is kept of leases; None where nobody knows.

        Whoever ends a lease from outside the engine raises the installation's `version`, as whoever changes
        what leases depend on does. It can only have changed where another connection has committed anything:
        SQLite tells that without reading a page ("PRAGMA data_version"; it differs between connections).
        """
        own = self._own
        try:
            seen = own, own.execute("PRAGMA data_version").fetchone()[0]
            if seen != self._others[0]:
                version = own.execute("SELECT version FROM licensing_installation WHERE id = 1").fetchone()
                self._others = seen, (own, version)
        except (AttributeError, sqlite3.Error):
            return None
        return self._others[1]

    def _never_waiting(self) -> BaseDatabaseWrapper:
        """The loop's connection, which refuses at once where it would have to wait for a lock."""
        database = self._database
        if database is None:
            database = self._database = connections[DEFAULT_DB_ALIAS]
        if database.connection is None or database.connection is not self._own:
            database.ensure_connection()
            self._own = database.connection
            self._own.execute("PRAGMA busy_timeout = 0")
        return database

    def _done(self, cursor: CursorWrapper, works: Sequence[Work], stands: Stands) -> list[Done]:
        places: dict[Kind, list[int]] = {}
        for place, work in enumerate(works):
            places.setdefault(work.kind, []).append(place)
        calls = {kind: [works[place].call for place in at] for kind, at in places.items()}
        terms, turnover = self._locked(cursor, calls)
        now = self._clock()
        outcomes: list[Any] = [None] * len(works)
        for kind, found in _steps(cursor, calls, turnover, now, terms, stands):
            for place, outcome in zip(places[kind], found, strict=True):
                outcomes[place] = outcome
            if kind is Kind.CHECKOUT and self.recent is not None:
                self.recent.bring_up_to_date(found)
        return [Done(outcome, now) for outcome in outcomes]

    def _locked(self, cursor: CursorWrapper, calls: Calls) -> tuple[Terms, Turnover]:
        """The terms, and returns and checkouts, the modules being locked that they name.

        The terms are those kept, unless a key, the Configuration or the clock changed since. One small read
        tells that; the locks go along with it, for hardly ever are they the wrong ones. Where they are, the
        right ones are locked too; if two batches should then wait for each other, the database ends one of
        them, and it is done again.
        """
        terms = self._terms or self._read_terms()
        while True:
            turnover = Turnover(cursor, calls.get(Kind.RETURN, ()), calls.get(Kind.CHECKOUT, ()), terms)
            is_first = not _lead(calls)
            if is_first:
                turnover.ask(self._clock())
            locked = turnover.lock(self._clock)
            # After the locks: what was changed while they were waited for counts.
            version = ask_version(cursor)
            if is_first:
                turnover.ask_free()
            locked()
            if version() == terms.version:
                return terms, turnover
            terms = self._read_terms()

    def _read_terms(self) -> Terms:
        self._terms = terms = read_terms()
        self._changed()
        return terms


def _lead(calls: Calls) -> bool:
    """Whether something comes before returns and checkouts that they have to find written."""
    return Kind.PROMISES in calls or Kind.HEARTBEAT in calls


def _steps(
    cursor: CursorWrapper, calls: Calls, turnover: Turnover, now: datetime, terms: Terms, stands: Stands
) -> Iterator[tuple[Kind, Sequence[Checkout | HeldLease | Refused | None]]]:
    """Carry out the calls of each kind, one after another, and tell their outcomes."""
    if Kind.PROMISES in calls:
        yield Kind.PROMISES, _write_promises(cursor, calls[Kind.PROMISES], stands, now, terms)
    if Kind.HEARTBEAT in calls:
        yield Kind.HEARTBEAT, run_heartbeat(cursor, calls[Kind.HEARTBEAT], now, terms)
    if _lead(calls):
        turnover.ask(now)
        turnover.ask_free()
    returned, given = turnover.carry_out(now)
    if returned:
        yield Kind.RETURN, returned
    if given:
        yield Kind.CHECKOUT, given
    if Kind.LOOK in calls:
        yield Kind.LOOK, [run_look(cursor, call, now, terms) for call in calls[Kind.LOOK]]


def _write_promises(
    cursor: CursorWrapper, calls: Sequence[Sequence[Promise]], stands: Stands, now: datetime, terms: Terms
) -> list[None]:
    """As they are where they stand; the others are judged anew."""
    plain: list[Promise] = []
    doubtful: list[Promise] = []
    for call in calls:
        for promise in call:
            (plain if stands(promise) else doubtful).append(promise)
    write_promises(cursor, plain)
    reckon(cursor, [promise.key for promise in doubtful], terms, now, doubtful)
    return [None] * len(calls)
