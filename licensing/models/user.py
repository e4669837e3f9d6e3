"""Who may log in, and as what."""

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class Role(models.TextChoices):
    """What a user may do; each role may all that the one before it may."""

    VIEWER = "viewer", _("Viewer")
    OPERATOR = "operator", _("Operator")
    ADMINISTRATOR = "administrator", _("Administrator")

    def may(self, needed: "Role") -> bool:
        """Whether this role includes `needed`."""
        order = list(Role)
        return order.index(self) >= order.index(needed)


class User(AbstractUser):
    """A person at the portal's pages."""

    role = models.CharField(_("role"), max_length=13, choices=Role.choices, default=Role.VIEWER)

    # Whoever logs in by the company's LDAP or Active Directory: it knows the password and tells the role.
    from_directory = models.BooleanField(default=False)

    class Meta(AbstractUser.Meta):
        constraints = [models.CheckConstraint(condition=Q(role__in=Role.values), name="user_role_known")]

    def has_usable_password(self) -> bool:
        """Whether a password lets the user in: one kept here, or the directory's."""
        return self.from_directory or super().has_usable_password()
