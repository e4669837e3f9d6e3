"""Second factors (app, recovery codes, passkeys) that are taken away from whoever cannot do it himself."""

from datetime import datetime

from allauth.mfa.models import Authenticator
from django.db import transaction
from django.utils.translation import gettext as _

from licensing.models import Role, User
from licensing.models.sealed import SealBroken, unseal

from .actors import Actor
from .errors import Refused
from .events import record

PURPOSE = "mfa secret"
# Where allauth keeps what is sealed; of passkeys the portal knows public keys alone.
SEALED = ("secret", "seed")


def remove_second_factors(now: datetime, actor: Actor, user_id: int) -> None:
    """Take away all second factors of a user, e.g. of one who lost his telephone.

    Raises:
        Refused: `not_permitted`, `user_unknown`.
    """
    actor.require(Role.ADMINISTRATOR)
    with transaction.atomic():
        user = User.objects.select_for_update().filter(pk=user_id).first()
        if user is None:
            raise Refused("user_unknown", _("There is no such user."))
        if Authenticator.objects.filter(user=user).delete()[0]:
            record("second_factors_removed", now, actor, user.username)


def remove_unopenable(now: datetime, actor: Actor) -> list[str]:
    """Take away the second factors that the key file does not open. Gives the names of whose they were."""
    names = []
    for user in User.objects.filter(authenticator__isnull=False).distinct().order_by("username"):
        factors = Authenticator.objects.filter(user=user)
        broken = [factor.pk for factor in factors if not _opens(factor)]
        if broken:
            factors.filter(pk__in=broken).delete()
            if not factors.exclude(type=Authenticator.Type.RECOVERY_CODES).exists():
                # Codes are for the day when another factor is not at hand.
                factors.delete()
            record("second_factors_removed", now, actor, user.username)
            names.append(user.username)
    return names


def _opens(factor: Authenticator) -> bool:
    sealed = [factor.data[name] for name in SEALED if name in factor.data]
    try:
        for value in sealed:
            unseal(PURPOSE, value)
    except SealBroken:
        return False
    return True
