"""Reading what came back: status, type and size are judged here, signatures elsewhere."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from requests import Response
from urllib3.exceptions import DecodeError

from licensing.vendor import errors
from licensing.vendor.faults import VendorError
from licensing.vendor.wire import Wire

MAX_RETRY_AFTER_SECONDS = 3600
_MAX_PROBLEM_BYTES = 64 * 1024
_CHUNK_BYTES = 16 * 1024
_REFUSALS: Mapping[tuple[int, str], type[VendorError]] = {
    (401, "bad_signature"): errors.RequestUnauthentic,
    (400, "malformed"): errors.RequestMalformed,
    (409, "replayed"): errors.RequestReplayed,
}


def read_answer(response: Response, wire: Wire, limit: int) -> str:
    """The answer's body, without white space around it; at most `limit` decoded bytes are read.

    Raises the VendorError that tells what else it was.
    """
    if response.status_code != 200:
        raise _status_fault(response, wire)
    media = _media_type(response)
    if media != "application/jose":
        raise wire.error(errors.NotTheVendor, content=media or None)
    try:
        return _read_body(response, limit, wire).decode("ascii").strip()
    except (UnicodeDecodeError, DecodeError) as error:
        raise wire.error(errors.NotTheVendor, content=media) from error


def _status_fault(response: Response, wire: Wire) -> VendorError:
    status = response.status_code
    if 300 <= status < 400:
        return wire.error(errors.Redirected, location=_sent_to(response))
    if status in (429, 503):
        seconds = retry_after_seconds(response.headers.get("Retry-After"), response.headers.get("Date"))
        return wire.error(errors.Busy, status=status, retry_after=seconds)
    if refusal := _REFUSALS.get((status, _problem_code(response, wire))):
        return wire.error(refusal, status=status)
    return wire.error(errors.HttpStatus, status=status)


def _media_type(response: Response) -> str:
    return response.headers.get("Content-Type", "").partition(";")[0].strip().lower()[:100]


def _sent_to(response: Response) -> str:
    """Scheme and host of a redirect: enough to know a log-in page by, and no more than that of a stranger."""
    try:
        parts = urlsplit(response.headers.get("Location", ""))
        return f"{parts.scheme}://{parts.hostname}"[:200] if parts.hostname else "/"
    except ValueError:
        return "/"


def _problem_code(response: Response, wire: Wire) -> str:
    """The `code` of a problem+json (RFC 9457), or "" where there is none to read."""
    if _media_type(response) != "application/problem+json":
        return ""
    try:
        problem = json.loads(_read_body(response, _MAX_PROBLEM_BYTES, wire))
    except (ValueError, RecursionError, DecodeError, errors.TooLarge):
        return ""
    code = problem.get("code") if isinstance(problem, dict) else None
    return code if isinstance(code, str) else ""


def _read_body(response: Response, limit: int, wire: Wire) -> bytearray:
    """Read and decode at most `limit` bytes; the bound holds for a packed bomb as for an endless body."""
    body = bytearray()
    while chunk := response.raw.read(_CHUNK_BYTES, decode_content=True):
        body += chunk
        if len(body) > limit:
            raise wire.error(errors.TooLarge, limit=limit)
    return body


def retry_after_seconds(value: str | None, answered_on: str | None) -> int | None:
    """`Retry-After` in seconds, 0 to an hour; a date counts from the answer's `Date`; None: unreadable."""
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return min(int(text[:10]), MAX_RETRY_AFTER_SECONDS)
    until, since = _http_date(text), _http_date(answered_on or "")
    if until is None or since is None:
        return None
    return max(0, min(int((until - since).total_seconds()), MAX_RETRY_AFTER_SECONDS))


def _http_date(text: str) -> datetime | None:
    try:
        instant = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant
