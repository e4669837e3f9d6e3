"""Who asks for an operation."""

from dataclasses import dataclass

from django.utils.translation import gettext_lazy as _

from licensing.models import Role, User

from .errors import Refused


@dataclass(frozen=True)
class Actor:
    """A person, a command or the portal itself, with the role that it acts in."""

    name: str
    role: Role

    def require(self, needed: Role) -> None:
        """Refuse (`not_permitted`) unless the actor's role includes `needed`."""
        if not self.role.may(needed):
            raise Refused(
                "not_permitted",
                _("Your role does not allow this. Ask an administrator of the portal."),
                needed=needed.value,
            )


# The portal's own doings, and whoever may run commands on the server.
PORTAL = Actor("portal", Role.ADMINISTRATOR)
COMMAND = Actor("command line", Role.ADMINISTRATOR)


def actor_of(user: User) -> Actor:
    """The actor that a logged-in user is."""
    return Actor(user.get_username(), Role(user.role))
