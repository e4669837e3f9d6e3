"""A kept HTTP/1.1 connection: one request after another is answered, in their order.

Why not the server that serves the pages: it hands every request from its own threads to the loop's and back,
which cost a lease call more than the lease itself did (docs/decisions.md).
"""

import asyncio
import logging
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol, cast

from .bodies import Bodies
from .heads import Heads
from .http import Request, Stream
from .incoming import Incoming
from .parts import NOBODY, Parts
from .unfit import Unfit

logger = logging.getLogger(__name__)
# How long whoever was cut off may go on sending, so that the answer is not lost with the connection.
LINGER_SECONDS = 5.0
# How long an answer may wait for a caller that does not read it.
STALLED_SECONDS = 60.0
# So many requests of one caller that came together are answered before others have their turn.
MOST_IN_A_TURN = 64
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
# SO_LINGER, for no time at all: the caller is told by a reset that the connection broke.
_BY_RESET = struct.pack("ii", 1, 0)


class Application(Protocol):
    """Who answers."""

    def handle(self, request: Request) -> None:
        """Answer a request, now or later; must not raise."""

    def longest_body(self, target: str) -> int:
        """How many bytes a request to this target may have."""

    def refuse(self, request: Request, status: int, why: str) -> None:
        """Answer what is not fit to be handled, of which `request` is as much as could be read.

        With this status and sentence, or as callers of that target would have it; must not raise.
        """


class Connection(asyncio.Protocol):
    """One connection. It is asked in intervals whether it has come to its end (`look_after`)."""

    def __init__(
        self,
        application: Application,
        clock: Callable[[], float],
        everyone: "set[Connection]",
        scheme: str,
        heads: Heads,
        bodies: Bodies,
    ) -> None:
        self._application, self._clock, self._everyone, self._scheme = application, clock, everyone, scheme
        self._incoming = Incoming(self, application.longest_body, self._go_on, scheme, clock(), heads, bodies)
        self._waiting, self._share = self._incoming.whole, self._incoming.share
        self._transport: asyncio.Transport | None = None
        self._current: Request | None = None
        self._stream: Parts | None = None
        self._is_serving = False
        # Whether no further request is heard, and when what remains must be over.
        self._is_ending = False
        self._deadline: float | None = None
        self._is_paused = False
        self._clogged_at: float | None = None

    # What the loop tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The caller is there."""
        self._transport = cast(asyncio.Transport, transport)
        host, port, *_ = transport.get_extra_info("peername") or ("", 0)
        self._incoming.client = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._everyone.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """The caller is gone; what is under way goes on, and its answer is thrown away."""
        self._transport = None
        self._incoming.end()
        self._everyone.discard(self)
        if self._stream is not None:
            self._stream.room.set()

    def eof_received(self) -> bool:
        """The caller says nothing more; whether it is still to be answered."""
        self._is_ending = True
        # With TLS the loop closes in any case.
        is_answered = self.is_busy and self._scheme == "http"
        if not is_answered:
            self._close()
        return is_answered

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        if self._incoming.is_over:
            return
        try:
            self._incoming.feed(data, self._clock())
        except Unfit as unfit:
            self._refuse(unfit)
        self._serve()

    def pause_writing(self) -> None:
        """The caller reads too slowly: read no more of it, either."""
        self._clogged_at = self._clock()
        if self._stream is not None:
            self._stream.room.clear()
        self._hear_no_more()

    def resume_writing(self) -> None:
        """The caller has read."""
        self._clogged_at = None
        if self._stream is not None:
            self._stream.room.set()
        self._serve()
        self._hear_on()

    # What the application does with a request.

    def send(self, answer: bytes) -> None:
        """The whole answer to the request under way."""
        if self._transport is not None:
            self._transport.write(answer)
        self.sent()

    def send_first(self, head: bytes, *, in_chunks: bool) -> Stream:
        """The head of an answer that comes in parts."""
        is_head = self._current is not None and self._current.method == "HEAD"
        self._stream = Parts(self, in_chunks=in_chunks, is_mute=is_head)
        if self._current is not None:
            self._share.free(self._current)
        if self._transport is not None:
            self._transport.write(head)
        return self._stream

    def write(self, part: bytes) -> None:
        """A part of an answer.

        Raises:
            ConnectionError: the caller went away.
        """
        if self._transport is None:
            raise ConnectionResetError
        self._transport.write(part)

    def sent(self) -> None:
        """The answer to the request under way was sent."""
        request, self._current, self._stream = self._current, None, None
        if request is None:
            return
        request.line = NOBODY
        if self._share.held:
            self._share.free(request)
        if self._transport is None:
            return
        if not request.is_kept:
            self._incoming.drop()
        if self._waiting:
            self._serve()
        elif self._incoming.is_over:
            self._linger()
        elif self._is_ending or not request.is_kept:
            self._close()
        else:
            self._hear_on()

    def fail(self, answer: bytes) -> None:
        """Send an answer where none was begun; else break it off."""
        if self._stream is not None:
            self.abort()
        else:
            self.send(answer)

    def abort(self) -> None:
        """Break an answer off, so that nobody takes it for whole."""
        if self._transport is not None:
            # With TLS it may be gone already, and the news of it still on its way.
            sock = self._transport.get_extra_info("socket")
            if sock is not None:
                with suppress(OSError):
                    # An orderly end would be the end of an answer to HTTP/1.0.
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _BY_RESET)
            self._transport.abort()

    # What the server asks.

    @property
    def is_busy(self) -> bool:
        """Whether a request is being answered, or is still to be."""
        return self._current is not None or bool(self._waiting)

    def end_soon(self) -> None:
        """Answer what was heard, and nothing more."""
        self._is_ending = True
        if not self.is_busy:
            self._close()
        elif self._waiting:
            self._waiting[-1].is_kept = False
        elif self._current is not None:
            self._current.is_kept = False

    def look_after(self, now: float) -> None:
        """End the connection where its caller takes too long."""
        if self._transport is None:
            return
        if self._clogged_at is not None and now - self._clogged_at > STALLED_SECONDS:
            self.abort()
        elif self._deadline is not None:
            if now <= self._deadline:
                return
            if self._transport.is_closing():
                # Closed for long, and still not all was read.
                self.abort()
            else:
                self._close()
        elif not self.is_busy and self._incoming.is_too_slow(now):
            self._close()

    # Its own.

    def _serve(self) -> None:
        """Hand on what waits, one after another: answers go out in the order of their requests."""
        if self._is_serving:
            return
        self._is_serving = True
        served = 0
        while self._waiting and self._current is None and self._clogged_at is None:
            if served == MOST_IN_A_TURN:
                asyncio.get_running_loop().call_soon(self._serve)
                break
            served += 1
            self._current = request = self._waiting.popleft()
            try:
                self._application.handle(request)
            except Exception:
                logger.exception("%s %s failed", request.method, request.path)
                request.fail()
        self._is_serving = False
        if self._waiting:
            self._hear_no_more()

    def _go_on(self) -> None:
        """Tell who waits for it that the body may come, where that is not taken for another answer."""
        if self._transport is not None and not self.is_busy:
            self._transport.write(_CONTINUE)

    def _refuse(self, unfit: Unfit) -> None:
        """Say what was wrong, where that cannot be taken for the answer to an earlier request."""
        if not self.is_busy:
            self._current = request = unfit.request
            try:
                self._application.refuse(request, unfit.status, unfit.why)
            except Exception:
                logger.exception("%s %s could not be refused", request.method, request.path)
                request.fail()

    def _hear_no_more(self) -> None:
        if self._transport is not None and not self._is_paused:
            self._is_paused = True
            self._transport.pause_reading()

    def _hear_on(self) -> None:
        if self._is_paused and not self._waiting and self._clogged_at is None and self._transport is not None:
            self._is_paused = False
            self._incoming.excuse(self._clock())
            self._transport.resume_reading()

    def _linger(self) -> None:
        """Close in a while: at once, what still comes would be answered by a reset, and the answer lost."""
        self._deadline = self._clock() + LINGER_SECONDS
        self._hear_on()
        if self._transport is not None and self._transport.can_write_eof():
            self._transport.write_eof()

    def _close(self) -> None:
        """Close as soon as all was sent."""
        # Of asyncio's transports for TLS a second call would make one that cannot even be aborted.
        if self._transport is not None and not self._transport.is_closing():
            self._deadline = self._clock() + STALLED_SECONDS
            self._transport.close()
