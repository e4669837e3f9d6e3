"""What the vendor's refusal of a key means, and what to do about it."""

from django.utils.translation import gettext_lazy as _

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

NEEDS_VENDOR = _("Still bound at the vendor: only the vendor’s reset frees it for another Key Manager.")
# Why its PIN did not free a removed key, and the other way out.
NOT_FREED_BY_PIN = {
    "wrong_credentials": _(
        "The PIN was wrong: you can also add the key again with the right one and remove it."
    ),
    "locked": _(
        "Too many wrong PINs: after 24 hours you can also add the key again with the right one and remove it."
    ),
}


def refusal_sentence(code: str) -> str:
    """What the vendor's refusal of a key means and what to do, in the reader's language."""
    return str(KEY_REFUSALS.get(code, code))


def needs_vendor_sentence(reason: str | None) -> str:
    """What frees a removed key that its release has not freed, in the reader's language.

    Args:
        reason: the refusal of its PIN, if it was tried.
    """
    return " ".join(str(words) for words in (NEEDS_VENDOR, NOT_FREED_BY_PIN.get(reason or "")) if words)
