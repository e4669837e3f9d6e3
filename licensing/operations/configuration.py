"""The administrator's Configuration: reading it, changing it, putting it back."""

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import ExpressionWrapper, Q
from django.utils.translation import gettext as _

from licensing.models import Configuration, Role

from . import database
from .actors import Actor
from .certificates import check_certificates
from .errors import Refused
from .events import record
from .installation import bump_version, changing_terms
from .recipients import check_recipients, words_of

SECRETS = ("proxy_password", "smtp_password")
# A password is good for the server it was given for, and is shown to no other.
SECRET_BOUND_TO = {
    "proxy_password": ("proxy_host", "proxy_port"),
    "smtp_password": ("smtp_host", "smtp_port", "smtp_security"),
}
HOST_NAME = re.compile(r"(?=.{1,253}\Z)(?!-)[\w-]{1,63}(?<!-)(\.(?!-)[\w-]{1,63}(?<!-))*\.?\Z")
SMS_NUMBER = re.compile(r"\+?[0-9]{3,15}\Z")
TELEPHONE = re.compile(r"(?=(?:[^0-9]*[0-9]){3})[0-9 +()-]+\Z")

CONTACT_LOST_HOURS = 72


@dataclass(frozen=True)
class Change:
    """One setting that changed. A secret's values are told to nobody: both are None."""

    field: str
    before: Any
    after: Any


def configuration() -> Configuration:
    """The one row of settings, in one query; the passwords are fetched only where they are used."""
    return Configuration.objects.defer(*SECRETS).filter(pk=1).first() or Configuration()


def configuration_and_secrets() -> tuple[Configuration, frozenset[str]]:
    """The row of settings, and which passwords are stored, without opening them; in one query."""
    held = {
        f"holds_{name}": ExpressionWrapper(Q(**{f"{name}__isnull": False}), models.BooleanField())
        for name in SECRETS
    }
    row = Configuration.objects.defer(*SECRETS).annotate(**held).filter(pk=1).first()
    return row or Configuration(), frozenset(name for name in SECRETS if getattr(row, f"holds_{name}", False))


def change_configuration(now: datetime, actor: Actor, **fields: Any) -> list[Change]:
    """Set the fields given; those left out stay as they are.

    A password: None leaves it, an empty text forgets it. Moving to another server forgets the password
    that was given for the old one, unless a new one comes along.

    Raises:
        Refused: `not_permitted`; `validation_failed` with `errors`, a list of sentences by field.
    """
    actor.require(Role.ADMINISTRATOR)

    def change() -> list[Change]:
        row = _locked()
        return _store(now, actor, row, _cleaned(fields, row), "configuration_changed")

    return changing_terms(change)


def restore_defaults(now: datetime, actor: Actor) -> list[Change]:
    """Put every setting back to its default, the passwords forgotten."""
    actor.require(Role.ADMINISTRATOR)
    return changing_terms(
        lambda: _store(now, actor, _locked(), _defaults(), "configuration_defaults_restored")
    )


def changes_of_restoring() -> list[Change]:
    """What `restore_defaults` would change now."""
    return _changes(configuration(), _defaults())


def addresses(text: str) -> list[str]:
    """The e-mail addresses of a field that may hold several, without their languages."""
    return [word.partition(":")[0] for word in words_of(text)]


def warning_hours(text: str) -> list[int]:
    """The hours without contact after which warnings go out, ascending.

    Raises:
        ValidationError: something else than whole hours below 72.
    """
    hours = set()
    for word in words_of(text):
        if not word.isascii() or not word.isdigit() or not 1 <= int(word) < CONTACT_LOST_HOURS:
            raise ValidationError(_("Enter whole hours from 1 to 71, separated by commas."))
        hours.add(int(word))
    return sorted(hours)


def networks(text: str) -> list[str]:
    """The networks of a field that may hold several.

    Raises:
        ValidationError: something else than an address or a network.
    """
    for word in words_of(text):
        try:
            ipaddress.ip_network(word, strict=False)
        except ValueError:
            sentence = _("“%(word)s” is no address and no network such as 192.168.10.0/24.")
            raise ValidationError(sentence % {"word": word}) from None
    return words_of(text)


def is_host(text: str) -> bool:
    """Whether this is the name of a host or an address, alone."""
    is_bracketed = text.startswith("[") and text.endswith("]")
    # What ends with a number is an address for every program that reads it.
    if is_bracketed or ":" in text or re.search(r"(\A|\.)[0-9]+\.?\Z", text):
        try:
            address = ipaddress.ip_address(text[1:-1] if is_bracketed else text)
        except ValueError:
            return False
        return address.version == 6 or not is_bracketed
    return HOST_NAME.match(text) is not None


def check_sms_number(text: str) -> None:
    """A number that an SMS can be sent to. Raises ValidationError."""
    if text and not SMS_NUMBER.match(text):
        raise ValidationError(_("Enter a number for SMS: 3 to 15 digits, with a “+” before them if need be."))


def check_telephone(text: str) -> None:
    """A number as people write it. Raises ValidationError."""
    if text and not TELEPHONE.match(text):
        raise ValidationError(_("Enter a telephone number: digits, spaces, “+”, “-” and brackets alone."))


# Settings that hold several things in one text, and who reads them.
LISTS: Mapping[str, Callable[[str], object]] = {
    "admin_email": check_recipients,
    "contact_warning_hours": warning_hours,
    "metrics_networks": networks,
}
CHECKS: Mapping[str, Callable[[str], object]] = {
    **LISTS,
    "company_ca": check_certificates,
    "activation_sms": check_sms_number,
    "activation_phone": check_telephone,
}


def _locked() -> Configuration:
    Configuration.objects.get_or_create(pk=1)
    return Configuration.objects.select_for_update().defer(*SECRETS).get(pk=1)


def _is_stored(name: str) -> bool:
    return Configuration.objects.filter(pk=1, **{f"{name}__isnull": False}).exists()


def _fields() -> "list[models.Field[Any, Any]]":
    return [field for field in Configuration._meta.concrete_fields if not field.primary_key]


def _defaults() -> dict[str, Any]:
    values = {field.name: field.get_default() for field in _fields()}
    return {name: "" if name in SECRETS else value for name, value in values.items()}


def _cleaned(fields: Mapping[str, Any], row: Configuration) -> dict[str, Any]:
    """The values to store, stripped and checked together with those that stay."""
    unknown = fields.keys() - {field.name for field in _fields()}
    if unknown:
        raise TypeError(f"no such setting: {', '.join(sorted(unknown))}")
    values = {
        name: value.strip() if isinstance(value, str) and name not in SECRETS else value
        for name, value in fields.items()
        if not (name in SECRETS and value is None)
    }
    for name in LISTS.keys() & values.keys():
        values[name] = ", ".join(words_of(values[name]))
    _check({**{f.name: getattr(row, f.name) for f in _fields() if f.name not in SECRETS}, **values}, values)
    return values


def _check(whole: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    errors: dict[str, list[str]] = {}
    for field in _fields():
        if field.name in given and field.name not in SECRETS:
            _check_field(field, whole[field.name], errors)
    _check_together(whole, given, errors)
    if errors:
        raise Refused("validation_failed", _("Some settings cannot be stored as given."), errors=errors)


def _check_field(field: "models.Field[Any, Any]", value: Any, errors: dict[str, list[str]]) -> None:
    try:
        field.clean(value, None)
        if field.name in CHECKS:
            CHECKS[field.name](value)
    except ValidationError as error:
        errors.setdefault(field.name, []).extend(error.messages)


def _check_together(whole: Mapping[str, Any], given: Mapping[str, Any], errors: dict[str, list[str]]) -> None:
    def wrong(name: str, sentence: str) -> None:
        errors.setdefault(name, []).append(sentence)

    for name in ("proxy_host", "smtp_host"):
        if whole[name] and not is_host(whole[name]):
            wrong(name, _("Enter a valid name or address alone, without “http://” and without a port."))
    if whole["proxy_host"] and not whole["proxy_port"]:
        wrong("proxy_port", _("A proxy needs a port, from 1 to 65535."))
    if whole["proxy_port"] and not whole["proxy_host"]:
        wrong("proxy_host", _("Enter the proxy's address, or leave the port empty too."))
    if whole["smtp_host"] and not whole["mail_sender"]:
        wrong("mail_sender", _("Enter the address that the portal's mails come from."))
    if whole["clustered"] and not whole["cluster_name"]:
        wrong("cluster_name", _("Enter the name of the SQL cluster."))
    if whole["clustered"] and not whole["cluster_name"].isprintable():
        wrong("cluster_name", _("The name must have no control character in it."))
    if given.get("clustered") and not database.is_shareable():
        wrong("clustered", _("A clustered installation needs PostgreSQL; this portal runs on SQLite."))


def _changes(row: Configuration, values: Mapping[str, Any]) -> list[Change]:
    open_ones = [
        Change(name, getattr(row, name), value)
        for name, value in values.items()
        if name not in SECRETS and getattr(row, name) != value
    ]
    moved = {change.field for change in open_ones}
    return open_ones + [
        Change(name, None, None) for name in SECRETS if _secret_changes(name, values.get(name), moved)
    ]


def _secret_changes(name: str, given: str | None, moved: set[str]) -> bool:
    if given:
        return True
    forgotten = given == "" or not moved.isdisjoint(SECRET_BOUND_TO[name])
    return forgotten and _is_stored(name)


def _store(
    now: datetime, actor: Actor, row: Configuration, values: Mapping[str, Any], kind: str
) -> list[Change]:
    changes = _changes(row, values)
    if not changes:
        return []
    new = {c.field: (values.get(c.field) or None) if c.field in SECRETS else c.after for c in changes}
    Configuration.objects.filter(pk=row.pk).update(**new)
    told = [{"field": c.field, "before": c.before, "after": c.after} for c in changes]
    record(kind, now, actor, "configuration", changes=told)
    bump_version()
    return changes
