"""Leases, live and ended, and refused checkouts."""

import uuid

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Q


class RowNumber(models.BigAutoField):  # type: ignore[type-arg]
    """A number in the order in which rows are made, so that rows of one time lie beside each other.

    SQLite is spared the table in which it would remember the highest one that it ever gave: the number of
    the last row may be given again once that row is gone, and then nothing refers to it.
    """

    def db_type_suffix(self, connection: BaseDatabaseWrapper) -> str | None:
        """What the column's definition ends with."""
        return None if connection.vendor == "sqlite" else super().db_type_suffix(connection)


class Lease(models.Model):
    """One ERP login of one user on one workstation. An ended lease never lives again.

    `modules` is what was given at checkout, `[{"code", "key", "seat"}]`, so that heartbeat and look touch
    this row alone; `withdrawn` maps the codes that the vendor took away since to the instant at which
    their seats end. The row is the history of use too, and is kept 35 days after the end; the API speaks
    of it for 30.

    `id` is what the lease is called; seats refer to `row_number`. An index over ids is read and written at
    random places, and one of those is enough.
    """

    row_number = RowNumber(primary_key=True)
    id = models.UUIDField(unique=True, default=uuid.uuid4)
    # No index: an ERP client is never deleted, and a planner that knows little would take it for the other.
    client = models.ForeignKey(
        "licensing.ErpClient", on_delete=models.PROTECT, related_name="leases", db_index=False
    )
    user = models.CharField(max_length=64)
    workstation = models.CharField(max_length=64)
    program_name = models.CharField(max_length=64)
    program_version = models.CharField(max_length=32)
    built_on = models.DateField(null=True)
    modules = models.JSONField()
    not_taken = models.JSONField(default=list)
    withdrawn = models.JSONField(default=dict)
    taken_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    # The reason with which the lease ends if `expires_at` passes: known when that instant is reckoned.
    expires_as = models.CharField(max_length=20, default="expired")
    ended_at = models.DateTimeField(null=True)
    ended_reason = models.CharField(max_length=20, blank=True, default="")
    # The caller's key and the hash of its body. The id was reckoned from the key (`operations.lease_ids`):
    # so it is unique, and no second lease can be given for it.
    idempotency_key = models.CharField(max_length=64, null=True)
    body_sha256 = models.CharField(max_length=64, blank=True, default="")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(ended_at__isnull=True, ended_reason="")
                | (Q(ended_at__isnull=False) & ~Q(ended_reason="")),
                name="lease_end_has_reason",
            ),
        ]
        indexes = [
            models.Index(fields=["expires_at"], condition=Q(ended_at__isnull=True), name="lease_live"),
            models.Index(fields=["ended_at"], condition=Q(ended_at__isnull=False), name="lease_ended"),
        ]

    def __str__(self) -> str:
        return str(self.id)


class Refusal(models.Model):
    """A checkout that was refused: who, when, which modules, why."""

    at = models.DateTimeField(db_index=True)
    client = models.ForeignKey("licensing.ErpClient", on_delete=models.PROTECT, related_name="refusals")
    user = models.CharField(max_length=64)
    workstation = models.CharField(max_length=64)
    program_name = models.CharField(max_length=64)
    program_version = models.CharField(max_length=32)
    # The codes asked for, and of them those that were the cause.
    modules = models.JSONField()
    causes = models.JSONField(default=list)
    code = models.CharField(max_length=32)
    # Whether the user had to do without: false where he got the modules within ten minutes; null: not known
    # yet. Written by the roll-up, never by a checkout.
    is_true = models.BooleanField(null=True)

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.code}"
