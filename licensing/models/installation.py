"""This Key Manager as the vendor knows it."""

from django.db import models
from django.db.models import Q

from .sealed import SealedField


class Installation(models.Model):
    """The one row that says who this Key Manager is. Made at the first start."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    thumbprint = models.CharField(max_length=43)
    private_key = SealedField()
    name = models.CharField(max_length=64)
    # What portal time is reckoned from (operations/clock.py).
    clock_offset = SealedField()
    # The newest serial accepted for each key, sealed (operations/serials.py).
    newest_serials = models.TextField(null=True)
    # The vendor's key set as last handed over in an answer (`km-jwks+jws`); empty: the pinned file alone.
    authority_key_set = models.TextField(blank=True)
    # Raised by every operation that changes what leases depend on, so that caches know they are old.
    version = models.BigIntegerField(default=0)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="installation_is_one")]

    def __str__(self) -> str:
        return self.thumbprint
