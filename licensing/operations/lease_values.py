"""What goes into the lease operations and what comes out of them: plain values.

They are msgspec's, for those are made several times as fast as dataclasses, and a batch makes many. None can
be part of a cycle: the garbage collector need not look through them (`gc=False`).
"""

from collections.abc import Callable, Mapping
from datetime import date, datetime

import msgspec

from .entitlements import Entitlement


def id_of(key: str) -> str:
    """A lease's id as it is told, from its 32 hex digits."""
    return f"{key[:8]}-{key[8:12]}-{key[12:16]}-{key[16:20]}-{key[20:]}"


def hex_of(lease_id: str) -> str:
    """The 32 hex digits of a lease's id."""
    return lease_id.replace("-", "")


class Program(msgspec.Struct, frozen=True, gc=False):
    """The ERP program that asks; `built_on` decides whether a module's warranty covers it."""

    name: str
    version: str
    built_on: date | None = None


class CheckoutRequest(msgspec.Struct, frozen=True, gc=False):
    """One log-in: `modules` all or none, each of `optional` if it can be had.

    The codes of both lists are different. `key` asks for the modules of that key alone; `idempotency_key`
    makes a repetition with the same `body_sha256` within 24 h give the same lease.
    """

    client_id: int
    modules: tuple[str, ...]
    optional: tuple[str, ...]
    workstation: str
    user: str
    program: Program
    key: str | None = None
    idempotency_key: str | None = None
    body_sha256: str = ""


class LeaseCall(msgspec.Struct, frozen=True, gc=False):
    """A call on one lease by one ERP client; the id as `HeldLease` has it."""

    client_id: int
    lease_id: str

    @property
    def key(self) -> str:
        """The id as the rows have it."""
        return hex_of(self.lease_id)


class HeldModule(msgspec.Struct, frozen=True, gc=False):
    """A module of a lease: `seat` is None where seats are not counted; both dates are last good days."""

    code: str
    key: str
    seat: int | None
    expires_on: date | None
    warranty_until: date | None


class HeldLease(msgspec.Struct, frozen=True, gc=False):
    """A lease as it is now; `id` is a UUID's text.

    `withdrawn` names the modules that the vendor took away; `contact_deadline` is the earliest moment at
    which one of the lease's keys ends for want of contact; `keys` has the vendor's words on each of them.
    Until `limit`, as long as nothing is written, another heartbeat changes nothing but the end; None where
    that is not known.
    """

    id: str
    state: str
    modules: tuple[HeldModule, ...]
    not_taken: tuple[tuple[str, str], ...]
    workstation: str
    user: str
    taken_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    ended_at: datetime | None
    ended_reason: str
    contact_deadline: datetime
    withdrawn: tuple[str, ...]
    inactivity_seconds: int
    keys: Mapping[str, Entitlement]
    limit: datetime | None = None


class Promise(msgspec.Struct, frozen=True, gc=False):
    """That a lease lives until `until`, unless something else ends it: not written down yet.

    `heard_at`: when its program sent the heartbeat to which that was the answer.
    """

    lease_id: str
    until: datetime
    heard_at: datetime | None = None

    @property
    def key(self) -> str:
        """The id as the rows have it."""
        return hex_of(self.lease_id)


class Checkout(msgspec.Struct, gc=False):
    """A lease given, or given before for the same idempotency key (`replayed`).

    `make` makes the lease as it is told: when it is first asked for, which the engine does while the batch is
    being committed.
    """

    make: Callable[[], HeldLease]
    replayed: bool
    _made: HeldLease | None = None

    @property
    def lease(self) -> HeldLease:
        """The lease."""
        if self._made is None:
            self._made = self.make()
        return self._made
