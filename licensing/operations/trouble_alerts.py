"""Mails about what is wrong with the portal itself or with a key at the vendor."""

import shutil
from collections.abc import Mapping
from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone

from licensing.models import Event, KeyState, VirtualKey

from .clock_sentences import CLOCK_EVENTS, clock_sentence
from .entitlements import entitlements
from .health import DISK_LOW_BYTES
from .key_sentences import refusal_sentence
from .machine import installation_name
from .mail_queue import queue_mail
from .portal_address import page_url
from .recipients import administrators, told_of_key

# How far back a fact is looked for that nobody has told yet.
RECENTLY = timedelta(days=2)


def tell_of_refused_keys(now: datetime) -> int:
    """Queue a mail for each refusal of a key that still holds; how many."""
    queued = 0
    for key in VirtualKey.objects.exclude(refusal="").defer("pin", "grant"):
        event = Event.objects.filter(kind="key_refused", subject=key.number).first()
        if event is not None and event.at >= now - RECENTLY and event.data.get("reason") == key.refusal:
            queued += _tell_refused(key, event, now)
    return queued


def _tell_refused(key: VirtualKey, event: Event, now: datetime) -> int:
    held = entitlements().get(key.number)

    def letter() -> Mapping[str, object]:
        return {
            "number": key.number,
            "customer": key.customer,
            "reason": key.refusal,
            "sentence": refusal_sentence(key.refusal),
            "active_on": key.active_on,
            "at": event.at,
            "inactive": key.state == KeyState.INACTIVE,
            "deadline": held.contact_deadline if held else None,
            "keys_url": page_url("configuration"),
        }

    fact = f"key_refused:{key.number}:{key.refusal}:{event.pk}"
    return queue_mail(now, fact, "key_refused", told_of_key(key.pk), letter)


def tell_of_clock(now: datetime) -> int:
    """Queue a mail for each time that the server's clock was found to be set; how many."""
    events = Event.objects.filter(kind__in=CLOCK_EVENTS, at__gte=now - RECENTLY)
    return sum(
        queue_mail(
            now,
            f"clock_moved:{event.pk}",
            "clock_moved",
            administrators(),
            lambda event=event: {"sentence": clock_sentence(event.kind, event.data)},  # type: ignore[misc]
        )
        for event in events
    )


def tell_of_disk(now: datetime) -> int:
    """Queue a mail on each day on which the disk of the data folder is nearly full."""
    free = shutil.disk_usage(settings.KEYMANAGER.data).free
    if free >= DISK_LOW_BYTES:
        return 0
    fact = f"disk_low:{timezone.localtime(now).date()}"
    letter = {"host": installation_name(), "free_bytes": free}
    return queue_mail(now, fact, "disk_low", administrators(), letter)


def tell_of_worker(now: datetime, since: datetime, until: datetime | None) -> int:
    """Queue the mail about a worker that did nothing from `since` on; one for each such time."""
    letter = {"host": installation_name(), "since": since, "until": until}
    return queue_mail(now, f"worker_silent:{since.isoformat()}", "worker_silent", administrators(), letter)


def tell_of_database(now: datetime, since: datetime, said: str) -> int:
    """Queue the mail about a database that could not be used from `since` until now."""
    letter = {"host": installation_name(), "since": since, "until": now, "said": said}
    return queue_mail(
        now, f"database_trouble:{since.isoformat()}", "database_trouble", administrators(), letter
    )
