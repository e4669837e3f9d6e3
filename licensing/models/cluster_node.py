"""The machines that serve this database."""

from django.db import models


class ClusterNode(models.Model):
    """A machine on which a portal serves this database; `seen_at` (portal time) is its last sign of life."""

    machine = models.CharField(max_length=128, unique=True)
    name = models.CharField(max_length=64)
    seen_at = models.DateTimeField()

    class Meta:
        ordering = ["name", "machine"]

    def __str__(self) -> str:
        return self.name
