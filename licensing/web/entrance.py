"""Whoever is not logged in is led to the log-in page; whoever must confirm that it is he, to where he can."""

import logging
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from allauth.account.adapter import get_adapter
from allauth.core.exceptions import ReauthenticationRequired
from django.contrib import messages
from django.contrib.auth import REDIRECT_FIELD_NAME, logout
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from licensing.models.sealed import SealBroken

from .session_end import end_if_over

logger = logging.getLogger(__name__)
# Stands for a sign that cannot be read; nothing has it in its name.
NOT_A_SIGN = "\ufffd"


class EntranceMiddleware(LoginRequiredMiddleware):
    """Every page asks for a log-in unless it says otherwise."""

    def process_view(self, request: HttpRequest, *about: Any) -> HttpResponseBase | None:
        """To the log-in page; where a part of a page refreshes itself, the whole page goes there."""
        _without_nul(request, *about)
        end_if_over(request)
        led_away: HttpResponseBase | None = super().process_view(request, *about)
        if led_away is not None and request.headers.get("HX-Request") == "true":
            return HttpResponse(status=204, headers={"HX-Refresh": "true"})
        if led_away is not None and request.method == "POST":
            messages.warning(
                request,
                _(
                    "Nothing has been done yet: your session was over, and what you typed was not kept. "
                    "Log in, then fill in the form once more."
                ),
            )
        return led_away

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Let no cache take a part that refreshes itself for its page: they have one address."""
        patch_vary_headers(response, ["HX-Request"])
        return response


def _without_nul(request: HttpRequest, view: Any, arguments: Any, named: dict[str, Any]) -> None:
    """No text of ours has a NUL, and PostgreSQL takes none: what is asked for with one is not found."""
    if "\0" in (request.session.session_key or ""):
        request.session = type(request.session)()
    if any("\0" in str(value) for value in named.values()):
        raise Http404
    asked = request.META.get("QUERY_STRING", "")
    if "%00" in asked:
        request.GET = QueryDict(asked.replace("%00", quote(NOT_A_SIGN)))


class ConfirmationMiddleware:
    """Whoever must log in once more is asked to, and then led to the page that he came from.

    It stands behind allauth's, which would keep the whole form and its headers in the session until then:
    PINs and cookies in clear. Here a form is not kept, but typed again.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Nothing is done before a page, and nothing after it."""
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponseBase | None:
        """To the page that asks for the password again; away from a second factor that does not open."""
        if isinstance(exception, ReauthenticationRequired):
            return _to_confirmation(request)
        if isinstance(exception, SealBroken) and _is_of_second_factors(request):
            return _away_from_factor(request, exception)
        return None


def _is_of_second_factors(request: HttpRequest) -> bool:
    match = request.resolver_match
    return match is not None and (match.url_name or "").startswith("mfa_")


def _away_from_factor(request: HttpRequest, broken: SealBroken) -> HttpResponseBase:
    logger.error("A second factor cannot be used: %s", broken)
    messages.error(
        request,
        _(
            "This second factor does not open with the portal's key file and cannot be used any more. An "
            "administrator can remove it under “Users”."
        ),
    )
    return redirect("modules" if request.user.is_authenticated else "account_login")


def _to_confirmation(request: HttpRequest) -> HttpResponseBase:
    ways = get_adapter().get_reauthentication_methods(request.user)
    if not ways:
        # Else the log-in page would lead back here, for ever.
        logout(request)
    if request.method == "POST":
        messages.warning(
            request,
            _(
                "Nothing has been done yet: your log-in is a while ago, and what you typed was not kept. "
                "Confirm that it is you, then fill in the form once more."
            ),
        )
    page = ways[0]["url"] if ways else reverse("account_login")
    return redirect(f"{page}?{urlencode({REDIRECT_FIELD_NAME: request.get_full_path()})}")
