"""What the two sides say to each other, as plain values; how it is signed and read lies elsewhere."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

GRANTED = "granted"
REFUSED = "refused"
UNREADABLE = "unreadable"
"""A result that this side makes of an entry that it cannot read, so that its neighbours stay good."""

REFUSAL_REASONS = frozenset(
    {
        "wrong_credentials",
        "locked",
        "active_elsewhere",
        "not_bound",
        "machine_changed",
        "clone_suspected",
        "suspended",
    }
)


@dataclass(frozen=True, slots=True)
class InstallationInfo:
    """Who asks: `id` is the thumbprint of its key, `machine` `sha256:…` or `cluster:…`."""

    id: str
    name: str
    machine: str
    portal: str


@dataclass(frozen=True, slots=True)
class KeyRequest:
    """A key asked for: the serial of the last grant held (0: none), credentials as a JWE."""

    number: str
    serial: int
    credentials: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class ContactRequest:
    """One contact, as the installation asks for it."""

    request_id: str
    sent_at: datetime
    installation: InstallationInfo
    keys: tuple[KeyRequest, ...]
    release: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Credentials:
    """What proves that a key was bought; sealed to the authority and tied to one request."""

    request_id: str
    installation: str
    number: str
    customer: str
    pin: str = field(repr=False)
    email: str | None


@dataclass(frozen=True, slots=True)
class KeyAnswer:
    """The vendor's word on one key; `grant` is a JWS that must still be verified by itself.

    `result` is `granted` (with `grant`), `refused` (with `reason`, one of REFUSAL_REASONS, and
    perhaps `active_on`), or `unreadable` where the entry's shape is broken: it changes nothing.
    """

    number: str
    result: str
    grant: str | None = field(default=None, repr=False)
    reason: str | None = None
    active_on: str | None = None


@dataclass(frozen=True, slots=True)
class ContactAnswer:
    """The vendor's answer to one request; `codes` and `jwks` are JWSs to be verified by themselves."""

    request_id: str
    request_sha256: str
    installation: str
    answered_at: datetime
    keys: tuple[KeyAnswer, ...]
    released: tuple[str, ...]
    codes: str | None = field(default=None, repr=False)
    jwks: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class GrantedModule:
    """A module bought: `seats` None is not counted; both dates are last good days."""

    code: str
    name: Mapping[str, str] = field(hash=False)
    seats: int | None
    expires_on: date | None
    warranty_until: date | None


@dataclass(frozen=True, slots=True)
class Grant:
    """What one installation may use of one key, until `valid_until`."""

    key: str
    customer: str
    installation: str
    serial: int
    issued_at: datetime
    valid_until: datetime
    modules: tuple[GrantedModule, ...]
    _by_code: dict[str, GrantedModule] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_code", {module.code: module for module in self.modules})

    def module(self, code: str) -> GrantedModule | None:
        """The module of this code, or None if the grant does not have it."""
        return self._by_code.get(code)


@dataclass(frozen=True, slots=True)
class CodePack:
    """Commitments to the activation codes of the slots from `first_slot` on."""

    installation: str
    pack: int
    issued_at: datetime
    keys: Mapping[str, int] = field(hash=False)
    challenge_key: bytes = field(repr=False)
    first_slot: int
    commitments: tuple[bytes, ...] = field(repr=False)

    @property
    def lowest_key(self) -> str:
        """The lowest key number of the pack, which its challenges carry."""
        return min(self.keys)

    def commitment(self, slot: int) -> bytes | None:
        """The commitment to the code of `slot`, or None if the pack has none for that day."""
        index = slot - self.first_slot
        return self.commitments[index] if 0 <= index < len(self.commitments) else None
