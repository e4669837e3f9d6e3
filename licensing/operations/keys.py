"""Virtual keys: adding, editing, binding anew, removing. These store; a contact then carries it out."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils.translation import gettext_lazy as _

from licensing.models import KeyState, PendingRelease, Role, VirtualKey
from licensing.protocol.fields import CUSTOMER, KEY_NUMBER, MOST_KEYS, PIN

from .actors import Actor
from .contact_schedule import request_contact
from .errors import Refused
from .events import record
from .installation import bump_version, changing_terms
from .leases import end_leases_of_key
from .machine import machine

# What the column takes; the vendor takes longer ones.
LONGEST_EMAIL = 254
Result = TypeVar("Result")


@dataclass(frozen=True)
class Removal:
    """A key that was removed. `needs_vendor`: only the vendor's reset frees it for another Key Manager."""

    number: str
    needs_vendor: bool


def add_key(now: datetime, actor: Actor, number: str, customer: str, pin: str, email: str = "") -> VirtualKey:
    """Store a key; the next contact activates it.

    Raises:
        Refused: `not_permitted`, `key_exists`, `too_many_keys`; `validation_failed` with `errors`, lists of
            sentences by field.
    """
    actor.require(Role.ADMINISTRATOR)
    values = _cleaned(number=number, customer=customer, pin=pin, email=email)

    def add() -> VirtualKey:
        if VirtualKey.objects.filter(number=values["number"]).exists():
            raise _key_exists(values["number"])
        if VirtualKey.objects.count() >= MOST_KEYS:
            sentence = _("A Key Manager holds at most 50 keys. Remove one that is not needed any more.")
            raise Refused("too_many_keys", sentence, errors={"number": [sentence]})
        key = VirtualKey.objects.create(**values, added_at=now)
        PendingRelease.objects.filter(number=key.number).delete()
        _changed(now, actor, "key_added", key.number)
        return key

    return _changing_keys(add)


def edit_key(
    now: datetime,
    actor: Actor,
    number: str,
    customer: str | None = None,
    pin: str | None = None,
    email: str | None = None,
) -> VirtualKey:
    """Change what a key is activated with; what is left out stays. The next contact asks for it again.

    A key that is active can only be bound anew, and only while the vendor asks for that; this takes the PIN.

    Raises:
        Refused: `not_permitted`, `key_unknown`, `key_is_active`, `validation_failed`.
    """
    actor.require(Role.ADMINISTRATOR)

    def edit() -> VirtualKey:
        key = _locked(number)
        if key.state == KeyState.ACTIVE and not waits_for_binding(key):
            raise Refused(
                "key_is_active",
                _("Key %(number)s is active, so there is nothing to edit. Remove it to activate it anew.")
                % {"number": key.number},
            )
        given = {"customer": customer, "pin": pin, "email": email}
        values = _cleaned(**{name: value for name, value in given.items() if value is not None})
        _need_pin(key, values)
        changed: dict[str, object] = {**values, "revision": key.revision + 1}
        if key.state != KeyState.ACTIVE:
            changed |= {"state": KeyState.NEW, "refusal": "", "active_on": ""}
        for name, value in changed.items():
            setattr(key, name, value)
        key.save(update_fields=[*changed])
        kind = "key_to_be_bound_anew" if key.state == KeyState.ACTIVE else "key_edited"
        _changed(now, actor, kind, key.number, fields=sorted(values))
        return key

    return _changing_keys(edit)


def rebind_key(now: datetime, actor: Actor, number: str, pin: str) -> VirtualKey:
    """Have an active key bound anew to this installation and machine; its leases go on meanwhile.

    Raises:
        Refused: `not_permitted`, `key_unknown`, `key_is_active` (nobody asks for it), `validation_failed`.
    """
    return edit_key(now, actor, number, pin=pin)


def remove_key(now: datetime, actor: Actor, number: str, pin: str | None = None) -> Removal:
    """Remove a key: its leases end at once, and the next contact frees it at the vendor.

    A key that waits to be bound anew is not bound to what this portal now is, so the vendor would not
    release it: with its PIN it is bound anew first; without, only the vendor's reset frees it.

    Raises:
        Refused: `not_permitted`, `key_unknown`, `validation_failed`.
    """
    actor.require(Role.ADMINISTRATOR)

    def remove() -> Removal:
        key = _locked(number)
        bind_first = bound_before_release(key)
        held = {"customer": key.customer, **_cleaned(pin=pin)} if bind_first and pin else {}
        end_leases_of_key(key.number, "key_removed", now)
        key.delete()
        needs_vendor = bind_first and not held
        PendingRelease.objects.create(
            number=key.number,
            removed_at=now,
            bound_machine=key.bound_machine if key.state == KeyState.ACTIVE else "",
            needs_vendor=needs_vendor,
            **held,
        )
        if needs_vendor:
            record("release_needs_vendor", now, actor, key.number)
        _changed(now, actor, "key_removed", key.number, needs_vendor=needs_vendor)
        return Removal(key.number, needs_vendor)

    return _changing_keys(remove)


def waits_for_binding(key: VirtualKey, here: str | None = None) -> bool:
    """Whether an active key has to be bound anew, so that its PIN is asked for.

    Args:
        key: its row.
        here: the machine or cluster that this is, where the caller has asked already.
    """
    if key.state != KeyState.ACTIVE:
        return False
    return bool(key.binding_asked) or key.bound_machine != (here or machine())


def bound_before_release(key: VirtualKey) -> bool:
    """Whether the vendor frees a key only once it is bound anew: one that it has unbound already is free."""
    return waits_for_binding(key) and key.binding_asked != "not_bound"


def _locked(number: str) -> VirtualKey:
    key = VirtualKey.objects.select_for_update().filter(number=number.strip()).first()
    if key is None:
        raise Refused(
            "key_unknown", _("There is no key %(number)s here.") % {"number": number}, key=number.strip()
        )
    return key


def _need_pin(key: VirtualKey, values: dict[str, str]) -> None:
    """The PIN is asked for again once it is not kept any more, and always to bind an active key anew."""
    kept = VirtualKey.objects.filter(pk=key.pk, pin__isnull=False).exists()
    if "pin" in values or (kept and values and key.state != KeyState.ACTIVE):
        return
    sentence = _("Enter the key's PIN.") if not kept or values else _("Enter what is to be changed.")
    raise Refused("validation_failed", sentence, errors={"pin": [sentence]})


def _changing_keys(change: Callable[[], Result]) -> Result:
    """Change keys in one transaction; the installation's row comes first, as when an answer is accepted.

    So whoever changes keys waits for an answer being accepted, and neither can lock the other out.
    """

    def work() -> Result:
        bump_version()
        return change()

    return changing_terms(work)


def _changed(now: datetime, actor: Actor, kind: str, number: str, **data: object) -> None:
    record(kind, now, actor, number, **data)
    request_contact(now)


def _key_exists(number: str) -> Refused:
    sentence = _("Key %(number)s is already here.") % {"number": number}
    return Refused("key_exists", sentence, errors={"number": [sentence]})


_SHAPES: dict[str, tuple[re.Pattern[str], object]] = {
    "number": (KEY_NUMBER, _("A key number has ten digits and begins with 50000.")),
    "customer": (CUSTOMER, _("A customer id has 1 to 20 digits.")),
    "pin": (PIN, _("A PIN has four digits.")),
}


def _cleaned(**fields: str | None) -> dict[str, str]:
    """The fields given, stripped; refused with a sentence per field that is wrong."""
    values = {name: (value or "").strip() for name, value in fields.items()}
    # As they are printed on papers, and pasted from them.
    values |= {name: without_spaces(values[name]) for name in ("number", "customer") if name in values}
    errors = {name: [sentence] for name, value in values.items() if (sentence := _fault(name, value))}
    if errors:
        first = next(iter(errors.values()))[0]
        raise Refused("validation_failed", first, errors=errors)
    return values


def without_spaces(text: str) -> str:
    """A number as it is stored; people write it in groups."""
    return "".join(text.split())


def _fault(name: str, value: str) -> object:
    if name == "email":
        if len(value) > LONGEST_EMAIL:
            return _("An e-mail address has at most 254 characters.")
        try:
            if value:
                validate_email(value)
        except ValidationError as error:
            return error.messages[0]
        return None
    shape, sentence = _SHAPES[name]
    return None if shape.fullmatch(value) else sentence
