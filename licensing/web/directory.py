"""Logging in by the company's LDAP or Active Directory."""

from typing import Any

from django.conf import settings
from django.contrib.auth.backends import ModelBackend
from django.forms import ValidationError
from django.http import HttpRequest

from licensing.models import User
from licensing.operations.clock import portal_now
from licensing.operations.directory_users import directory_log_in
from licensing.operations.errors import Refused


class DirectoryBackend(ModelBackend):
    """Asks the directory about every name that has no account of the portal's own."""

    def authenticate(  # type: ignore[override]
        self, request: HttpRequest | None, username: str = "", password: str = "", **_others: Any
    ) -> User | None:
        """Who logs in; None where nobody does. Why not is kept for `refuse_with_reason`."""
        if settings.KEYMANAGER.directory is None or not username or not password:
            return None
        try:
            return directory_log_in(portal_now(), settings.KEYMANAGER.directory, username, password)
        except Refused as refused:
            if request is not None:
                request.directory_refusal = refused  # type: ignore[attr-defined]
            return None


def refuse_with_reason(request: HttpRequest) -> None:
    """Tell at the form why the directory lets nobody in, where there is more to tell than a wrong password.

    Raises:
        ValidationError: with that sentence.
    """
    refused: Refused | None = getattr(request, "directory_refusal", None)
    if refused is not None:
        raise ValidationError(str(refused.detail), code=refused.code)
