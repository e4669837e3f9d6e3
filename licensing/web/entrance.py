"""Whoever is not logged in, or is no more, is led to the log-in page."""

from typing import Any

from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase


class EntranceMiddleware(LoginRequiredMiddleware):
    """Every page asks for a log-in unless it says otherwise."""

    def process_view(self, request: HttpRequest, *about: Any) -> HttpResponseBase | None:
        """To the log-in page; where a part of a page refreshes itself, the whole page goes there."""
        led_away: HttpResponseBase | None = super().process_view(request, *about)
        if led_away is not None and request.headers.get("HX-Request") == "true":
            return HttpResponse(status=204, headers={"HX-Refresh": "true"})
        return led_away
