"""What goes into the lease operations and what comes out of them: plain values.

They are msgspec's, for those are made several times as fast as dataclasses, and a batch makes many.
"""

from collections.abc import Mapping
from datetime import date, datetime
from uuid import UUID

import msgspec

from .entitlements import Entitlement


class Program(msgspec.Struct, frozen=True):
    """The ERP program that asks; `built_on` decides whether a module's warranty covers it."""

    name: str
    version: str
    built_on: date | None = None


class CheckoutRequest(msgspec.Struct, frozen=True):
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


class LeaseCall(msgspec.Struct, frozen=True):
    """A call on one lease by one ERP client."""

    client_id: int
    lease_id: UUID


class HeldModule(msgspec.Struct, frozen=True):
    """A module of a lease: `seat` is None where seats are not counted; both dates are last good days."""

    code: str
    key: str
    seat: int | None
    expires_on: date | None
    warranty_until: date | None


class HeldLease(msgspec.Struct, frozen=True):
    """A lease as it is now.

    `withdrawn` names the modules that the vendor took away; `contact_deadline` is the earliest moment at
    which one of the lease's keys ends for want of contact; `keys` has the vendor's words on each of them.
    Until `limit`, as long as nothing is written, another heartbeat changes nothing but the end; None where
    that is not known.
    """

    id: UUID
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


class Promise(msgspec.Struct, frozen=True):
    """That a lease lives until `until`, unless something else ends it: not written down yet.

    `heard_at`: when its program sent the heartbeat to which that was the answer.
    """

    lease_id: UUID
    until: datetime
    heard_at: datetime | None = None


class Checkout(msgspec.Struct, frozen=True):
    """A lease given, or given before for the same idempotency key (`replayed`)."""

    lease: HeldLease
    replayed: bool
