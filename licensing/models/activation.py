"""Activation without a network: the pack held, today's challenge, the codes used."""

from django.db import models
from django.db.models import Q


class HeldCodePack(models.Model):
    """The newest code pack that was received (a compact JWS). Only the newest counts."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    pack = models.PositiveBigIntegerField()
    jws = models.TextField()
    received_at = models.DateTimeField()

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="held_code_pack_is_one")]

    def __str__(self) -> str:
        return f"pack {self.pack}"


class Challenge(models.Model):
    """The challenge of one pack and slot: its nonce is drawn once."""

    pack = models.PositiveBigIntegerField()
    slot = models.PositiveIntegerField()
    nonce = models.PositiveIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["pack", "slot"], name="challenge_once_a_slot")]

    def __str__(self) -> str:
        return f"pack {self.pack}, slot {self.slot}"


class SlotAttempts(models.Model):
    """How many codes were tried for a slot, in whatever pack. The database holds the limit."""

    slot = models.PositiveIntegerField(primary_key=True)
    attempts = models.PositiveSmallIntegerField(default=0)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(attempts__lte=10), name="slot_attempts_within_ten")]

    def __str__(self) -> str:
        return f"slot {self.slot}: {self.attempts}"


class OfflineActivation(models.Model):
    """An activation code that was accepted, with the pack that proves it. A slot is used once.

    The deadline is reckoned from pack, code and slot whenever it is read, so an edited row gives nothing
    beyond the end of the slot + 72 h.
    """

    slot = models.PositiveIntegerField(primary_key=True)
    pack_jws = models.TextField()
    code = models.CharField(max_length=16)
    activated_at = models.DateTimeField()
    actor = models.CharField(max_length=150)
    channel = models.CharField(max_length=16, blank=True)

    class Meta:
        ordering = ["-slot"]

    def __str__(self) -> str:
        return f"slot {self.slot}"
