"""The status light: how things stand, and what needs the administrator (lease-api.md, `GET /status`)."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from licensing.models import ContactState, KeyState, PendingRelease, VirtualKey
from licensing.protocol.messages import GrantedModule
from licensing.protocol.times import end_of_day

from .entitlements import Entitlement, entitlements

GREEN, YELLOW, RED = "green", "yellow", "red"
EXPIRING_WITHIN = timedelta(days=30)
# Every reason, in the order in which they are told.
REASONS = (
    "no_active_key",
    "contact_lost",
    "contact_failing",
    "key_refused",
    "module_expired",
    "module_expiring",
    "warranty_expired",
)


@dataclass(frozen=True)
class KeyStatus:
    """One key. `seconds_left` until its modules stop without a contact; None while it is not active."""

    number: str
    state: str
    refusal: str | None
    last_contact_at: datetime | None
    contact_deadline: datetime | None
    light: str
    reasons: tuple[str, ...]
    seconds_left: int | None
    active_on: str | None = None


@dataclass(frozen=True)
class Status:
    """The whole portal; `keys` by number."""

    light: str
    reasons: tuple[str, ...]
    keys: tuple[KeyStatus, ...]
    release_pending: tuple[str, ...]
    server_time: datetime
    next_contact_at: datetime | None = None

    @property
    def seconds_left(self) -> int | None:
        """Until the first of the keys stops for want of contact; None where none is active."""
        return min((key.seconds_left for key in self.keys if key.seconds_left is not None), default=None)


def status(
    now: datetime,
    keys_held: Sequence[VirtualKey] | None = None,
    held: Mapping[str, Entitlement] | None = None,
) -> Status:
    """How things stand at `now`; judged anew each time, whether or not a worker runs.

    Args:
        now: portal time.
        keys_held: the rows of the keys with their grants, where the caller has read them already.
        held: their entitlements, likewise.
    """
    rows = read_keys() if keys_held is None else keys_held
    held = entitlements(keys_held=rows) if held is None else held
    failures, next_at = ContactState.objects.filter(pk=1).values_list("failures", "next_at").first() or (
        0,
        None,
    )
    is_failing = failures > 0
    keys = tuple(_key_status(row, held.get(row.number), is_failing, now) for row in rows)
    found = {reason for key in keys for reason in key.reasons} - {"no_active_key"}
    if not held:
        found.add("no_active_key")
    if is_failing:
        found.add("contact_failing")
    is_red = all(key.contact_deadline <= now for key in held.values())
    pending = tuple(PendingRelease.objects.order_by("number").values_list("number", flat=True))
    return Status(_light(found, is_red=is_red), _in_order(found), keys, pending, now, next_at)


def read_keys() -> list[VirtualKey]:
    """The rows of the keys with their grants, by number; the PINs stay where they are."""
    return list(VirtualKey.objects.defer("pin").order_by("number"))


def _key_status(row: VirtualKey, held: Entitlement | None, is_failing: bool, now: datetime) -> KeyStatus:
    """The same judgement for one key alone."""
    found = set(_module_reasons(held.grant.modules, now)) if held else {"no_active_key"}
    if row.refusal:
        found.add("key_refused")
    if is_failing and row.state != KeyState.INACTIVE:
        found.add("contact_failing")
    deadline = held.contact_deadline if held else None
    if deadline is not None and deadline <= now:
        found.add("contact_lost")
    return KeyStatus(
        number=row.number,
        state=row.state,
        refusal=row.refusal or None,
        last_contact_at=row.last_contact_at,
        contact_deadline=deadline,
        light=_light(found, is_red=deadline is None or deadline <= now),
        reasons=_in_order(found),
        seconds_left=max(0, int((deadline - now).total_seconds())) if deadline else None,
        active_on=row.active_on or None,
    )


def _module_reasons(modules: Iterable[GrantedModule], now: datetime) -> Iterator[str]:
    for module in modules:
        if module.expires_on is not None:
            end = end_of_day(module.expires_on)
            if end <= now:
                yield "module_expired"
            elif end <= now + EXPIRING_WITHIN:
                yield "module_expiring"
        if module.warranty_until is not None and end_of_day(module.warranty_until) <= now:
            yield "warranty_expired"


def _light(reasons: Collection[str], *, is_red: bool) -> str:
    if is_red:
        return RED
    return YELLOW if reasons else GREEN


def _in_order(reasons: Collection[str]) -> tuple[str, ...]:
    return tuple(reason for reason in REASONS if reason in reasons)
