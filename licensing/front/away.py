"""What the front answers itself while the process that serves the pages cannot be reached.

No database is asked: the page stands in for any other, for whoever is logged in and for whoever is not. Its
sheet and pictures come from here meanwhile, or a browser that comes for the first time would show it bare.
"""

import logging
from functools import lru_cache

from csp.utils import build_policy
from django.conf import settings
from django.http import HttpRequest, parse_cookie
from django.utils import translation
from whitenoise import WhiteNoise

from licensing.web import failures

from .http import Request

logger = logging.getLogger(__name__)
# Status, headers with lower-case names, body.
Reply = tuple[int, list[tuple[str, str]], bytes]
NOSNIFF = ("x-content-type-options", "nosniff")
PLAIN = "The pages are being started; try again in a moment.\n"


def reply(asked: Request) -> Reply:
    """The answer to a request: a static file, the page that says what is wrong, or a line of text."""
    request = _request(asked)
    try:
        return _file(request) or _page(request) or _line()
    except Exception:
        logger.exception("the page that stands in for others cannot be made")
        return _line()


def _request(asked: Request) -> HttpRequest:
    request = HttpRequest()
    request.method, request.path = asked.method, asked.path
    names = ("accept", "accept-encoding", "accept-language", "if-modified-since", "if-none-match")
    given = {name: asked.headers.get(name) for name in names}
    request.META |= {
        f"HTTP_{name.upper().replace('-', '_')}": value for name, value in given.items() if value
    }
    request.COOKIES = parse_cookie(asked.headers.get("cookie") or "")
    return request


def _file(request: HttpRequest) -> Reply | None:
    found = _files().files.get(request.path)
    if found is None:
        return None
    response = found.get_response(request.method, request.META)
    headers = [(name.lower(), value) for name, value in response.headers if name.lower() != "content-length"]
    if response.file is None:
        return int(response.status), [*headers, NOSNIFF], b""
    with response.file as file:
        return int(response.status), [*headers, NOSNIFF], file.read()


@lru_cache(maxsize=1)
def _files() -> WhiteNoise:
    return WhiteNoise(None, root=settings.STATIC_ROOT, prefix=settings.STATIC_URL)


def _page(request: HttpRequest) -> Reply | None:
    """For a browser; a program and a page that refreshes itself take anything, and are told in one line."""
    if request.get_preferred_type(["text/plain", "text/html"]) != "text/html":
        return None
    language = translation.get_language_from_request(request)
    with translation.override(language):
        page = failures.pages_away(request)
    headers = [
        *((name.lower(), value) for name, value in page.items()),
        ("content-language", language),
        ("content-security-policy", build_policy()),
        ("cache-control", "no-store"),
        ("referrer-policy", str(settings.SECURE_REFERRER_POLICY)),
        ("x-frame-options", str(settings.X_FRAME_OPTIONS)),
        NOSNIFF,
    ]
    return page.status_code, headers, page.content


def _line() -> Reply:
    retry_after = ("retry-after", failures.AWAY_SECONDS)
    return 503, [("content-type", "text/plain; charset=utf-8"), retry_after, NOSNIFF], PLAIN.encode()
