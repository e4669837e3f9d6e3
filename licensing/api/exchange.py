"""A call and its answer, whatever server carries them."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import msgspec
from django.utils.functional import Promise

from licensing.operations.errors import Refused, Shared

from .languages import speaking
from .problems import PROBLEMS

MAX_BODY = 16 * 1024
JSON = "application/json"
_encode = msgspec.json.Encoder().encode


class Call(msgspec.Struct, frozen=True):
    """One request to the API.

    `headers` has lower-case names; `read_body(n)` gives at most n bytes of the body, however it was sent.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    address: str
    read_body: Callable[[int], bytes]

    def header(self, name: str) -> str | None:
        """The value of a header, by its lower-case name."""
        return self.headers.get(name)


class Answer(msgspec.Struct, frozen=True):
    """What goes back: `body` is ready bytes."""

    status: int
    body: bytes = b""
    content_type: str = JSON
    headers: Sequence[tuple[str, str]] = ()


@lru_cache(maxsize=4096)
def instant(moment: datetime) -> str:
    """An aware instant as the contract writes it: UTC, six decimals, `Z`."""
    # Kept: the calls of one batch share most of their instants.
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def answer(message: Any, status: int = 200, headers: Sequence[tuple[str, str]] = ()) -> Answer:
    """An answer in JSON."""
    return Answer(status, _encode(message), headers=headers)


def problem(refused: Refused, language: str) -> Answer:
    """A refusal as `application/problem+json`, in the caller's language."""
    kind = PROBLEMS[refused.code]
    data = dict(refused.data)
    headers = [("content-language", language), *_headers_of(refused.code, data)]
    with speaking(language):
        body = {
            "type": f"/problems/{refused.code}",
            "title": str(kind.title),
            "status": kind.status,
            "detail": str(refused.detail or kind.meaning),
            "code": refused.code,
            **{name: _plain(value) for name, value in data.items()},
        }
        encoded = _encode(body)
    return Answer(kind.status, encoded, "application/problem+json", headers)


def _headers_of(code: str, data: dict[str, Any]) -> list[tuple[str, str]]:
    """Headers that a refusal carries; what stands in them is not repeated in the body."""
    headers = []
    retry_after = data.pop("retry_after", None)
    if retry_after is not None:
        headers.append(("retry-after", str(max(1, int(retry_after)))))
    allow = data.pop("allow", None)
    if allow is not None:
        headers.append(("allow", ", ".join(allow)))
    if code in ("token_missing", "token_invalid"):
        headers.append(("www-authenticate", "Bearer"))
    return headers


def _plain(value: Any) -> Any:
    """Instants as the contract writes them, at any depth; lazy sentences as text."""
    if isinstance(value, datetime):
        return instant(value)
    if isinstance(value, Shared):
        return _once(value)
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return str(value) if isinstance(value, Promise) else value


def _once(shared: Shared) -> msgspec.Raw:
    """What many answers have in common, rendered for the first of them."""
    if shared.rendered is None:
        shared.rendered = msgspec.Raw(_encode({name: _plain(value) for name, value in shared.items()}))
    rendered: msgspec.Raw = shared.rendered
    return rendered
