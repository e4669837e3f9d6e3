"""Two tables: what there is, and who has it."""

import uuid

from django.db import models


class Module(models.Model):
    """A licensed module: how many seats it has, how many are taken."""

    code = models.CharField(max_length=32, unique=True)
    seats = models.PositiveIntegerField()
    taken = models.PositiveIntegerField(default=0)


class Lease(models.Model):
    """One log-in."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    modules = models.JSONField()
    user = models.CharField(max_length=64)
    workstation = models.CharField(max_length=64)
    taken_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["expires_at"], condition=models.Q(ended_at=None), name="baseline_lease_live")
        ]
