"""How far a new portal has come on its way to the first taken lease."""

from dataclasses import dataclass

from django.db.models import Exists, Q

from licensing.models import Configuration, ContactAttempt, ErpClient, Lease, VirtualKey

MAIL_IS_SET = ~Q(smtp_host="") & ~Q(admin_email="")


@dataclass(frozen=True)
class FirstSteps:
    """What is there already. `mail` and `contact` may be left for later; the rest may not."""

    mail: bool
    contact: bool
    key: bool
    client: bool
    lease: bool


def first_steps() -> FirstSteps:
    """How far the portal has come, in one query."""
    found = Configuration.objects.filter(pk=1).values_list(
        Exists(Configuration.objects.filter(MAIL_IS_SET)),
        Exists(ContactAttempt.objects.filter(outcome="ok")),
        Exists(VirtualKey.objects.all()),
        Exists(ErpClient.objects.all()),
        Exists(Lease.objects.all()),
    )
    return FirstSteps(*(found.first() or (False,) * 5))
