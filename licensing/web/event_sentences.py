"""What each kind of event says to people. A kind that is not here is shown by its name."""

from collections.abc import Callable
from typing import Any

from django.utils.dateparse import parse_datetime
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from licensing.models import Configuration, Event, Role
from licensing.operations.clock_sentences import CLOCK_EVENTS
from licensing.operations.durations import duration
from licensing.operations.key_sentences import needs_vendor_sentence
from licensing.templatetags.times import exact

from .words import CHANNELS, refusal_sentence

Text = str | Promise

# kind: (name for the filter, sentence; %(subject)s and what the event's data adds)
KINDS: dict[str, tuple[Text, Text]] = {
    "key_added": (gettext_lazy("Key added"), gettext_lazy("Key %(subject)s was added.")),
    "key_edited": (gettext_lazy("Key edited"), gettext_lazy("Key %(subject)s was edited.")),
    "key_to_be_bound_anew": (
        gettext_lazy("Key to be bound anew"),
        gettext_lazy("The PIN of key %(subject)s was entered, to bind it anew."),
    ),
    "key_removed": (gettext_lazy("Key removed"), gettext_lazy("Key %(subject)s was removed.")),
    "key_activated": (
        gettext_lazy("Key activated"),
        gettext_lazy("Key %(subject)s became active here; its modules: %(modules)s."),
    ),
    "key_accepted_again": (
        gettext_lazy("Key accepted again"),
        gettext_lazy("The vendor grants key %(subject)s again."),
    ),
    "key_refused": (
        gettext_lazy("Key refused"),
        gettext_lazy("The vendor refused key %(subject)s. %(reason)s"),
    ),
    "key_inactive": (
        gettext_lazy("Key inactive"),
        gettext_lazy("Key %(subject)s is no longer active here; its leases have ended."),
    ),
    "key_released": (
        gettext_lazy("Key released"),
        gettext_lazy("The vendor has freed key %(subject)s for another Key Manager."),
    ),
    "release_needs_vendor": (
        gettext_lazy("Release needs the vendor"),
        gettext_lazy("Key %(subject)s was removed. %(reason)s"),
    ),
    "grant_unusable": (
        gettext_lazy("Grant unusable"),
        gettext_lazy("The grant that came for key %(subject)s could not be trusted and was left aside."),
    ),
    "code_pack_unusable": (
        gettext_lazy("Code pack unusable"),
        gettext_lazy("The code pack that came could not be trusted and was left aside."),
    ),
    "authority_keys_changed": (
        gettext_lazy("Vendor's keys changed"),
        gettext_lazy("The vendor has changed the keys that it signs with."),
    ),
    "activated_offline": (
        gettext_lazy("Activated without a network"),
        gettext_lazy(
            "Modules were renewed without a network until %(until)s; the code came by: %(channel)s."
        ),
    ),
    "request_exported": (
        gettext_lazy("Request file exported"),
        gettext_lazy("A contact request was exported as a file."),
    ),
    "answer_imported": (
        gettext_lazy("Answer file imported"),
        gettext_lazy("An answer of the vendor was imported by hand."),
    ),
    "request_given_up": (
        gettext_lazy("Request given up"),
        gettext_lazy("A contact request was given up and made anew; an answer to it is worth nothing."),
    ),
    "lease_released": (
        gettext_lazy("Lease released"),
        gettext_lazy("The lease of %(user)s on %(workstation)s was released (%(modules)s). %(reason)s"),
    ),
    "erp_client_added": (
        gettext_lazy("ERP client added"),
        gettext_lazy("ERP client “%(subject)s” was added."),
    ),
    "erp_client_changed": (
        gettext_lazy("ERP client changed"),
        gettext_lazy("ERP client “%(subject)s” was changed."),
    ),
    "erp_client_disabled": (
        gettext_lazy("ERP client disabled"),
        gettext_lazy("ERP client “%(subject)s” was disabled."),
    ),
    "erp_client_enabled": (
        gettext_lazy("ERP client enabled"),
        gettext_lazy("ERP client “%(subject)s” was let in again."),
    ),
    "erp_client_token_replaced": (
        gettext_lazy("New token"),
        gettext_lazy("ERP client “%(subject)s” got a new token."),
    ),
    "user_added": (gettext_lazy("User added"), gettext_lazy("User “%(subject)s” was added: %(role)s.")),
    "user_from_directory": (
        gettext_lazy("User of the directory"),
        gettext_lazy("User “%(subject)s” logged in by the company directory for the first time: %(role)s."),
    ),
    "user_left_directory_groups": (
        gettext_lazy("User left the directory's groups"),
        gettext_lazy(
            "User “%(subject)s” is in none of the company directory's groups any more and was shut out."
        ),
    ),
    "user_invited": (
        gettext_lazy("User invited"),
        gettext_lazy("User “%(subject)s” was invited: %(role)s."),
    ),
    "user_invited_again": (
        gettext_lazy("New password link"),
        gettext_lazy("User “%(subject)s” got a new password link."),
    ),
    "user_set_password": (
        gettext_lazy("Password set"),
        gettext_lazy("User “%(subject)s” set a password by the link."),
    ),
    "second_factors_removed": (
        gettext_lazy("Second factors removed"),
        gettext_lazy("The second factors of user “%(subject)s” were removed."),
    ),
    "user_changed": (gettext_lazy("User changed"), gettext_lazy("User “%(subject)s” was changed.")),
    "configuration_changed": (
        gettext_lazy("Configuration changed"),
        gettext_lazy("The Configuration was changed: %(changes)s."),
    ),
    "configuration_defaults_restored": (
        gettext_lazy("Defaults restored"),
        gettext_lazy("The Configuration was put back to its defaults: %(changes)s."),
    ),
    "logs_packed": (gettext_lazy("Logs packed"), gettext_lazy("The logs were packed.")),
    "installation_made": (
        gettext_lazy("Installation made"),
        gettext_lazy("This installation was made at the first start."),
    ),
    "new_installation": (
        gettext_lazy("New installation"),
        gettext_lazy("This installation was made anew; the vendor must reset its keys."),
    ),
}


# A certificate is no reading.
LONGEST_VALUE = 200
CLOCK_NAMES = {
    "clock_set_forward": gettext_lazy("Clock set forward"),
    "clock_set_back": gettext_lazy("Clock set back"),
    "clock_was_ahead": gettext_lazy("Clock corrected"),
    "clock_was_behind": gettext_lazy("Clock corrected"),
}
KINDS.update({kind: (CLOCK_NAMES[kind], sentence) for kind, sentence in CLOCK_EVENTS.items()})


def kind_name(kind: str) -> str:
    """What a kind of event is called."""
    return str(KINDS[kind][0]) if kind in KINDS else kind.replace("_", " ")


def event_sentence(event: Event) -> str:
    """What happened, in the reader's language."""
    if event.kind not in KINDS:
        return f"{kind_name(event.kind)} {event.subject}".strip()
    words = {name: _told(event.kind, name, value) for name, value in event.data.items()}
    if event.kind == "release_needs_vendor":
        words["reason"] = needs_vendor_sentence(event.data.get("reason"))
    filled: str = str(KINDS[event.kind][1]) % _Blank(words, subject=event.subject)
    return filled.strip()


class _Blank(dict[str, str]):
    """An event of an older version may lack something: its place stays empty."""

    def __missing__(self, name: str) -> str:
        return ""


def _told(kind: str, name: str, value: Any) -> str:
    # Why a lease was released is what an administrator wrote; any other reason is a code.
    if (kind, name) == ("lease_released", "reason"):
        return _("Reason: %(reason)s") % {"reason": value} if value else ""
    teller = TELLERS.get(name)
    return teller(value) if teller else str(value)


def _changes(changes: list[dict[str, Any]]) -> str:
    return "; ".join(_change(change["field"], change["before"], change["after"]) for change in changes)


def _change(name: str, before: Any, after: Any) -> str:
    label = setting_name(name)
    if name.endswith("_password"):
        return label
    return f"{label}: {setting_value(name, before)} → {setting_value(name, after)}"


def setting_name(name: str) -> str:
    """What a setting is called on the pages."""
    return str(Configuration._meta.get_field(name).verbose_name)  # type: ignore[union-attr]


def setting_value(name: str, value: Any) -> str:
    """A setting's value as people read it."""
    if value in (None, ""):
        return "–"
    chosen = dict(Configuration._meta.get_field(name).flatchoices)  # type: ignore[union-attr]
    if value in chosen:
        return str(chosen[value])
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    text = str(value)
    return text if len(text) <= LONGEST_VALUE else text[:LONGEST_VALUE] + "…"


def _until(text: str) -> str:
    instant = parse_datetime(text)
    return exact(instant) if instant else text


TELLERS: dict[str, Callable[[Any], str]] = {
    "changes": _changes,
    "modules": ", ".join,
    "reason": refusal_sentence,
    "role": lambda role: str(Role(role).label),
    "channel": lambda channel: str(CHANNELS.get(channel, channel)),
    "until": _until,
    "by_seconds": duration,
}
