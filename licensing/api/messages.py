"""The JSON messages of the lease API, as types: they parse, they render, and they make the OpenAPI document.

Shapes and limits are those of the contract "the lease API (v1)". Instants are text here, always with six
decimals and `Z`, so that they sort as text.
"""

from datetime import date
from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

# As sent it may be longer: white space around it does not count, and letters may come in parts.
Name = Annotated[
    str,
    Meta(
        min_length=1,
        description="no character of Cc or Cf as sent; 1..64 code points once in NFC and stripped",
    ),
]
# Told in the description, and seen to in `parsing`: what no database keeps, and what is named but once.
_KEPT: dict[str, Any] = {"pattern": "^[^\\u0000]*$"}
_UNLIKE: dict[str, Any] = {"uniqueItems": True}
Code = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=32,
        description="code of a module",
        examples=["HANDEL"],
        extra_json_schema=_KEPT,
    ),
]
KeyNumber = Annotated[str, Meta(description="number of a virtual key", examples=["5000006622"])]
Instant = Annotated[
    str, Meta(description="RFC 3339, UTC, six decimals", examples=["2026-11-24T08:00:00.000000Z"])
]


class Program(Struct, forbid_unknown_fields=True, frozen=True):
    """The ERP program that asks; `built_on` decides where a module's warranty has passed."""

    name: Annotated[str, Meta(min_length=1, max_length=64, extra_json_schema=_KEPT)]
    version: Annotated[str, Meta(min_length=1, max_length=32, extra_json_schema=_KEPT)]
    built_on: date | None = None


class CheckoutBody(Struct, forbid_unknown_fields=True, frozen=True):
    """What one log-in asks for: `modules` all or none, each of `optional` if it can be had."""

    modules: Annotated[tuple[Code, ...], Meta(min_length=1, max_length=32, extra_json_schema=_UNLIKE)]
    workstation: Name
    user: Name
    program: Program
    optional: Annotated[
        tuple[Code, ...],
        Meta(max_length=32, description="none of `modules`", extra_json_schema=_UNLIKE),
    ] = ()
    key: KeyNumber | None = None
    known_grants: dict[str, int] = {}


class LeasedModule(Struct, frozen=True):
    code: Code
    key: KeyNumber
    seat: int | None
    expires_on: date | None
    warranty_until: date | None


class NotTaken(Struct, frozen=True):
    code: str
    reason: str


class Activation(Struct, frozen=True):
    """Proof that an activation code renewed the deadline."""

    codes: str
    slot: int
    code: str


class LeaseAnswer(Struct, frozen=True):
    """A lease as checkout tells it; the last two only when it has ended before the call was repeated."""

    id: str
    state: str
    modules: list[LeasedModule]
    not_taken: list[NotTaken]
    workstation: str
    user: str
    taken_at: Instant
    expires_at: Instant
    renew_after_seconds: int
    inactivity_seconds: int
    contact_deadline: Instant
    server_time: Instant
    grants: dict[str, str]
    activation: Activation | None
    ended_at: Instant | UnsetType = UNSET
    ended_reason: str | UnsetType = UNSET


class LookAnswer(Struct, frozen=True):
    """A lease as a look at it tells it; the last two only when it has ended."""

    id: str
    state: str
    modules: list[LeasedModule]
    not_taken: list[NotTaken]
    workstation: str
    user: str
    taken_at: Instant
    expires_at: Instant
    renew_after_seconds: int
    inactivity_seconds: int
    contact_deadline: Instant
    server_time: Instant
    activation: Activation | None
    ended_at: Instant | UnsetType = UNSET
    ended_reason: str | UnsetType = UNSET


class HeartbeatAnswer(Struct, frozen=True):
    id: str
    state: str
    expires_at: Instant
    renew_after_seconds: int
    contact_deadline: Instant
    server_time: Instant
    withdrawn: list[str]


class ModuleAnswer(Struct, frozen=True):
    code: Code
    name: dict[str, str]
    key: KeyNumber
    seats: int | None
    taken: int
    free: int | None
    available: bool
    reason: str | None
    expires_on: date | None
    warranty_until: date | None
    contact_deadline: Instant


class ModulesAnswer(Struct, frozen=True):
    modules: list[ModuleAnswer]
    server_time: Instant


class GrantAnswer(Struct, frozen=True):
    key: KeyNumber
    serial: int
    grant: str


class KeyStatusAnswer(Struct, frozen=True):
    number: KeyNumber
    state: str
    refusal: str | None
    last_contact_at: Instant | None
    contact_deadline: Instant | None
    light: str
    reasons: list[str]


class StatusAnswer(Struct, frozen=True):
    light: str
    reasons: list[str]
    keys: list[KeyStatusAnswer]
    release_pending: list[KeyNumber]
    server_time: Instant


class HealthAnswer(Struct, frozen=True, omit_defaults=True):
    status: str
    warnings: list[str] | None = None
    failing: list[str] | None = None


class Holder(Struct, frozen=True):
    """Who holds a seat."""

    workstation: str
    user: str
    taken_at: Instant
    last_seen_at: Instant


class FullModule(Struct, frozen=True):
    """A module without a free seat."""

    code: Code
    seats: int
    taken: int
    next_free_at: Instant | None
    holders: Annotated[list[Holder], Meta(description="none where the administrator names nobody")]


class WrongField(Struct, frozen=True):
    """What is wrong with a request."""

    field: Annotated[str, Meta(description="JSON pointer, or a header's name", examples=["/modules/0"])]
    message: str


class Problem(Struct, frozen=True):
    """A refusal (RFC 9457); the members after `code` come with some codes alone."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    contact_deadline: Annotated[Instant, Meta(description="contact_lost")] | UnsetType = UNSET
    expires_on: Annotated[date, Meta(description="module_expired: its last day")] | UnsetType = UNSET
    warranty_until: Annotated[date, Meta(description="warranty_expired: its last day")] | UnsetType = UNSET
    modules: (
        Annotated[
            list[FullModule | str],
            Meta(description="no_free_seat: those that are full; module_unknown: codes"),
        ]
        | UnsetType
    ) = UNSET
    ended_reason: Annotated[str, Meta(description="lease_ended")] | UnsetType = UNSET
    ended_at: Annotated[Instant, Meta(description="lease_ended")] | UnsetType = UNSET
    errors: (
        Annotated[list[WrongField], Meta(min_length=1, description="validation_failed: at least the first")]
        | UnsetType
    ) = UNSET
    key: Annotated[str, Meta(description="key_unknown: that was asked for")] | UnsetType = UNSET
    incident: Annotated[str, Meta(description="internal_error: stands in the log too")] | UnsetType = UNSET


# What the document of the API describes beside the paths.
ANSWERS: tuple[Any, ...] = (
    CheckoutBody,
    LeaseAnswer,
    LookAnswer,
    HeartbeatAnswer,
    ModulesAnswer,
    GrantAnswer,
    StatusAnswer,
    HealthAnswer,
    Problem,
)
