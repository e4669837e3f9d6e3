"""What goes into the lease operations and what comes out of them: plain values."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from .entitlements import Entitlement


@dataclass(frozen=True, slots=True)
class Program:
    """The ERP program that asks; `built_on` decides whether a module's warranty covers it."""

    name: str
    version: str
    built_on: date | None = None


@dataclass(frozen=True, slots=True)
class CheckoutRequest:
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


@dataclass(frozen=True, slots=True)
class LeaseCall:
    """A call on one lease by one ERP client."""

    client_id: int
    lease_id: UUID


@dataclass(frozen=True, slots=True)
class HeldModule:
    """A module of a lease: `seat` is None where seats are not counted; both dates are last good days."""

    code: str
    key: str
    seat: int | None
    expires_on: date | None
    warranty_until: date | None


@dataclass(frozen=True, slots=True)
class HeldLease:
    """A lease as it is now.

    `withdrawn` names the modules that the vendor took away; `contact_deadline` is the earliest moment at
    which one of the lease's keys ends for want of contact; `keys` has the vendor's words on each of them.
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


@dataclass(frozen=True, slots=True)
class Checkout:
    """A lease given, or given before for the same idempotency key (`replayed`)."""

    lease: HeldLease
    replayed: bool
