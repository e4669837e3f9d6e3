"""One HTTP request as the front sees it, and the bytes of its answer (RFC 9110, RFC 9112)."""

import time
from collections.abc import Iterable
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import Protocol
from urllib.parse import unquote, urlsplit

Headers = Iterable[tuple[str, str]]
# Statuses whose answers have no body, and no word on its length (RFC 9110, 6.4.1 and 8.6).
_BODYLESS = (204, 304)
_PLAIN = (("content-type", "text/plain; charset=utf-8"),)


class Stream(Protocol):
    """An answer that is sent in parts."""

    async def send_bytes(self, part: bytes) -> None:
        """Send a part; waits where the caller reads more slowly than it is sent.

        Raises:
            ConnectionError: the caller went away.
        """

    def close(self) -> None:
        """Nothing more comes."""

    def abort(self) -> None:
        """Break off, so that nobody takes what was sent for whole."""


class Line(Protocol):
    """Whatever carries answers to whoever asked."""

    def send(self, answer: bytes) -> None:
        """Send a whole answer."""

    def send_first(self, head: bytes, *, in_chunks: bool) -> Stream:
        """Send the head of an answer that comes in parts."""

    def fail(self, answer: bytes) -> None:
        """Send an answer where none was begun; else break it off."""


class Request:
    """One request, whole, and the way to answer it: once, by `answer` or by `stream`.

    `headers` have lower-case names; of a header that was sent twice the values are joined. `target` is the
    path and query as they were sent, `path` is decoded. `client` is `address:port`. A body that is longer
    than the application takes is cut off one byte beyond that.
    """

    __slots__ = ("body", "client", "headers", "is_kept", "is_new", "line", "method", "scheme", "target")

    def __init__(
        self,
        line: Line,
        method: str,
        target: str,
        headers: dict[str, str],
        body: bytes = b"",
        client: str = "",
        scheme: str = "http",
        *,
        is_new: bool = True,
        is_kept: bool = True,
    ) -> None:
        self.line, self.method, self.target, self.headers, self.body = line, method, target, headers, body
        self.client, self.scheme = client, scheme
        # Whether the caller speaks HTTP/1.1, and whether the connection is kept for a next request.
        self.is_new, self.is_kept = is_new, is_kept

    @property
    def path(self) -> str:
        """The path, decoded."""
        path = self.target.partition("?")[0]
        return unquote(path) if "%" in path else path

    @property
    def query(self) -> str:
        """The query as it was sent, without its question mark."""
        return self.target.partition("?")[2]

    def answer(self, status: int, headers: Headers, body: bytes = b"") -> None:
        """Send the whole answer."""
        self.line.send(self.written(status, fields_of(headers), body))

    def written(self, status: int, fields: str, body: bytes = b"") -> bytes:
        """The bytes of an answer, for `line.send`; its headers as `fields_of` writes them."""
        if status in _BODYLESS:
            return self._head(status, fields, "")
        length = f"content-length: {len(body)}\r\n"
        if self.method == "HEAD":
            return self._head(status, fields, length if body else "")
        return self._head(status, fields, length) + body

    def stream(self, status: int, headers: Headers) -> Stream:
        """Begin an answer whose length is not known."""
        length = "transfer-encoding: chunked\r\n" if self.is_new else ""
        # An old caller learns by the connection's end where the answer ends.
        self.is_kept = self.is_kept and self.is_new
        return self.line.send_first(self._head(status, fields_of(headers), length), in_chunks=self.is_new)

    def say(self, status: int, sentence: str) -> None:
        """Answer with a sentence."""
        self.answer(status, _PLAIN, sentence.encode())

    def fail(self) -> None:
        """Something of ours went wrong: say so, or break an answer off that was begun."""
        self.line.fail(self.written(500, "content-type: text/plain\r\n", b"Internal error.\n"))

    def _head(self, status: int, fields: str, length: str) -> bytes:
        if self.is_kept is not self.is_new:
            fields += "connection: keep-alive\r\n" if self.is_kept else "connection: close\r\n"
        return f"{_begun(status, int(time.time()))}{fields}{length}\r\n".encode("latin-1")


def path_of(target: str) -> str:
    """The path and query of a target that may be none, as far as they can be told."""
    if not target.startswith("/"):
        target = "/" + target.partition("://")[2].partition("/")[2]
    return target


def fields_of(headers: Headers) -> str:
    """Headers as they are sent."""
    return "".join([f"{name}: {value}\r\n" for name, value in headers])


def addressed(target: str) -> tuple[str, str | None]:
    """A request's target as path and query, and the host where it names one (RFC 9112, 3.2).

    Raises:
        ValueError: nothing can be found under it.
    """
    if target.startswith("/"):
        return target.partition("#")[0], None
    if target == "*":
        return "/", None
    parts = urlsplit(target)
    if not parts.netloc or "@" in parts.netloc:
        raise ValueError(target)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else ""), parts.netloc


@lru_cache(maxsize=64)
def _begun(status: int, second: int) -> str:
    """How an answer of this second begins."""
    try:
        reason = HTTPStatus(status).phrase
    except ValueError:
        reason = ""
    return f"HTTP/1.1 {status} {reason}\r\ndate: {formatdate(second, usegmt=True)}\r\n"
