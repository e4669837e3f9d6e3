"""The sentences that pages say for codes."""

from django.utils.translation import gettext_lazy as _

from licensing.operations.actors import COMMAND, PORTAL
from licensing.operations.key_sentences import KEY_REFUSALS, refusal_sentence

__all__ = [
    "ACTORS",
    "CHANNELS",
    "ENDED",
    "KEY_REFUSALS",
    "KEY_STATES",
    "LIGHTS",
    "REASONS",
    "UNAVAILABLE",
    "actor_name",
    "reason_sentence",
    "refusal_sentence",
    "unavailable_sentence",
]

LIGHTS = {
    "green": _("All is well"),
    "yellow": _("It works, but needs your attention"),
    "red": _("No module can be taken"),
}

REASONS = {
    "warranty_expired": _(
        "The warranty of some modules has passed: newer program versions cannot take them."
    ),
    "module_expiring": _("Some modules expire within 30 days."),
    "module_expired": _("Some modules have expired."),
    "key_refused": _("The vendor refuses a key. See what to do under Configuration."),
    "contact_failing": _("The last contact with the vendor failed."),
    "contact_lost": _(
        "A key has been without contact with the vendor for 72 hours: its modules have stopped."
    ),
    "no_active_key": _("No virtual key is active."),
}

KEY_STATES = {
    "new": _("not active yet"),
    "active": _("active"),
    "inactive": _("inactive"),
}

UNAVAILABLE = {
    "no_free_seat": _("All seats are taken."),
    "module_expired": _("The module has expired."),
    "contact_lost": _("Contact with the vendor has been lost for 72 hours."),
    "warranty_expired": _("The warranty has passed for this program version."),
    "module_unknown": _("No active key has this module."),
    "key_unknown": _("The key asked for is not active here."),
    "validation_failed": _("The request was not in order."),
}

ENDED = {
    "returned": _("returned by the program"),
    "expired": _("no sign of life"),
    "released_by_admin": _("released by an administrator"),
    "withdrawn": _("seats taken away by the vendor"),
    "module_expired": _("module expired"),
    "contact_lost": _("contact with the vendor lost"),
    "key_inactive": _("key no longer active here"),
    "key_removed": _("key removed"),
}

# Whoever acts without being a user of the portal, by the name that the events keep.
ACTORS = {
    PORTAL.name: _("portal"),
    COMMAND.name: _("command line"),
}

CHANNELS = {
    "sms": _("SMS"),
    "mail": _("e-mail"),
    "telephone": _("telephone"),
    "page": _("page"),
    "command": _("command line"),
}


def actor_name(name: str) -> str:
    """Who did something, in the reader's language; a user's name is no word."""
    return str(ACTORS.get(name, name))


def reason_sentence(code: str) -> str:
    """What a reason of the status light means, in words."""
    return str(REASONS.get(code, code))


def unavailable_sentence(code: str | None) -> str:
    """Why a module could not be taken, in words."""
    return str(UNAVAILABLE.get(code, code)) if code else ""
