"""In the pages' process: who is believed about where a request came from."""

import os
import secrets
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from .relay import FRONT_HEADER


class FrontMiddleware:
    """Takes the caller's address and scheme from the front, and serves nobody else where there is one.

    The pages listen on loopback, where every user of the server could call; only the front knows the
    secret that both were started with.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response
        self._secret = os.environ.get("KEYMANAGER_FRONT_SECRET", "")

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if self._secret:
            if not secrets.compare_digest(
                request.headers.get(FRONT_HEADER, "").encode(), self._secret.encode()
            ):
                return HttpResponse("Call the portal's own port.\n", status=403, content_type="text/plain")
            request.META["REMOTE_ADDR"] = request.headers.get("X-Forwarded-For", "")
            request.META["wsgi.url_scheme"] = request.headers.get("X-Forwarded-Proto", "http")
        return self._get_response(request)
