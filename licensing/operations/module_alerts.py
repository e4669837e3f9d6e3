"""Mails about modules: those that expire, warranties that end, seats that are all taken."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from math import ceil

from django.utils.translation import get_language

from licensing.models import OutgoingMail, Refusal
from licensing.protocol.messages import GrantedModule
from licensing.protocol.times import end_of_day

from .entitlements import Entitlement, entitlements
from .mail_queue import queue_mail
from .portal_address import page_url
from .recipients import Recipient, administrators, told_of_key
from .usage import day_of, start_of_day

# Days before the end at which it is told.
EXPIRY_DAYS = (30, 7, 1)
REFUSED_TOLD = 20


@dataclass(frozen=True)
class Ending:
    """The modules of a key that end with the same day; `days` is the step reached."""

    held: Entitlement
    warranty: bool
    last_day: date
    days: int
    modules: tuple[GrantedModule, ...]

    @property
    def fact(self) -> str:
        """What names this fact."""
        kind = "warranty_expiring" if self.warranty else "module_expiring"
        return f"{kind}:{self.held.number}:{self.last_day.isoformat()}:{self.days}"


def tell_of_expiry(now: datetime) -> int:
    """Queue the mails about modules and warranties that end within 30, 7 or 1 days; how many."""
    return sum(_tell_ending(ending, now) for ending in _endings(now))


def _endings(now: datetime) -> Iterator[Ending]:
    for held in entitlements().values():
        by_day: dict[tuple[bool, date], list[GrantedModule]] = defaultdict(list)
        for module in held.grant.modules:
            for warranty, day in ((False, module.expires_on), (True, module.warranty_until)):
                if day is not None and end_of_day(day) > now:
                    by_day[warranty, day].append(module)
        for (warranty, day), modules in by_day.items():
            left = end_of_day(day) - now
            due = [days for days in EXPIRY_DAYS if left <= timedelta(days=days)]
            if due:
                yield Ending(held, warranty, day, min(due), tuple(modules))


def _tell_ending(ending: Ending, now: datetime) -> int:
    def letter() -> Mapping[str, object]:
        language = (get_language() or "pl")[:2]
        named = [{"code": m.code, "name": m.name.get(language, m.code)} for m in ending.modules]
        return {
            "number": ending.held.number,
            "customer": ending.held.grant.customer,
            "warranty": ending.warranty,
            "last_day": ending.last_day,
            "days": ceil((end_of_day(ending.last_day) - now) / timedelta(days=1)),
            "modules": named,
        }

    return queue_mail(now, ending.fact, "expiring", told_of_key(ending.held.key_id), letter)


def tell_of_full_modules(now: datetime) -> int:
    """Queue a mail for each module and day on which somebody was refused as all seats were taken; how many.

    Nobody looks between the day's last look and midnight, so the day before is looked at as well.
    """
    recipients = administrators()
    if not recipients:
        return 0
    today = day_of(now)
    return sum(_tell_full(day, now, recipients) for day in (today - timedelta(days=1), today))


def _tell_full(day: date, now: datetime, recipients: list[Recipient]) -> int:
    since, until = start_of_day(day), start_of_day(day + timedelta(days=1))
    refusals = Refusal.objects.filter(at__gte=since, at__lt=until, at__lte=now, code="no_free_seat")
    told = set(OutgoingMail.objects.filter(fact__endswith=f":{day}").values_list("fact", flat=True))
    queued = 0
    for code in sorted(
        {code for causes in refusals.values_list("causes", flat=True).distinct() for code in causes}
    ):
        fact = f"seats_full:{code}:{day}"
        if fact not in told:
            # Sought by the code as JSON has it: others may have been refused far more often.
            named = refusals.filter(causes__icontains=f'"{code}"').order_by("-at")
            refused = list(named[:REFUSED_TOLD])
            queued += queue_mail(now, fact, "seats_full", recipients, _letter_of_full(code, day, refused))
    return queued


def _letter_of_full(code: str, day: date, refused: list[Refusal]) -> Mapping[str, object]:
    return {
        "code": code,
        "day": day.isoformat(),
        "refused": refused,
        "modules_url": page_url("modules"),
        "refusals_url": page_url("refusals"),
    }
