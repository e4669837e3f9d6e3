"""The sentences that pages say for codes."""

from django.utils.translation import gettext_lazy as _

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
    "no_active_key": _("No virtual key is active yet."),
}

KEY_STATES = {
    "new": _("not active yet"),
    "active": _("active"),
    "inactive": _("inactive"),
}

KEY_REFUSALS = {
    "wrong_credentials": _(
        "The vendor does not know this number with this customer id and PIN. Edit the key and correct them."
    ),
    "locked": _(
        "Too many wrong PINs: the vendor has locked this key for 24 hours. Edit the key after that time."
    ),
    "active_elsewhere": _(
        "The key is active in another Key Manager. Remove it there first, then edit it here to try again."
    ),
    "not_bound": _("The vendor no longer counts this key as ours. Enter the PIN to bind it anew."),
    "machine_changed": _(
        "The Key Manager runs on another machine than before. Enter the PIN to bind it anew."
    ),
    "clone_suspected": _(
        "Two copies of this Key Manager seem to be at work. Stop one, then enter the PIN here."
    ),
    "suspended": _(
        "The vendor has suspended this key. Ask the vendor why; contact is tried again by itself."
    ),
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

CHANNELS = {
    "sms": _("SMS"),
    "mail": _("e-mail"),
    "telephone": _("telephone"),
    "page": _("page"),
    "command": _("command line"),
}


def reason_sentence(code: str) -> str:
    """What a reason of the status light means, in words."""
    return str(REASONS.get(code, code))


def refusal_sentence(code: str) -> str:
    """What the vendor's refusal of a key means and what to do."""
    return str(KEY_REFUSALS.get(code, code))


def unavailable_sentence(code: str | None) -> str:
    """Why a module could not be taken, in words."""
    return str(UNAVAILABLE.get(code, code)) if code else ""
