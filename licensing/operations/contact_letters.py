"""What the mails about contact say: one page of help each."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from math import ceil

from django.conf import settings
from django.utils.translation import get_language

from licensing.models import Configuration, ContactAttempt, VirtualKey
from licensing.vendor.errors import NotConfigured
from licensing.vendor.route import read_route

from .causes import OK, sentence
from .code_packs import challenge_message
from .entitlements import Entitlement
from .errors import Refused
from .key_sentences import refusal_sentence
from .portal_address import page_url

ATTEMPTS_READ = 500
GROUPS_TOLD = 5
MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class AttemptTold:
    """Attempts in a row that failed for one cause, in the reader's language."""

    first_at: datetime
    last_at: datetime
    times: int
    sentence: str


def letter_of_outage(held: Entitlement, since: datetime, now: datetime) -> Mapping[str, object]:
    """What a mail about a key without contact names, in the language now active."""
    tried = ContactAttempt.objects.filter(started_at__gt=since, finished_at__isnull=False).exclude(outcome=OK)
    attempts = _in_groups(tried[:ATTEMPTS_READ])
    return {
        **_about(held),
        "deadline": held.contact_deadline,
        "silent_seconds": (now - since).total_seconds(),
        # A minute that has begun still counts, so that both sum up to 72 h.
        "left_seconds": max(0, ceil((held.contact_deadline - now) / MINUTE)) * 60,
        "cause": _cause(held, attempts),
        "attempts": attempts,
        "attempts_made": tried.count(),
        "diagnosis_url": page_url("diagnosis"),
        "offline_url": page_url("offline"),
        **_way(),
        **_challenge(now),
    }


def letter_of_back(held: Entitlement, *, was_lost: bool) -> Mapping[str, object]:
    """What the mail names that says that contact is back."""
    return {**_about(held), "contact_deadline": held.contact_deadline, "was_lost": was_lost}


def _in_groups(tried: Iterable[ContactAttempt]) -> list[AttemptTold]:
    """The attempts, the latest first, those in a row with the same cause as one."""
    groups = []
    for words, rows in groupby(tried, key=lambda row: sentence(row.outcome, row.params)):
        times = [row.started_at for row in rows]
        groups.append(AttemptTold(times[-1], times[0], len(times), words))
    return groups[:GROUPS_TOLD]


def _about(held: Entitlement) -> dict[str, object]:
    codes = [module.code for module in held.grant.modules]
    return {"number": held.number, "customer": held.grant.customer, "modules": codes}


def _cause(held: Entitlement, attempts: list[AttemptTold]) -> str:
    """The vendor's refusal of this key, else why the last attempt failed."""
    refusal = VirtualKey.objects.values_list("refusal", flat=True).filter(pk=held.key_id).first()
    if refusal:
        return refusal_sentence(refusal)
    return attempts[0].sentence if attempts else ""


def _way() -> dict[str, object]:
    """Host and port to open in the firewall, and the proxy on the way."""
    row = Configuration.objects.values_list("proxy_host", "proxy_port").filter(pk=1).first()
    proxy = f"{row[0]}:{row[1]}" if row and row[0] else ""
    try:
        route = read_route(settings.KEYMANAGER.authority_url, None)
    except NotConfigured:
        return {"host": "", "port": "", "proxy": proxy}
    # A port is no quantity: it has no thousands to be parted.
    return {"host": route.host, "port": str(route.port), "proxy": proxy}


def _challenge(now: datetime) -> dict[str, object]:
    """The ready message that asks for a code, if there is a pack to ask from."""
    try:
        made = challenge_message(now, (get_language() or settings.LANGUAGE_CODE)[:2])
    except Refused:
        return {"challenge": ""}
    ways = Configuration.objects.values_list("activation_sms", "activation_email", "activation_phone")
    sms, email, phone = ways.filter(pk=1).first() or ("", "", "")
    return {
        "challenge": "" if made.used else made.message,
        "challenge_until": made.valid_until,
        "sms": sms,
        "email": email,
        "phone": phone,
    }
