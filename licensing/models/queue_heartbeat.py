"""The sign of life that travels through the worker's queue."""

from django.db import models
from django.db.models import Q


class QueueHeartbeat(models.Model):
    """When a task last came out at the worker's end of the queue."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    at = models.DateTimeField()

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="queue_heartbeat_is_one")]

    def __str__(self) -> str:
        return f"{self.at}"
