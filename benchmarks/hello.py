"""The limit: what the same server answers when the application does nothing."""

from typing import Any

_HEADERS = [("content-type", "application/json")]


async def application(scope: Any, proto: Any) -> None:
    """An RSGI application that says hello."""
    proto.response_bytes(200, _HEADERS, b'{"hello": "world"}')
