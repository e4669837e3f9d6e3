"""The requests of one connection as they come in: llhttp (by httptools) parses, the rest is seen to here.

llhttp is strict about what is no HTTP. What is HTTP, but not for us, or could be read in two ways by us and
by a proxy before us, is refused here (RFC 9112, 3.2, 5 and 6).
"""

from collections import deque
from collections.abc import Callable
from functools import lru_cache

import httptools

from .bodies import SMALL, Bodies, Share
from .heads import Heads, may_follow
from .http import Line, Request, addressed
from .methods import STAND_IN, unusual_method
from .unfit import Unfit, words_of

# How much may come without one byte of a body: a head, the sizes of chunks, trailers.
LONGEST_HEAD = 64 * 1024
MOST_REPEATED = 100
# How long the head of a request may take, and a whole one with its body; the pause between two parts of one.
HEAD_SECONDS, REQUEST_SECONDS, SILENCE_SECONDS = 30.0, 600.0, 30.0
# The pause before the first request, and between two.
FIRST_SECONDS, IDLE_SECONDS = 60.0, 3600.0
# What says where a request ends, and what comes after it.
_FRAMING = ("connection", "content-length", "transfer-encoding")
_NO_ROOM = "Too much is being sent to the portal just now; try again in a moment.\n"


class Incoming:
    """The request that is being heard; `whole` are those that were, in their order."""

    _headers: dict[str, str]
    _in_body: bool
    _body: bytes | bytearray

    def __init__(
        self,
        line: Line,
        longest_body: Callable[[str], int],
        go_on: Callable[[], None],
        scheme: str,
        now: float,
        heads: Heads,
        bodies: Bodies,
    ) -> None:
        self._line, self._longest_body, self._go_on, self._scheme = line, longest_body, go_on, scheme
        self._heads, self.share = heads, Share(bodies)
        self._parser = httptools.HttpRequestParser(self)
        self.client = ""
        self.whole: deque[Request] = deque()
        self._has_asked = False
        # Whether nothing more is heard: what comes after cannot be told from the rest of what was refused.
        self.is_over = False
        # The status and sentence with which something is refused that is not broken HTTP.
        self._why: tuple[int, str] | None = None
        # When something was last heard, and when the message under way began.
        self._heard = self._began = now
        # Whether the parser stands exactly where a message may begin.
        self._is_between = True
        # How much of the message under way was heard since it began, or since its last part of a body; none
        # where there is no such message.
        self._size = 0
        self._begin()

    def feed(self, data: bytes, now: float) -> None:
        """Take what came.

        Raises:
            Unfit: it is no request, or none for us; nothing more is heard.
        """
        self._heard = now
        if not self._size:
            self._began = now
        if self._is_between:
            known = self._heads.request(data, self._line, self.client, self._scheme, self._longest_body)
            if known is not None:
                self.whole.append(known)
                self._has_asked = True
                return
        # What goes on with a message has its beginning elsewhere: its bytes tell nothing of its head or end.
        is_beginning, before = not self._size, len(self.whole)
        if is_beginning and (word := unusual_method(data)):
            self._word, data = word.decode(), STAND_IN + data[len(word) :]
        self._read(data)
        is_one = is_beginning and len(self.whole) == before + 1
        self._is_between = is_one and may_follow(data, self.whole[-1])
        if self._is_between:
            self._heads.keep(data, self.whole[-1])

    def is_too_slow(self, now: float) -> bool:
        """Whether who speaks has been silent for too long, or takes too long for one request."""
        silent = now - self._heard
        if not self._size:
            return silent > (IDLE_SECONDS if self._has_asked else FIRST_SECONDS)
        most = REQUEST_SECONDS if self._in_body else HEAD_SECONDS
        return silent > SILENCE_SECONDS or now - self._began > most

    def excuse(self, now: float) -> None:
        """Nobody listened up to now: what came meanwhile is not late."""
        self._heard = self._began = now

    def end(self) -> None:
        """The connection is gone: leave no cycle to the garbage collector."""
        self.is_over = True
        self.drop()
        self.share.give_up()
        del self._parser, self._line, self._go_on

    def drop(self) -> None:
        """What was heard and still waits is not answered."""
        for request in self.whole:
            self.share.free(request)
        self.whole.clear()

    # What the parser tells. What is raised here comes out of it as an HttpParserError.

    def on_message_begin(self) -> None:
        """The first letter of a request."""
        if not self._size:
            # It came in one piece with the request before.
            self._size, self._began = 1, self._heard

    def on_url(self, url: bytes) -> None:
        """A part of the target."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header."""
        key = _name(name)
        if self._in_body or not key:
            # After the body come trailers: they are nobody's headers.
            return
        text = value.decode("latin-1").rstrip(" \t")
        self._headers[key] = self._joined(key, text) if key in self._headers else text

    def on_headers_complete(self) -> None:
        """The head is whole."""
        if self._in_body:
            # It was before: see `_speak_on`.
            return
        self._in_body = True
        headers, version = self._headers, self._parser.get_http_version()
        self._method, self._is_new = self._word or self._parser.get_method().decode(), version == "1.1"
        if not self._is_new and version != "1.0":
            self._refuse(505, "Only HTTP/1.1 and HTTP/1.0 are spoken here.\n")
        if self._method == "CONNECT":
            self._refuse(501, "This is no proxy.\n")
        self._target, host = addressed(self._url.decode("latin-1"))
        if host is not None:
            headers["host"] = host
        elif self._is_new and "host" not in headers:
            self._refuse(400, "The request names no host.\n")
        if "transfer-encoding" in headers:
            self._check_coding(headers["transfer-encoding"])
        if "expect" in headers:
            self._expect(headers["expect"])

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        if not self._body:
            self._room = self._longest_body(self._target)
            self._body = body
        elif isinstance(self._body, bytearray):
            self._body += body
        else:
            # Most bodies come in one part. Thousands of small ones would be copied thousands of times.
            self._body = bytearray(self._body)
            self._body += body
        self._size = 1
        size = len(self._body)
        if size > self._room:
            self._cut_off()
        if size > SMALL and not self.share.take(size):
            self._refuse(503, _NO_ROOM)

    def on_message_complete(self) -> None:
        """The request is whole."""
        if not self._parser.should_upgrade():
            self._complete(is_kept=self._parser.should_keep_alive())

    # Its own.

    def _begin(self) -> None:
        self._word, self._url = "", b""
        self._headers = {}
        self._in_body = False
        self._body = b""
        self._repeated = 0

    def _read(self, data: bytes) -> None:
        try:
            for at in range(0, len(data), LONGEST_HEAD):
                self._parse(data[at : at + LONGEST_HEAD])
        except httptools.HttpParserError as error:
            if not self.is_over:
                self.is_over = True
                self._body = b""
                self.share.give_up()
                why = self._why or (400, "This is not an HTTP request.\n")
                method, target = words_of(self._parser, self._url, data[:LONGEST_HEAD], error)
                heard = Request(self._line, method, target, self._headers, client=self.client, is_kept=False)
                raise Unfit(heard, *why) from None

    def _parse(self, data: bytes) -> None:
        self._size += len(data)
        while data:
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                self._speak_on()
                data = data[upgrade.args[0] :]
            else:
                break
        if self._size > LONGEST_HEAD:
            self._refuse(431, "The head of the request is too long.\n")

    def _speak_on(self) -> None:
        """Go on in HTTP/1.1, where somebody would rather speak another protocol.

        The parser leaves the body, if there is one, to that other protocol: a new parser is told the same
        head without such a wish.
        """
        method, version = self._parser.get_method().decode(), "1.1" if self._is_new else "1.0"
        fields = [f"{name}: {self._headers[name]}\r\n" for name in _FRAMING if name in self._headers]
        self._parser = httptools.HttpRequestParser(self)
        self._parser.feed_data(f"{method} / HTTP/{version}\r\n{''.join(fields)}\r\n".encode("latin-1"))

    def _joined(self, key: str, text: str) -> str:
        self._repeated += 1
        if key == "host":
            self._refuse(400, "The request names more than one host.\n")
        if self._repeated > MOST_REPEATED:
            # Each is joined to all before it: thousands would take seconds.
            self._refuse(431, "Too many headers are repeated.\n")
        return f"{self._headers[key]}{'; ' if key == 'cookie' else ', '}{text}"

    def _check_coding(self, coding: str) -> None:
        if not self._is_new:
            self._refuse(400, "HTTP/1.0 knows no chunks.\n")
        if "," in coding:
            self._refuse(501, "A body may be sent in chunks, but not compressed.\n")

    def _expect(self, expectation: str) -> None:
        if not self._is_new or expectation.lower() != "100-continue":
            return
        self._room = self._longest_body(self._target)
        size = int(self._headers.get("content-length", "0"))
        # What is not taken nobody need send.
        if size > self._room:
            self._cut_off()
        if not self.share.has_room(size):
            self._refuse(503, _NO_ROOM)
        self._go_on()

    def _cut_off(self) -> None:
        """Take the request as it is, longer than allowed, and hear nothing more."""
        self._body = bytes(self._room + 1)
        self._complete(is_kept=False)
        self.is_over = True
        raise httptools.HttpParserError

    def _refuse(self, status: int, why: str) -> None:
        self._why = status, why
        raise httptools.HttpParserError

    def _complete(self, *, is_kept: bool) -> None:
        self.whole.append(
            Request(
                self._line,
                self._method,
                self._target,
                self._headers,
                bytes(self._body),
                self.client,
                self._scheme,
                is_new=self._is_new,
                is_kept=is_kept,
            )
        )
        self.share.hold(self.whole[-1])
        self._size, self._has_asked = 0, True
        self._begin()


@lru_cache(maxsize=512)
def _name(name: bytes) -> str:
    """A header's name; none for one that the pages could not tell from another (WSGI makes `-` a `_`)."""
    return "" if b"_" in name else name.decode("latin-1").lower()
