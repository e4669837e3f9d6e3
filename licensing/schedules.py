"""What the worker does by the clock: each schedule is known by its name and declared at every start."""

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django_q.models import Schedule


@dataclass(frozen=True)
class Repeated:
    """A task of `licensing.tasks`, how often it runs, and the seconds after which a run is given up."""

    name: str
    minutes: int
    seconds: int = 30

    @property
    def task(self) -> str:
        """The dotted name of the task's function."""
        return f"licensing.tasks.{self.name}"


REPEATED = (
    Repeated("contact", 1, 45),
    Repeated("tidy_leases", 1),
    Repeated("send_mail", 1, 55),
    Repeated("raise_alerts", 1),
    Repeated("queue_heartbeat", 1, 10),
    Repeated("watch_clock", 1, 10),
    Repeated("roll_up", 5, 55),
    Repeated("tidy_history", 60, 55),
    Repeated("clean_logs", 60, 55),
)

# A worker that has just started has been away: what cannot wait until the schedules are looked at.
AT_START = ("queue_heartbeat", "contact", "tidy_leases")


@transaction.atomic
def declare(now: datetime) -> None:
    """Store each schedule once under its name, due at `now` (local time), and drop all others.

    All become due, so that a clock that was set back does not let the worker rest until then.
    """
    for repeated in REPEATED:
        _declare(repeated, now)
    Schedule.objects.exclude(name__in=[repeated.name for repeated in REPEATED]).delete()


def _declare(repeated: Repeated, now: datetime) -> None:
    fields = {
        "func": repeated.task,
        "schedule_type": Schedule.MINUTES,
        "minutes": repeated.minutes,
        "repeats": -1,
        "kwargs": repr({"q_options": {"timeout": repeated.seconds}}),
        "next_run": now,
    }
    # Django-q does not mind two of one name.
    first = Schedule.objects.filter(name=repeated.name).order_by("pk").first()
    if first is None:
        Schedule.objects.create(name=repeated.name, **fields)
    else:
        Schedule.objects.filter(name=repeated.name).exclude(pk=first.pk).delete()
        Schedule.objects.filter(pk=first.pk).update(**fields)


def seconds_of(name: str) -> int:
    """The seconds after which a run of a task is given up."""
    return next(repeated.seconds for repeated in REPEATED if repeated.name == name)
