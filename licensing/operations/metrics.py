"""How things stand, in numbers, for those who watch the portal by a program."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

from licensing.models import ContactState, MailState, OutgoingMail, QueueHeartbeat, Refusal

from .clock import wall_clock_ahead
from .modules import ModuleRow, list_modules
from .status import Status, status

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Numbers:
    """The numbers at `now`; instants are None where there has been none."""

    status: Status
    modules: list[ModuleRow]
    refusals_of_day: dict[str, int]
    last_contact_at: datetime | None
    failures_in_a_row: int
    heartbeat_at: datetime | None
    mails: dict[str, int]
    clock_ahead_seconds: float


def numbers(now: datetime) -> Numbers:
    """Read all numbers."""
    contact = ContactState.objects.filter(pk=1).values_list("last_success_at", "failures").first()
    refusals = Refusal.objects.filter(at__gte=now - DAY).values_list("code", flat=True)
    mails = Counter(OutgoingMail.objects.exclude(state=MailState.SENT).values_list("state", flat=True))
    return Numbers(
        status=status(now),
        modules=list_modules(now),
        refusals_of_day=dict(Counter(refusals.iterator())),
        last_contact_at=contact[0] if contact else None,
        failures_in_a_row=contact[1] if contact else 0,
        heartbeat_at=QueueHeartbeat.objects.values_list("at", flat=True).filter(pk=1).first(),
        mails={state: mails.get(state, 0) for state in (MailState.QUEUED.value, MailState.FAILED.value)},
        clock_ahead_seconds=wall_clock_ahead().total_seconds(),
    )
