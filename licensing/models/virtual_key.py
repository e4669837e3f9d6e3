"""Virtual keys and what the vendor granted on them."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Length
from django.db.models.lookups import Exact
from django.utils.translation import gettext_lazy as _

from .sealed import SealedField


class KeyState(models.TextChoices):
    NEW = "new", _("not active yet")
    ACTIVE = "active", _("active")
    INACTIVE = "inactive", _("inactive")


class WithoutPin(models.Manager["VirtualKey"]):
    """Leaves the PIN sealed unless it is asked for: few need it, and one edited by hand does not open."""

    def get_queryset(self) -> models.QuerySet["VirtualKey"]:
        return super().get_queryset().defer("pin")


class VirtualKey(models.Model):
    """A key that the company bought; it is active in one Key Manager only.

    An active key has a grant, any other has none: so a state edited by hand gives nothing.
    """

    number = models.CharField(_("key number"), max_length=10, unique=True)
    customer = models.CharField(_("customer id"), max_length=20)
    email = models.EmailField(_("e-mail"), blank=True)
    # Kept only until the key is active, or until it is bound anew.
    pin = SealedField(null=True, blank=True)
    state = models.CharField(max_length=8, choices=KeyState.choices, default=KeyState.NEW)
    # The vendor's last word on this key if it was a refusal, and who else has it.
    refusal = models.CharField(max_length=32, blank=True)
    active_on = models.CharField(max_length=255, blank=True)
    # The machine or cluster to which the last grant bound it, and the refusal by which the vendor has asked
    # since to bind it anew: another refusal that follows does not change that, only a grant does.
    bound_machine = models.CharField(max_length=128, blank=True)
    binding_asked = models.CharField(max_length=32, blank=True)
    # The serial of the last grant held, and that grant as received (a compact JWS).
    serial = models.PositiveBigIntegerField(default=0)
    grant = models.TextField(null=True, blank=True)
    last_contact_at = models.DateTimeField(null=True, blank=True)
    # The contact deadline whose coming, or passing, the administrator was last told of (null: of none), and
    # after how many hours without contact that was (72: it had passed).
    lost_told_for = models.DateTimeField(null=True, blank=True)
    lost_told_step = models.PositiveSmallIntegerField(default=0)
    # Raised by each edit, so that an answer to what was asked before it is known as such.
    revision = models.PositiveIntegerField(default=1)
    added_at = models.DateTimeField()

    objects = WithoutPin()

    class Meta:
        ordering = ["number"]
        constraints = [
            models.CheckConstraint(
                condition=Q(number__startswith="50000") & Q(Exact(Length("number"), 10)),
                name="virtual_key_number_shape",
            ),
            models.CheckConstraint(condition=Q(state__in=KeyState.values), name="virtual_key_state_known"),
            models.CheckConstraint(
                condition=Q(state="active", grant__isnull=False)
                | (~Q(state="active") & Q(grant__isnull=True)),
                name="virtual_key_active_has_grant",
            ),
        ]

    def __str__(self) -> str:
        return self.number


class PendingRelease(models.Model):
    """A removed key that the vendor has not unbound yet.

    One that waited to be bound anew has its customer and PIN here: it is bound anew before it is released.
    """

    number = models.CharField(max_length=10, unique=True)
    customer = models.CharField(max_length=20, blank=True)
    pin = SealedField(null=True)
    # To what it was bound when it was removed, or is since; empty where it was not active.
    bound_machine = models.CharField(max_length=128, blank=True)
    # Its release frees nothing, as it is still bound to something else; `refusal`: why its PIN did not help.
    needs_vendor = models.BooleanField(default=False)
    refusal = models.CharField(max_length=32, blank=True)
    removed_at = models.DateTimeField()

    class Meta:
        ordering = ["number"]

    def __str__(self) -> str:
        return self.number
