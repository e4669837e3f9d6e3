"""What happened, for the administrator's page of events."""

from django.db import models


class Event(models.Model):
    """One thing that an administrator did or that happened to a key. Never edited."""

    at = models.DateTimeField(db_index=True)
    kind = models.CharField(max_length=48)
    actor = models.CharField(max_length=150, blank=True)
    subject = models.CharField(max_length=128, blank=True)
    data = models.JSONField(default=dict)

    class Meta:
        ordering = ["-at", "-id"]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.kind} {self.subject}"
