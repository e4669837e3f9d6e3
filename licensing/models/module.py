"""Modules of a key, and their seats."""

from django.db import models
from django.db.models import F, Q


class Module(models.Model):
    """A licensed part of the ERP on one key.

    `seats` copies the verified grant (null: not counted) for the database's own refusal; decisions read
    the grant. `ceiling` is the larger of `seats` and the number held when seats were taken away, and falls
    with each seat freed: `taken` can rise no further than the seats, and a shrink needs no eviction.
    """

    key = models.ForeignKey("licensing.VirtualKey", on_delete=models.CASCADE, related_name="modules")
    code = models.CharField(max_length=32)
    seats = models.PositiveIntegerField(null=True)
    ceiling = models.PositiveIntegerField(null=True)
    taken = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["code", "key"]
        constraints = [
            models.UniqueConstraint(fields=["key", "code"], name="module_once_a_key"),
            models.CheckConstraint(condition=Q(taken__gte=0), name="module_taken_not_negative"),
            models.CheckConstraint(
                condition=Q(ceiling__isnull=True) | Q(taken__lte=F("ceiling")),
                name="module_taken_within_ceiling",
            ),
            models.CheckConstraint(
                condition=Q(seats__isnull=True, ceiling__isnull=True)
                | Q(seats__isnull=False, ceiling__gte=F("seats")),
                name="module_ceiling_follows_seats",
            ),
        ]

    def __str__(self) -> str:
        return self.code


class Seat(models.Model):
    """A numbered place of a module, held by at most one lease. Made when the number is first needed.

    Modules that are not counted use seats too; their numbers are told to nobody.
    """

    # Found by the index of `seat_number_once`: one more would be written whenever a seat changes hands.
    module = models.ForeignKey(Module, on_delete=models.CASCADE, related_name="seat_rows", db_index=False)
    number = models.PositiveIntegerField()
    lease = models.ForeignKey(
        "licensing.Lease", null=True, on_delete=models.SET_NULL, related_name="seats", db_index=False
    )
    # Set when the vendor took this seat away while it was held: the instant at which it is freed.
    ends_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["module", "number"], name="seat_number_once"),
            models.CheckConstraint(condition=Q(number__gte=1), name="seat_number_from_one"),
            models.CheckConstraint(
                condition=Q(ends_at__isnull=True) | Q(lease__isnull=False), name="seat_ends_only_when_held"
            ),
        ]
        indexes = [
            models.Index(fields=["module", "number"], condition=Q(lease__isnull=True), name="seat_free"),
            models.Index(fields=["lease"], condition=Q(lease__isnull=False), name="seat_held"),
            models.Index(fields=["ends_at"], condition=Q(ends_at__isnull=False), name="seat_ending"),
        ]

    def __str__(self) -> str:
        return f"{self.module_id}/{self.number}"
