"""People who log in by the company's LDAP or Active Directory: it knows the password and tells the role."""

import logging
from datetime import datetime

from allauth.mfa.models import Authenticator
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from licensing.directory import Directory, DirectoryTrouble, Person
from licensing.models import Role, User

from .actors import PORTAL
from .errors import Refused
from .events import record

logger = logging.getLogger(__name__)


def directory_log_in(now: datetime, directory: Directory, username: str, password: str) -> User | None:
    """The account of whom the directory knows by that name and password, made or brought up to date.

    A name that has an account of the portal's own is never asked for.

    Returns:
        None where the directory knows nobody by that name and password.

    Raises:
        Refused: `directory_unreachable`, `directory_no_group`, `user_inactive`, `username_taken`.
    """
    name = User.normalize_username(username.strip())
    if User.objects.filter(username__iexact=name, from_directory=False).exists():
        return None
    try:
        person = directory.look_up(name, password)
    except DirectoryTrouble as trouble:
        logger.error("Nobody can log in by the directory: %s", trouble)
        raise Refused(
            "directory_unreachable",
            _(
                "The company directory gives no usable answer, so its accounts cannot log in now. Accounts "
                "of the portal's own can."
            ),
        ) from None
    if person is None:
        return None
    if person.group is None:
        _shut_out(now, person)
        raise Refused(
            "directory_no_group",
            _("Your account of the company directory is in none of the groups that may log in here."),
        )
    try:
        with transaction.atomic():
            return _brought_up(now, person, Role(person.group))
    except IntegrityError:
        # Logged in twice at once for the first time: the other one has made the account.
        with transaction.atomic():
            return _brought_up(now, person, Role(person.group))


def _brought_up(now: datetime, person: Person, role: Role) -> User:
    user = _account(person)
    if user is None:
        return _new(now, person, role)
    if not user.from_directory:
        # The directory spells the name otherwise than it was typed.
        raise Refused("username_taken", _("This name has an account of the portal's own."))
    if not user.is_active:
        raise Refused("user_inactive", _("An administrator has switched this account off."))
    before = {"role": user.role, "email": user.email}
    user.role, user.email = role, _email(person)
    after = {"role": user.role, "email": user.email}
    if after != before:
        user.save(update_fields=list(after))
        record("user_changed", now, PORTAL, user.username, before=before, after=after)
    return user


def _new(now: datetime, person: Person, role: Role) -> User:
    user = User(username=person.username, email=_email(person), role=role, from_directory=True)
    user.set_unusable_password()
    try:
        user.clean_fields(exclude=("password", "email"))
    except ValidationError:
        logger.error("The directory has a user name that the portal cannot take: %r", person.username)
        raise Refused(
            "username_invalid", _("User names here may have letters, digits and @ . + - _ alone.")
        ) from None
    user.save(force_insert=True)
    record("user_from_directory", now, PORTAL, user.username, role=user.role)
    return user


def _shut_out(now: datetime, person: Person) -> None:
    """Take the role, every session and the second factors of somebody who has left the groups."""
    with transaction.atomic():
        user = _account(person)
        if user is None or not user.from_directory:
            logger.warning("%s is in none of the directory's groups that may log in", person.dn)
            return
        user.role = Role.VIEWER
        # Another unusable password makes every session void.
        user.set_unusable_password()
        user.save(update_fields=["role", "password"])
        Authenticator.objects.filter(user=user).delete()
        record("user_left_directory_groups", now, PORTAL, user.username)


def _email(person: Person) -> str:
    """The mail address that the directory tells; what is none is left out: no page would save it again."""
    try:
        email: str = User._meta.get_field("email").clean(person.email, None)
    except ValidationError:
        return ""
    return email


def _account(person: Person) -> User | None:
    return User.objects.select_for_update().filter(username__iexact=person.username).first()
