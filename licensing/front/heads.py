"""Heads that came before: a program sends the same header fields with each of its calls, but for its key.

llhttp tells of one field after another, each by a call into Python. What it made of some fields holds for
the same bytes the next time: of a request that repeats them only its line, its key and its body are read.
"""

from collections.abc import Callable
from dataclasses import dataclass

from .bodies import SMALL
from .http import Line, Request

# Longer ones come from browsers, with cookies; and so many of the shorter ones are a megabyte or two.
LONGEST, MOST_KEPT = 1024, 1024
_END = b"\r\n\r\n"
# In the letters in which programs write it: the one field that is different in each call.
_KEYS = (b"\r\nIdempotency-Key: ", b"\r\nidempotency-key: ")
_KEY = "idempotency-key"
_METHODS = frozenset(("GET", "POST", "DELETE"))
# What has a say in where a body ends, or in which protocol is spoken after it.
_FRAMING = ("transfer-encoding", "expect", "upgrade")


@dataclass(frozen=True, slots=True)
class _Head:
    headers: dict[str, str]
    length: int


class Heads:
    """What the parser made of header fields, by their bytes without the key."""

    def __init__(self) -> None:
        self._kept: dict[bytes, _Head] = {}

    def request(
        self, data: bytes, line: Line, client: str, scheme: str, longest_body: Callable[[str], int]
    ) -> Request | None:
        """The one request that `data` is, neither more nor less; None where the parser must look at it."""
        start, end = data.find(b"\r\n"), data.find(_END)
        if not 0 < end - start <= LONGEST or (words := _words(data[:start])) is None:
            return None
        fields, key = _split(data[start : end + len(_END)])
        body = data[end + len(_END) :]
        head = self._kept.get(fields)
        if head is None or head.length != len(body):
            return None
        method, target = words
        if head.length > longest_body(target):
            return None
        headers = head.headers.copy()
        if key is not None:
            headers[_KEY] = key
        return Request(line, method, target, headers, body, client, scheme)

    def keep(self, data: bytes, request: Request) -> None:
        """Keep the head of a request as the parser has read it from all of `data`; another `may_follow`."""
        start, end = data.find(b"\r\n"), data.find(_END)
        fields, key = _split(data[start : end + len(_END)])
        headers = request.headers.copy()
        if (
            # Nor does it begin with anything else.
            _words(data[:start]) != (request.method, request.target)
            or end - start > LONGEST
            # The room for others is reckoned.
            or len(request.body) > SMALL
            or headers.pop(_KEY, None) != key
            or any(name in headers for name in _FRAMING)
        ):
            return
        if len(self._kept) >= MOST_KEPT:
            self._kept.clear()
        self._kept[fields] = _Head(headers, len(request.body))


def may_follow(data: bytes, request: Request) -> bool:
    """Whether another request may begin after `data`, in which this one began and was completed.

    False where more came than this one, or its body came in chunks.
    """
    return request.is_kept and len(data) == data.find(_END) + len(_END) + len(request.body)


def _words(line: bytes) -> tuple[str, str] | None:
    """Method and target of a request's first line, where nothing about it is out of the ordinary."""
    words = line.decode("latin-1").split(" ")
    if len(words) != 3 or words[2] != "HTTP/1.1" or words[0] not in _METHODS:
        return None
    target = words[1]
    if not target.startswith("/") or "#" in target or not (target.isascii() and target.isprintable()):
        return None
    return words[0], target


def _split(fields: bytes) -> tuple[bytes, str | None]:
    """The fields without the first that is a key, and that key; as they are where there is none."""
    for name in _KEYS:
        at = fields.find(name)
        if at >= 0:
            begin = at + len(name)
            end = fields.find(b"\r\n", begin)
            key = fields[begin:end].decode("latin-1")
            if key and key.isascii() and key.isprintable() and " " not in key:
                return fields[:at] + fields[end:], key
    return fields, None
