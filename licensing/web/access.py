"""Who may open a page. The operations behind it ask again."""

import time
from collections.abc import Callable
from functools import wraps
from typing import Any

from allauth.account.authentication import get_authentication_records
from allauth.core.exceptions import ReauthenticationRequired
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect

from licensing.models import Role, User
from licensing.operations.actors import Actor, actor_of
from licensing.operations.errors import Refused

View = Callable[..., HttpResponseBase]


def needs(role: Role, *, fresh: bool = False) -> Callable[[View], View]:
    """Let in whose role includes `role`; anyone else who is logged in gets the page 403.

    Every page has this, viewers' pages too, so that a page without it stands out. A `fresh` page asks for
    the password again where the last log-in is a while ago.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if not role_of(request).may(role):
                raise PermissionDenied
            if fresh:
                need_fresh(request)
            try:
                return view(request, *args, **kwargs)
            except Refused as refused:
                if refused.code == "not_permitted":
                    raise PermissionDenied from refused
                raise

        guarded.needed_role = role  # type: ignore[attr-defined]
        return guarded

    return decorate


def need_fresh(request: HttpRequest) -> None:
    """Ask for the password again where the last log-in is a while ago.

    Raises:
        ReauthenticationRequired: whoever is logged in is led to it, and then back to the page.
    """
    if not _logged_in_recently(request):
        raise ReauthenticationRequired


def sent_from(page: str) -> Callable[[View], View]:
    """Only what the form on `page` sends is carried out; whoever comes by a link is led to that page.

    So does the log-in page with somebody whose session was over when he sent the form.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            return view(request, *args, **kwargs) if request.method == "POST" else redirect(page)

        return guarded

    return decorate


def role_of(request: HttpRequest) -> Role:
    """The role of whoever is logged in (EntranceMiddleware has seen to it that somebody is)."""
    return Role(_user(request).role)


def actor(request: HttpRequest) -> Actor:
    """Whoever is logged in, as an operation wants him."""
    return actor_of(_user(request))


def _user(request: HttpRequest) -> User:
    if not isinstance(request.user, User):
        raise PermissionDenied
    return request.user


def _logged_in_recently(request: HttpRequest) -> bool:
    """Whether a password or second factor was given within ACCOUNT_REAUTHENTICATION_TIMEOUT."""
    at = max((record.get("at", 0) for record in get_authentication_records(request, request.user)), default=0)
    return time.time() - float(at) < settings.ACCOUNT_REAUTHENTICATION_TIMEOUT
