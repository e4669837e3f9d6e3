"""The sign of life that travels through the worker's queue."""

from datetime import datetime

from django.db import transaction

from licensing.models import QueueHeartbeat

from .clock import UNKNOWN
from .health import WORKER_SILENT_AFTER
from .trouble_alerts import tell_of_worker


def beat(now: datetime) -> None:
    """A task has come out of the queue at `now`; where none had for long, that is told."""
    with transaction.atomic():
        last = QueueHeartbeat.objects.select_for_update().values_list("at", flat=True).filter(pk=1).first()
        QueueHeartbeat.objects.update_or_create(pk=1, defaults={"at": now})
        # By a time that is not known every silence would be long.
        if last is not None and now < UNKNOWN and now - last > WORKER_SILENT_AFTER:
            tell_of_worker(now, last, now)


def rest() -> None:
    """The worker stops because it was asked to: its silence is no trouble."""
    QueueHeartbeat.objects.filter(pk=1).delete()
