"""Applications that may call the lease API."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class ErpClient(models.Model):
    """An ERP client. Its token is shown once and stored as the hex SHA-256 of its text."""

    name = models.CharField(_("name"), max_length=64, unique=True)
    token_sha256 = models.CharField(max_length=64, unique=True)
    # Networks in CIDR form that the client may call from; empty: from anywhere.
    networks = models.JSONField(_("allowed networks"), default=list, blank=True)
    disabled_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
