"""Talking to the front's connections over real sockets, with an application and a clock of the test's own."""

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from queue import Queue
from types import TracebackType
from typing import Any, Self

from licensing.front.bodies import Bodies
from licensing.front.connection import Connection
from licensing.front.heads import Heads
from licensing.front.http import Request

PATIENCE = 10
ROOM = 1000


@dataclass
class Answer:
    """What a caller got: `headers` with lower-case names."""

    status: int
    headers: dict[str, str]
    body: bytes


class Caller:
    """A client that sends exactly what it is told to."""

    def __init__(self, sock: socket.socket) -> None:
        sock.settimeout(PATIENCE)
        self.sock = sock
        self._file = sock.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()
        self.sock.close()

    def send(self, *parts: bytes) -> None:
        for part in parts:
            self.sock.sendall(part)

    def ask(self, head: str, body: bytes = b"", method: str = "GET") -> Answer:
        """Send a request, and read its answer."""
        self.send(asked(head) + body)
        return self.answer(method)

    def answer(self, method: str = "GET") -> Answer:
        """The next answer, as it is to be read after a request by this method."""
        first = self._line()
        headers: dict[str, str] = {}
        while line := self._line():
            name, value = line.split(": ", 1)
            assert name not in headers
            headers[name] = value
        status = int(first.split()[1])
        assert first.startswith("HTTP/1.1 ")
        has_body = method != "HEAD" and status not in (100, 204, 304)
        return Answer(status, headers, self._body(headers) if has_body else b"")

    def rest(self) -> bytes:
        """All that comes until the connection is closed."""
        return self._file.read()

    def _body(self, headers: dict[str, str]) -> bytes:
        if "content-length" in headers:
            return self._exactly(int(headers["content-length"]))
        if headers.get("transfer-encoding") != "chunked":
            return self.rest()
        body = b""
        while size := int(self._line(), 16):
            body += self._exactly(size)
            assert self._line() == ""
        assert self._line() == ""
        return body

    def _line(self) -> str:
        line = self._file.readline()
        if not line.endswith(b"\r\n"):
            raise EOFError(line)
        return line[:-2].decode("latin-1")

    def _exactly(self, size: int) -> bytes:
        body = self._file.read(size)
        if len(body) < size:
            raise EOFError(body)
        return body


@dataclass
class App:
    """Answers with what was asked; what begins with `/held` is kept for the test to answer."""

    requests: list[Request] = field(default_factory=list)
    refused: list[Request] = field(default_factory=list)
    held: "Queue[Request]" = field(default_factory=Queue)

    def handle(self, request: Request) -> None:
        self.requests.append(request)
        if request.path == "/fault":
            raise RuntimeError("a fault of ours")
        if request.path.startswith("/held"):
            self.held.put(request)
        elif len(request.body) > ROOM:
            request.answer(413, [], b"too long")
        else:
            request.answer(200, [], f"{request.method} {request.target} ".encode() + request.body)

    def refuse(self, request: Request, status: int, why: str) -> None:
        self.refused.append(request)
        if request.path == "/fault":
            raise RuntimeError("a fault of ours")
        request.say(status, why)

    def longest_body(self, target: str) -> int:
        return 30_000_000 if target.endswith("/large") else ROOM


class Server:
    """Connections on a loop in a thread of its own: a browser's may run in the test's.

    The clock stands until it is moved.
    """

    def __init__(self, context: ssl.SSLContext | None) -> None:
        self.app = App()
        self.now = 1000.0
        self.everyone: set[Connection] = set()
        self.heads, self.bodies = Heads(), Bodies()
        self.heard, self.ends = 0, 0
        self.faults: list[dict[str, Any]] = []
        self._context = context
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(lambda _, context: self.faults.append(context))
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def listen(self, family: socket.AddressFamily = socket.AF_INET) -> None:
        host = "::1" if family == socket.AF_INET6 else "127.0.0.1"
        server = self.run(
            self._loop.create_server(self._connection, host, 0, family=family, ssl=self._context)
        )
        self.address = server.sockets[0].getsockname()
        self._server = server

    def _connection(self) -> Connection:
        server = self

        class Watched(Connection):
            def data_received(self, data: bytes) -> None:
                super().data_received(data)
                server.heard += len(data)

            def eof_received(self) -> bool:
                is_answered = super().eof_received()
                server.ends += 1
                return is_answered

        scheme = "http" if self._context is None else "https"
        return Watched(self.app, lambda: self.now, self.everyone, scheme, self.heads, self.bodies)

    def call(self, receiving: int | None = None) -> Caller:
        """A new caller; how much its system takes in before it has read can be told."""
        sock = socket.socket(socket.AF_INET6 if len(self.address) == 4 else socket.AF_INET)
        if receiving is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receiving)
        sock.settimeout(PATIENCE)
        sock.connect(self.address)
        return Caller(sock)

    def run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE)

    def do(self, work: Callable[[], Any]) -> Any:
        """Do something on the loop's thread."""

        async def done() -> Any:
            return work()

        return self.run(done())

    def until(self, condition: Callable[[], Any]) -> None:
        """Wait until something holds, as the loop's thread sees it."""

        async def held() -> None:
            while not condition():
                await asyncio.sleep(0.002)

        self.run(held())

    def until_heard(self, size: int) -> None:
        self.until(lambda: self.heard >= size)

    def later(self, seconds: float) -> None:
        """Let time pass, and every connection be looked after."""
        self.now += seconds
        self.do(lambda: [connection.look_after(self.now) for connection in tuple(self.everyone)])

    def held(self) -> Request:
        """The next request that is kept for the test."""
        return self.app.held.get(timeout=PATIENCE)

    def close(self) -> None:
        async def closed() -> None:
            self._server.close()
            for connection in tuple(self.everyone):
                connection.abort()
            while self.everyone:
                await asyncio.sleep(0.002)
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        self.run(closed())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@contextmanager
def serving(
    context: ssl.SSLContext | None = None, family: socket.AddressFamily = socket.AF_INET
) -> Iterator[Server]:
    """A server for the time of a test; nothing may have escaped to its loop."""
    server = Server(context)
    server.listen(family)
    try:
        yield server
    finally:
        server.close()
    assert server.faults == []


def asked(head: str) -> bytes:
    """The head of a request from its lines; the host is added, and the version where none is named."""
    first, *fields = head.split("\n")
    version = "" if " HTTP/" in first else " HTTP/1.1"
    return "\r\n".join([first + version, "Host: portal", *fields, "", ""]).encode("latin-1")
