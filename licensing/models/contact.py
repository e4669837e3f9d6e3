"""Contact with the vendor: the open request, the schedule, and the attempts made."""

import uuid

from django.db import models
from django.db.models import Q


class OpenRequest(models.Model):
    """The one request that waits for an answer. Stored before it is sent; sent again as it is."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    request_id = models.UUIDField()
    jws = models.TextField()
    made_at = models.DateTimeField()
    sendings = models.PositiveIntegerField(default=0)
    exported_at = models.DateTimeField(null=True)
    # {number: revision of the key when it was asked}
    revisions = models.JSONField(default=dict)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="open_request_is_one")]

    def __str__(self) -> str:
        return str(self.request_id)


class ContactState(models.Model):
    """The one row that says when the next contact is due and who is at it."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    next_at = models.DateTimeField()
    # The end of the vendor's Retry-After: until then no failure brings the schedule's contact forward.
    not_before = models.DateTimeField(null=True)
    # Failed attempts in a row.
    failures = models.PositiveIntegerField(default=0)
    claim = models.UUIDField(null=True)
    claimed_until = models.DateTimeField(null=True)
    last_success_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(id=1), name="contact_state_is_one"),
            models.CheckConstraint(
                condition=Q(claim__isnull=True, claimed_until__isnull=True)
                | Q(claim__isnull=False, claimed_until__isnull=False),
                name="contact_claim_has_end",
            ),
        ]

    def __str__(self) -> str:
        return f"next at {self.next_at}"


class ContactAttempt(models.Model):
    """One attempt to reach the vendor, with what became of it.

    `outcome` is empty while it runs, `ok`, or the code of the failure, whose particulars (host, port …)
    are in `params`. `results` has a line per key: `{"number", "result", "reason"}`.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    started_at = models.DateTimeField(db_index=True)
    finished_at = models.DateTimeField(null=True)
    trigger = models.CharField(max_length=16)
    actor = models.CharField(max_length=150, blank=True)
    request_id = models.UUIDField(null=True)
    outcome = models.CharField(max_length=32, blank=True)
    params = models.JSONField(default=dict)
    results = models.JSONField(default=list)
    # What a diagnosis walked: `[{"name", "ok", "seconds", "code", "params"}]`; empty for any other contact.
    steps = models.JSONField(default=list)

    class Meta:
        ordering = ["-started_at"]

    def __str__(self) -> str:
        return f"{self.started_at:%Y-%m-%d %H:%M:%S} {self.outcome or 'running'}"
