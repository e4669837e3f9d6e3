"""The limits: what a server answers when the application does nothing.

`application` is for granian; `python -m benchmarks.hello PORT` serves the same by the front's own server.
"""

import asyncio
import sys
from typing import Any

from licensing.front.http import Request
from licensing.front.server import serve

_HEADERS = [("content-type", "application/json")]
_BODY = b'{"hello": "world"}'


async def application(scope: Any, proto: Any) -> None:
    """An RSGI application that says hello."""
    proto.response_bytes(200, _HEADERS, _BODY)


class Hello:
    """An application of the front's server that says hello."""

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Nothing to begin."""

    def stop(self) -> None:
        """Nothing to end."""

    def longest_body(self, target: str) -> int:
        """No body is expected."""
        return 0

    def refuse(self, request: Request, status: int, why: str) -> None:
        """Say why not."""
        request.say(status, why)

    def handle(self, request: Request) -> None:
        """Say hello."""
        request.answer(200, _HEADERS, _BODY)


if __name__ == "__main__":
    serve(Hello(), "127.0.0.1", int(sys.argv[1]), None, None)
