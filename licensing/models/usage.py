"""How much of each module was used: what the lease rows told before they were forgotten."""

from django.db import models
from django.db.models import Q


class Usage(models.Model):
    """The use of a module in one span of time. A span in which nothing happened has no row.

    `key` is empty for the module on all keys together; a module that lies on several keys has a row for
    each of them too. Times are sums of seconds, so that averages of any length come from them.
    """

    module = models.CharField(max_length=32)
    key = models.CharField(max_length=10, blank=True)
    # The seats bought at that time; null: not counted.
    seats = models.PositiveIntegerField(null=True)
    # The most seats held at one moment, the seat-seconds held, the seconds in which no seat was free.
    peak = models.PositiveIntegerField()
    held_seconds = models.PositiveBigIntegerField()
    full_seconds = models.PositiveIntegerField()
    # Checkouts refused for want of a seat, told of the module, not of a key (see Refusal.is_true).
    refused_true = models.PositiveIntegerField(default=0)
    refused_false = models.PositiveIntegerField(default=0)

    class Meta:
        abstract = True


class UsageQuarter(Usage):
    """The use of a module in a quarter of an hour."""

    start = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["start", "module", "key"], name="usage_quarter_once"),
        ]
        indexes = [
            models.Index(
                fields=["start", "module"],
                condition=Q(refused_true__gt=0) | Q(refused_false__gt=0),
                name="usage_quarter_refused",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.module} {self.start:%Y-%m-%d %H:%M}"


class UsageDay(Usage):
    """The use of a module on a day of the portal's time zone."""

    day = models.DateField()
    # How many true refusals there would have been with fewer or more seats, by the change ("-2": 7). Only
    # for counted modules on all keys together.
    what_if = models.JSONField(default=dict)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["day", "module", "key"], name="usage_day_once"),
        ]

    def __str__(self) -> str:
        return f"{self.module} {self.day:%Y-%m-%d}"


class RollUp(models.Model):
    """How far the history has been rolled up, and how far names have been forgotten. One row."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    since = models.DateTimeField()
    until = models.DateTimeField()
    # Leases, refusals and events of before this name nobody any more.
    names_from = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="roll_up_is_one")]

    def __str__(self) -> str:
        return f"rolled up until {self.until:%Y-%m-%d %H:%M}"
