"""Answers that are sent in parts, and to nobody."""

import asyncio
from contextlib import suppress
from typing import Protocol

from .http import Stream


class Sender(Protocol):
    """The connection that an answer goes out on."""

    def write(self, part: bytes) -> None:
        """Send a part. Raises ConnectionError where the caller went away."""

    def sent(self) -> None:
        """The answer is whole."""

    def abort(self) -> None:
        """Break off, so that nobody takes what was sent for whole."""


class Parts:
    """An answer in parts, each in a chunk of its own where the caller knows chunks."""

    def __init__(self, sender: Sender, *, in_chunks: bool, is_mute: bool) -> None:
        self._sender, self._in_chunks = sender, in_chunks
        # Whether nothing is sent: the answer to HEAD ends with its head, any other once it was closed.
        self._is_mute, self._is_closed = is_mute, False
        # Set while the caller reads as quickly as it is sent to.
        self.room = asyncio.Event()
        self.room.set()

    async def send_bytes(self, part: bytes) -> None:
        """Send a part; waits where the caller reads more slowly than it is sent."""
        # An empty chunk would be the last.
        if part and not self._is_mute and not self._is_closed:
            self._sender.write(b"%x\r\n%b\r\n" % (len(part), part) if self._in_chunks else part)
            await self.room.wait()

    def close(self) -> None:
        """Nothing more comes."""
        if self._is_closed:
            return
        self._is_closed = True
        if self._in_chunks and not self._is_mute:
            with suppress(ConnectionError):
                self._sender.write(b"0\r\n\r\n")
        self._sender.sent()

    def abort(self) -> None:
        """Break off, so that nobody takes what was sent for whole."""
        if not self._is_closed:
            self._is_closed = True
            self._sender.abort()


class _Nobody:
    """Who was answered: what is said besides must not be taken for the answer to the next request."""

    def send(self, answer: bytes) -> None:
        """Nobody hears it."""

    def send_first(self, head: bytes, *, in_chunks: bool) -> Stream:
        """Nobody hears it."""
        raise ConnectionResetError

    def fail(self, answer: bytes) -> None:
        """Nobody hears it."""


NOBODY = _Nobody()
