"""A request as it came in and the response to it, as plain values between the server and its routes."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Event
from typing import Protocol

from licensing.protocol import MalformedMessage
from licensing.protocol.encoding import parse_object


class Wire(Protocol):
    """The connection, for those deliveries that spoil an answer on purpose."""

    stopping: Event

    def write_head(self, response: "Response", length: int | None) -> None:
        """Status line and headers; `length` None announces a body that ends with the connection."""

    def write(self, data: bytes) -> None:
        """Bytes as they are."""

    def is_gone(self) -> bool:
        """Whether the other side has closed."""

    def drop(self) -> None:
        """Ends the connection at once, whatever was announced."""


Deliver = Callable[[Wire, "Response"], None]


def deliver_whole(wire: Wire, response: "Response") -> None:
    """The response as it should be."""
    wire.write_head(response, len(response.body))
    wire.write(response.body)


@dataclass(frozen=True, slots=True)
class Request:
    """One request whose body was read whole."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    from_loopback: bool

    def text(self) -> str:
        """The body as text. Raises MalformedMessage."""
        try:
            return self.body.decode("utf-8").strip()
        except UnicodeDecodeError:
            raise MalformedMessage("the body is not UTF-8") from None

    def members(self) -> dict[str, object]:
        """The body as a JSON object. Raises MalformedMessage."""
        return parse_object(self.body)


@dataclass(frozen=True, slots=True)
class Response:
    """One response; `deliver` puts it on the wire."""

    status: int
    content_type: str
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)
    deliver: Deliver = deliver_whole


Route = Callable[[Request], Response]


def json_response(members: Mapping[str, object]) -> Response:
    """200 with a JSON object."""
    return Response(200, "application/json", json.dumps(members).encode())


class Problem(Exception):
    """An error answer (RFC 9457): status, `code`, a sentence, and what else the code adds."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = headers or {}
        self.more = more or {}

    def response(self) -> Response:
        """The problem document."""
        members = {
            "type": f"/problems/{self.code}",
            "title": self.code.replace("_", " ").capitalize(),
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
        }
        body = json.dumps(members | dict(self.more), ensure_ascii=False).encode()
        return Response(self.status, "application/problem+json", body, self.headers)


def retry_after(seconds: int) -> dict[str, str]:
    """The header that asks to come again later."""
    return {"Retry-After": str(seconds)}
