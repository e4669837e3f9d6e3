"""What the administrator is told by e-mail about contact with the vendor.

Decided here, in the database; delivered by the mail queue. Each key remembers the contact deadline whose
passing was told, changed by one conditional UPDATE together with the mail's row: lost, lost, back, lost
makes one mail each, whichever workers run and wherever one is killed.
"""

from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from licensing.models import Configuration, VirtualKey

from .entitlements import Entitlement, entitlements
from .mail_queue import administrators, queue_mail


def raise_alerts(now: datetime) -> int:
    """Queue the mails that are due at `now`; how many were queued. Harmless when run twice at once."""
    held = entitlements()
    told = dict(VirtualKey.objects.values_list("number", "lost_told_for"))
    queued = 0
    for entitlement in held.values():
        if entitlement.contact_deadline <= now:
            queued += _tell_lost(entitlement, now)
        elif told.get(entitlement.number) is not None:
            queued += _tell_back(entitlement, now)
    return queued


def _tell_lost(entitlement: Entitlement, now: datetime) -> int:
    """One mail per key and outage, unless the administrator does not want it."""
    recipients = _recipients(entitlement)
    if not recipients or not _wanted():
        return 0
    deadline = entitlement.contact_deadline
    with transaction.atomic():
        untold = Q(lost_told_for__isnull=True) | ~Q(lost_told_for=deadline)
        if VirtualKey.objects.filter(untold, pk=entitlement.key_id).update(lost_told_for=deadline) != 1:
            return 0
        return _queue("contact_lost", entitlement, deadline, recipients, now)


def _tell_back(entitlement: Entitlement, now: datetime) -> int:
    with transaction.atomic():
        lost_since = (
            VirtualKey.objects.select_for_update()
            .values_list("lost_told_for", flat=True)
            .get(pk=entitlement.key_id)
        )
        if lost_since is None:
            return 0
        VirtualKey.objects.filter(pk=entitlement.key_id).update(lost_told_for=None)
        return _queue("contact_back", entitlement, lost_since, _recipients(entitlement), now)


def _queue(
    kind: str, entitlement: Entitlement, deadline: datetime, recipients: list[str], now: datetime
) -> int:
    fact = f"{kind}:{entitlement.number}:{deadline.isoformat()}"
    context = {
        "number": entitlement.number,
        "customer": entitlement.grant.customer,
        "deadline": deadline,
        "contact_deadline": entitlement.contact_deadline,
        "modules": [module.code for module in entitlement.grant.modules],
        "authority": settings.KEYMANAGER.authority_url,
    }
    return queue_mail(now, fact, recipients, kind, context, settings.LANGUAGE_CODE)


def _recipients(entitlement: Entitlement) -> list[str]:
    """The administrator's addresses; where none is configured, the one given with the key."""
    found = administrators()
    if found:
        return found
    email = VirtualKey.objects.values_list("email", flat=True).filter(pk=entitlement.key_id).first()
    return [email] if email else []


def _wanted() -> bool:
    wanted = Configuration.objects.values_list("notify_contact_lost", flat=True).filter(pk=1).first()
    return wanted is not False
