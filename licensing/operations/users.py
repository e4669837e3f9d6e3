"""The people at the portal's pages: the first administrator, invitations, roles."""

import hashlib
import hmac
import secrets
from datetime import datetime
from pathlib import Path
from typing import Any

from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.contrib.auth.password_validation import validate_password
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils.encoding import force_str
from django.utils.http import urlsafe_base64_decode, urlsafe_base64_encode
from django.utils.translation import gettext as _

from licensing.models import Role, User

from .actors import PORTAL, Actor
from .errors import Refused
from .events import record


class _InvitationTokens(PasswordResetTokenGenerator):
    """Good until the password changes; an e-mail corrected or a log-in by passkey changes nothing."""

    def _make_hash_value(self, user: AbstractBaseUser, timestamp: int) -> str:
        return f"{user.pk}{user.password}{timestamp}"


_tokens = _InvitationTokens()


def needs_first_administrator() -> bool:
    """Whether nobody can administer this portal yet, so that the first-run page is open."""
    return not User.objects.filter(role=Role.ADMINISTRATOR).exists()


def first_run_token() -> str | None:
    """A new one-time token for the first-run page, or None once there is an administrator.

    It is printed at the start and stored hashed; a token of an earlier start is good no more.
    """
    if not needs_first_administrator():
        return None
    token = secrets.token_urlsafe(24)
    path = _token_file()
    path.touch(mode=0o600)
    path.write_text(_digest(token), encoding="ascii")
    return token


def create_first_administrator(now: datetime, token: str, username: str, password: str, email: str) -> User:
    """Make the first administrator, for whoever knows the token printed at the start.

    Raises:
        Refused: `first_run_over`, `first_run_token_wrong`, or as `create_user`.
    """
    if not needs_first_administrator():
        raise Refused("first_run_over", _("This portal has an administrator already. Log in."))
    path = _token_file()
    stored = path.read_text(encoding="ascii") if path.exists() else ""
    if not hmac.compare_digest(stored, _digest(token.strip())):
        sentence = _("This is not the token printed at the last start of the portal.")
        raise Refused("first_run_token_wrong", sentence, errors={"token": [sentence]})
    with transaction.atomic():
        user = create_user(now, PORTAL, username, password, Role.ADMINISTRATOR, email)
        try:
            # Of two at once, whoever takes the token away is the first.
            path.unlink()
        except FileNotFoundError:
            raise Refused("first_run_over", _("This portal has an administrator already. Log in.")) from None
    return user


def create_user(
    now: datetime, actor: Actor, username: str, password: str, role: Role, email: str = ""
) -> User:
    """Make a user who may log in at once.

    Raises:
        Refused: `not_permitted`, `username_taken`, `validation_failed` with `errors` by field.
    """
    user = _new_user(actor, username, role, email)
    _set_password(user, password)
    return _stored(now, actor, user, "user_added")


def invite_user(now: datetime, actor: Actor, username: str, role: Role, email: str = "") -> User:
    """Make a user who chooses a password himself, by the link that `invitation` gives."""
    user = _new_user(actor, username, role, email)
    user.set_unusable_password()
    return _stored(now, actor, user, "user_invited")


def invitation(user: User) -> tuple[str, str]:
    """The two parts of a one-time link by which the user sets a password; good for three days."""
    return urlsafe_base64_encode(str(user.pk).encode()), _tokens.make_token(user)


def invite_again(now: datetime, actor: Actor, user_id: int) -> User:
    """Make a user's password unusable and let a new link be made, e.g. for a password forgotten.

    Raises:
        Refused: `not_permitted`, `user_unknown`, `directory_user`, `last_administrator`.
    """
    actor.require(Role.ADMINISTRATOR)
    with transaction.atomic():
        administrators = _administrators()
        user = _locked(user_id)
        if user.from_directory:
            raise Refused("directory_user", _("The company directory keeps this user's password."))
        if administrators == [user_id]:
            # Should the link be lost, nobody could make another.
            raise _last_administrator()
        user.set_unusable_password()
        user.save(update_fields=["password"])
        record("user_invited_again", now, actor, user.username)
    return user


def invited_user(uid: str, token: str) -> User:
    """Whom a link of an invitation is for.

    Raises:
        Refused: `invitation_over`: used, too old, made anew since, or never made.
    """
    try:
        user = User.objects.filter(pk=force_str(urlsafe_base64_decode(uid)), is_active=True).first()
    except (ValueError, OverflowError):
        user = None
    if user is None or not _tokens.check_token(user, token):
        raise Refused(
            "invitation_over",
            _(
                "This link has been used, is more than three days old, was replaced by a newer one, or the "
                "account is switched off. Ask an administrator for a new one."
            ),
        )
    return user


def accept_invitation(now: datetime, uid: str, token: str, password: str) -> User:
    """Set the password of an invited user; the link is good no more."""
    with transaction.atomic():
        user = _locked(invited_user(uid, token).pk)
        invited_user(uid, token)
        _set_password(user, password)
        user.save(update_fields=["password"])
        record("user_set_password", now, Actor(user.username, Role(user.role)), user.username)
    return user


def change_user(
    now: datetime, actor: Actor, user_id: int, *, role: Role, email: str, is_active: bool
) -> None:
    """Change a user's role and e-mail, and whether he may log in (at once, also where he is logged in).

    Raises:
        Refused: `not_permitted`, `user_unknown`, `last_administrator`, `validation_failed`.
    """
    actor.require(Role.ADMINISTRATOR)
    with transaction.atomic():
        administrators = _administrators()
        user = _locked(user_id)
        if administrators == [user_id] and (role is not Role.ADMINISTRATOR or not is_active):
            raise _last_administrator()
        before = {"role": user.role, "email": user.email, "is_active": user.is_active}
        user.role, user.email, user.is_active = role, email.strip(), is_active
        _check(user, exclude=("password", "username"))
        after = {"role": user.role, "email": user.email, "is_active": user.is_active}
        if after == before:
            return
        user.save(update_fields=list(after))
        if user.is_active != before["is_active"]:
            _end_sessions(user)
        record("user_changed", now, actor, user.username, before=before, after=after)


def _end_sessions(user: User) -> None:
    """Log the user out everywhere: what is merely not let in would go on as soon as he may log in again."""
    for session in UserSession.objects.filter(user=user):
        session.end()


def _new_user(actor: Actor, username: str, role: Role, email: str) -> User:
    actor.require(Role.ADMINISTRATOR)
    name = User.normalize_username(username.strip())
    user = User(username=name, email=User.objects.normalize_email(email.strip()), role=role)
    if User.objects.filter(username__iexact=name).exists():
        raise _username_taken(name)
    _check(user, exclude=("password",))
    return user


def _stored(now: datetime, actor: Actor, user: User, kind: str) -> User:
    try:
        with transaction.atomic():
            user.save(force_insert=True)
            record(kind, now, actor, user.username, role=user.role)
    except IntegrityError:
        raise _username_taken(user.username) from None
    return user


def _check(user: User, exclude: tuple[str, ...]) -> None:
    try:
        user.clean_fields(exclude=exclude)
    except ValidationError as error:
        raise _invalid(error.message_dict) from None


def _set_password(user: User, password: str) -> None:
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise _invalid({"password": error.messages}) from None
    user.set_password(password)


def _locked(user_id: int) -> User:
    user = User.objects.select_for_update().filter(pk=user_id).first()
    if user is None:
        raise Refused("user_unknown", _("There is no such user."))
    return user


def _administrators() -> list[int]:
    """Who can administer the portal today, locked: not who is invited only, nor who needs the directory."""
    return list(
        User.objects.select_for_update()
        .filter(role=Role.ADMINISTRATOR, is_active=True, from_directory=False)
        .exclude(password__startswith=UNUSABLE_PASSWORD_PREFIX)
        .order_by("pk")
        .values_list("pk", flat=True)
    )


def _last_administrator() -> Refused:
    return Refused(
        "last_administrator",
        _("This is the last administrator with a password: another one must have set his first."),
    )


def _invalid(errors: dict[str, Any]) -> Refused:
    first = next(iter(errors.values()))[0]
    return Refused("validation_failed", first, errors=errors)


def _username_taken(username: str) -> Refused:
    sentence = _("There is a user named “%(name)s” already.") % {"name": username}
    return Refused("username_taken", sentence, errors={"username": [sentence]})


def _token_file() -> Path:
    path: Path = settings.KEYMANAGER.data / "first-run-token"
    return path


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
