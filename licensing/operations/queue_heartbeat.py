"""The sign of life that travels through the worker's queue."""

from datetime import datetime

from licensing.models import QueueHeartbeat


def beat(now: datetime) -> None:
    """A task has come out of the queue at `now`."""
    QueueHeartbeat.objects.update_or_create(pk=1, defaults={"at": now})
