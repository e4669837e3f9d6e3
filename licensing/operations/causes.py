"""The sentences for why a contact failed: the vendor client's, and those of our own."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext, gettext_noop

from licensing.vendor import errors
from licensing.vendor.faults import fill

OK = "ok"
RUNNING = ""
OVERTAKEN = "overtaken"

OWN = {
    OK: gettext_noop("The vendor has answered."),
    RUNNING: gettext_noop("The contact is under way."),
    "authority_keys_missing": gettext_noop(
        "The vendor's keys are not known here, so no answer could be trusted. Set "
        "KEYMANAGER_AUTHORITY_JWKS to the file that the vendor gives, and start the portal again."
    ),
    "key_file_missing": gettext_noop(
        "The key file %(path)s of this installation (KEYMANAGER_KEY_FILE) is missing. Put it back from where "
        "it is kept."
    ),
    "key_file_wrong": gettext_noop(
        "The key file %(path)s (KEYMANAGER_KEY_FILE) does not open this installation. Put back the one "
        "that it was made with."
    ),
    "machine_id_missing": gettext_noop(
        "This computer's own id cannot be read from %(path)s. Correct KEYMANAGER_MACHINE_ID_FILE."
    ),
    "proxy_password_unreadable": gettext_noop(
        "The proxy's password does not open with the key file. Enter it again in the Configuration."
    ),
    "answer_damaged": gettext_noop(
        "What %(host)s:%(port)s sent is no whole answer, so it was left aside and nothing has changed. "
        "It will be tried again; a proxy or firewall that changes or cuts answers looks like this."
    ),
    "unavailable": gettext_noop(
        "The database could not be reached or stayed locked, so the answer was not stored. "
        "It will be tried again."
    ),
    OVERTAKEN: gettext_noop("Another contact was quicker, so this answer was not needed any more."),
    "interrupted": gettext_noop("The contact was interrupted, as its process ended. It will be tried again."),
    "internal_error": gettext_noop(
        "The contact failed by a fault of the portal itself. The log has the particulars; it will be "
        "tried again."
    ),
}

# How an answer that is not accepted is told apart.
BY_PROTOCOL_ERROR = {
    "bad_signature": errors.Forged.code,
    "malformed": "answer_damaged",
    "wrong_message": errors.WrongAnswer.code,
}


def sentence(outcome: str, params: Mapping[str, Any]) -> str:
    """What became of a contact, in the reader's language, with what to do about it."""
    if outcome in OWN:
        return fill(gettext(OWN[outcome]), params)
    return errors.sentence(outcome, params, gettext)
