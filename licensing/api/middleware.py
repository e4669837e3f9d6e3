"""The API within Django: it needs no session, no CSRF token, no template, so it stands before all of them."""

import ipaddress
from collections.abc import Callable

from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from licensing.operations.errors import Refused

from . import health, metrics, pages
from .exchange import Answer, Call
from .router import answered, handle


class ApiMiddleware:
    """Answers `/api…`, `/problems…`, `/livez` and `/readyz`, and lets every other request pass."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        path = request.path
        if path in health.PATHS:
            call = call_of(request)
            return _response(answered(lambda: health.handle(call), call), request)
        if path == pages.PROBLEMS_PATH or path.startswith(pages.PROBLEMS_PATH + "/"):
            call = call_of(request)
            return _response(answered(lambda: pages.problem_page(call), call), request)
        if path == metrics.PATH and _host_allowed(request):
            call = call_of(request)
            return _response(answered(lambda: metrics.handle(call), call), request)
        if path != "/api" and not path.startswith("/api/"):
            return self._get_response(request)
        call = call_of(request)
        if not _host_allowed(request):
            return _response(answered(_refuse_host, call), request)
        return _response(handle(call), request)


def call_of(request: HttpRequest) -> Call:
    """Django's request as a call."""
    return Call(
        method=request.method or "",
        path=request.path,
        query=request.META.get("QUERY_STRING", ""),
        headers={name.lower(): value for name, value in request.headers.items()},
        address=_address(request.META.get("REMOTE_ADDR", "")),
        read_body=_body_reader(request),
    )


def _body_reader(request: HttpRequest) -> Callable[[int], bytes]:
    """Django bounds a body by its declared length; one sent in chunks declares none."""
    if "chunked" in request.META.get("HTTP_TRANSFER_ENCODING", ""):
        raw = request.META.get("wsgi.input")
        return raw.read if raw is not None else request.read
    return request.read


def _address(text: str) -> str:
    """The caller's address without a port."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return text.rpartition(":")[0].strip("[]")


def _host_allowed(request: HttpRequest) -> bool:
    try:
        request.get_host()
    except DisallowedHost:
        return False
    return True


def _refuse_host() -> Answer:
    raise Refused("bad_request")


def _response(answer: Answer, request: HttpRequest) -> HttpResponse:
    body = b"" if request.method == "HEAD" else answer.body
    response = HttpResponse(body, status=answer.status, content_type=answer.content_type)
    if answer.status == 204:
        del response["Content-Type"]
    response["Cache-Control"] = "no-store"
    response["X-Content-Type-Options"] = "nosniff"
    for name, value in answer.headers:
        response[name] = value
    return response
