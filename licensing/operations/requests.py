"""The one open request: what it asks, and how it is kept until it is answered or given up.

What was asked is remembered by a mark per key, so that an answer about a key that was edited, or removed
and added again, meanwhile is known as an answer to something older.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import QuerySet

from licensing.models import Installation, KeyState, OpenRequest, PendingRelease, VirtualKey
from licensing.models.sealed import SealBroken
from licensing.protocol.errors import ProtocolError
from licensing.protocol.fields import MOST_KEYS
from licensing.protocol.keys import AuthorityKeys
from licensing.protocol.messages import ContactRequest, Credentials, InstallationInfo, KeyRequest
from licensing.protocol.requests import seal_credentials, sign_request, verify_request

from .actors import PORTAL
from .authority_keys import NO_KEYS, authority_keys
from .errors import Refused
from .events import record
from .installation import installation_key
from .machine import machine

LIFE = timedelta(hours=80)
LIFE_EXPORTED = timedelta(days=30)
MOST_RELEASES = 1000
# Refusals after which a key that is not active is not sent again until it is edited.
HELD_BACK = frozenset({"wrong_credentials", "locked"})


@dataclass(frozen=True)
class Wanted:
    """A key to be asked for; with a PIN its credentials are sent."""

    number: str
    serial: int
    mark: str
    customer: str
    email: str = ""
    pin: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Plan:
    """What a request made now would ask."""

    keys: tuple[Wanted, ...]
    releases: tuple[str, ...]

    @property
    def marks(self) -> dict[str, str]:
        """The mark of each key asked for."""
        return {wanted.number: wanted.mark for wanted in self.keys}

    def frees(self, number: str) -> bool:
        """Whether this is a removed key that is to be released, bound anew before it or not."""
        return number in self.releases or self.marks.get(number, "").startswith("release ")

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to ask."""
        return not self.keys and not self.releases


@dataclass(frozen=True)
class OpenContact:
    """The open request, read back."""

    request: ContactRequest
    jws: str = field(repr=False)
    marks: Mapping[str, str]

    @property
    def request_id(self) -> uuid.UUID:
        """Its id, as the database has it."""
        return uuid.UUID(self.request.request_id)


def plan() -> Plan:
    """What there is to ask of the vendor: each key that may be asked for, and what is to be released."""
    keys = [_wanted(key) for key in VirtualKey.objects.exclude(state=KeyState.INACTIVE).order_by("number")]
    pending = list(PendingRelease.objects.order_by("number").defer("pin"))
    bound_first = [wanted for row in pending if (wanted := _bound_before_release(row)) is not None]
    asked = bound_first + [wanted for wanted in keys if wanted is not None]
    waiting = {wanted.number for wanted in bound_first}
    releases = [row.number for row in pending if row.number not in waiting]
    return Plan(tuple(asked[:MOST_KEYS]), tuple(releases[:MOST_RELEASES]))


def mark_of(key: VirtualKey) -> str:
    """What this row, as it now is, is known by in an open request."""
    return f"key {key.pk}.{key.revision}"


def mark_of_release(row: PendingRelease) -> str:
    """What a removed key that is bound anew first is known by in an open request."""
    return f"release {row.pk}"


def _wanted(key: VirtualKey) -> Wanted | None:
    pin = _pin(VirtualKey.objects.filter(pk=key.pk))
    if key.state == KeyState.NEW and (pin is None or key.refusal in HELD_BACK):
        return None
    return Wanted(key.number, key.serial, mark_of(key), key.customer, key.email, pin)


def _bound_before_release(row: PendingRelease) -> Wanted | None:
    pin = _pin(PendingRelease.objects.filter(pk=row.pk))
    return Wanted(row.number, 0, mark_of_release(row), row.customer, pin=pin) if pin is not None else None


def _pin(row: "QuerySet[VirtualKey] | QuerySet[PendingRelease]") -> str | None:
    """The PIN kept in a row, if there is one and it opens: one edited by hand counts as none."""
    try:
        return row.values_list("pin", flat=True).first()
    except SealBroken:
        return None


def current_request() -> OpenContact | None:
    """The open request, or None where there is none (or one that was edited by hand)."""
    row = OpenRequest.objects.filter(pk=1).first()
    if row is None:
        return None
    try:
        return OpenContact(verify_request(row.jws), row.jws, row.revisions)
    except ProtocolError:
        return None


def take_request(now: datetime) -> OpenContact:
    """The open request, or a new one where there is none or it is too old; in the caller's transaction.

    Raises:
        Refused: `authority_keys_missing`, or as `installation_key` and `machine`.
    """
    row = OpenRequest.objects.select_for_update().filter(pk=1).first()
    if row is not None:
        life = LIFE_EXPORTED if row.exported_at else LIFE
        found = current_request()
        if found is not None and now - row.made_at < life:
            return found
        give_up(row.request_id, "too_old" if found else "damaged", now)
    return _make_request(now)


def give_up(request_id: uuid.UUID, reason: str, now: datetime) -> bool:
    """Close the open request unanswered; whether it was still this one."""
    deleted, _ = OpenRequest.objects.filter(pk=1, request_id=request_id).delete()
    if deleted:
        record("request_given_up", now, PORTAL, str(request_id), reason=reason)
    return bool(deleted)


def says_all(open_contact: OpenContact, plan: Plan) -> bool:
    """Whether a request made now would ask the same."""
    request = open_contact.request
    return (
        open_contact.marks == plan.marks
        and set(request.release) == set(plan.releases)
        and request.installation.machine == machine()
    )


def leaves_open(open_contact: OpenContact, plan: Plan) -> bool:
    """Whether there is something to ask that this request did not ask: the next one follows at once."""
    asked = open_contact.marks.items()
    return bool(plan.marks.items() - asked) or bool(set(plan.releases) - set(open_contact.request.release))


def _make_request(now: datetime) -> OpenContact:
    """Store a new request; it is stored before anyone can send it."""
    keys = authority_keys()
    if keys == NO_KEYS:
        raise Refused("authority_keys_missing")
    asked, key = plan(), installation_key()
    name = Installation.objects.values_list("name", flat=True).get(pk=1)
    who = InstallationInfo(key.id, name, machine(), settings.VERSION)
    request_id = str(uuid.uuid4())
    request = ContactRequest(
        request_id=request_id,
        sent_at=now,
        installation=who,
        keys=tuple(_key_request(wanted, request_id, key.id, keys) for wanted in asked.keys),
        release=asked.releases,
    )
    jws = sign_request(request, key)
    OpenRequest.objects.create(request_id=request_id, jws=jws, made_at=now, revisions=asked.marks)
    return OpenContact(request, jws, asked.marks)


def _key_request(wanted: Wanted, request_id: str, installation: str, keys: AuthorityKeys) -> KeyRequest:
    if wanted.pin is None:
        return KeyRequest(wanted.number, wanted.serial)
    credentials = Credentials(
        request_id, installation, wanted.number, wanted.customer, wanted.pin, wanted.email or None
    )
    return KeyRequest(wanted.number, wanted.serial, seal_credentials(credentials, keys))
