"""Calling the lease API in a test: through Django's middleware, and through the lean front."""

import asyncio
import json
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

from django.db import connections
from django.test import Client

from licensing.front.http import Request, Stream

from . import described


@dataclass
class Reply:
    """An answer: `headers` with lower-case names."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The code of a refusal, which must have the contract's form."""
        assert self.headers["content-type"] == "application/problem+json"
        problem = self.json
        assert problem["status"] == self.status
        assert problem["type"] == f"/problems/{problem['code']}"
        assert problem["title"]
        assert problem["detail"]
        return str(problem["code"])


class Way(Protocol):
    """One way in."""

    def send(self, method: str, path: str, headers: dict[str, str], body: bytes, address: str) -> Reply: ...


class DjangoWay:
    """As the pages' process serves it."""

    def send(self, method: str, path: str, headers: dict[str, str], body: bytes, address: str) -> Reply:
        meta = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()}
        content_type = meta.pop("HTTP_CONTENT_TYPE", "")
        host = meta.pop("HTTP_HOST", "127.0.0.1")
        if content_type:
            meta["CONTENT_TYPE"] = content_type  # Django's client leaves it out where the body is empty
        response = Client(SERVER_NAME=host).generic(
            method, path, body, content_type=content_type, REMOTE_ADDR=address, **meta
        )
        return Reply(response.status_code, {k.lower(): v for k, v in response.items()}, response.content)


class Line:
    """Where a request came from: keeps the one answer."""

    def __init__(self) -> None:
        self.reply: Future[Reply] = Future()

    def send(self, answer: bytes) -> None:
        head, _, body = answer.partition(b"\r\n\r\n")
        first, *fields = head.decode("latin-1").split("\r\n")
        headers = dict(field.split(": ", 1) for field in fields)
        self.reply.set_result(Reply(int(first.split()[1]), headers, body))

    def fail(self, answer: bytes) -> None:
        self.send(answer)

    def send_first(self, head: bytes, *, in_chunks: bool) -> Stream:
        raise AssertionError("no answer here is long enough to be sent in parts")


class FrontWay:
    """As the front serves it: the same object that its server calls, on a loop and a thread of its own.

    In the thread of the tests a browser's loop may be running.
    """

    def __init__(self) -> None:
        self.alone = ThreadPoolExecutor(1)
        self.alone.submit(self._begin).result()

    def _begin(self) -> None:
        from licensing.front.application import Front

        self.loop = asyncio.new_event_loop()
        self.front = Front()
        self.front.start(self.loop)

    def close(self) -> None:
        # A process that ends takes its connections along; a thread that ends keeps its place in the pool.
        self.front._engine._group._threads.submit(connections.close_all).result()
        self.alone.submit(self._end).result()
        self.alone.shutdown()

    def _end(self) -> None:
        self.front.stop()
        self.loop.close()
        connections.close_all()

    def send(self, method: str, path: str, headers: dict[str, str], body: bytes, address: str) -> Reply:
        given = {"host": "127.0.0.1", "content-length": str(len(body)), **headers}
        line = Line()
        request = Request(
            line,
            method,
            path,
            {name.lower(): value for name, value in given.items()},
            # As the server cuts off what is too long.
            body[: self.front.longest_body(path) + 1],
            f"{address}:50000",
        )
        self.alone.submit(self._answer, request, line).result()
        return line.reply.result(0)

    def _answer(self, request: Request, line: Line) -> None:
        self.front.handle(request)
        self.loop.run_until_complete(asyncio.wait_for(asyncio.wrap_future(line.reply, loop=self.loop), 20))


@dataclass
class Api:
    """The API as one ERP client calls it."""

    way: Way
    token: str = ""
    address: str = "127.0.0.1"

    def call(self, method: str, path: str, body: object = None, /, **headers: str) -> Reply:
        """Call a path below /api/v1; headers are named with `_` for `-`; a body but bytes goes as JSON."""
        sent = {"authorization": f"Bearer {self.token}"} if self.token else {}
        if body is not None:
            sent["content-type"] = "application/json"
        sent |= {name.lower().replace("_", "-"): value for name, value in headers.items()}
        sent = {name: value for name, value in sent.items() if value}
        raw = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        full = (
            path
            if path.startswith(("/api", "/livez", "/readyz", "/problems", "/metrics"))
            else f"/api/v1{path}"
        )
        reply = self.way.send(method, full, sent, raw, self.address)
        described.check(method, full, reply.status, reply.headers, reply.body)
        return reply

    def checkout(self, *modules: str, **changes: object) -> Reply:
        """Check out modules with the body of the contract's example."""
        headers = {name: str(changes.pop(name)) for name in ("Idempotency_Key",) if name in changes}
        return self.call("POST", "/leases", checkout_body(*modules, **changes), **headers)


def checkout_body(*modules: str, **changes: object) -> dict[str, object]:
    """The body of a checkout; a change to None leaves the member out."""
    body: dict[str, object] = {
        "modules": list(modules or ("HANDEL",)),
        "workstation": "PC-017",
        "user": "anna.nowak",
        "program": {"name": "ERP Optima", "version": "2026.5.1", "built_on": "2026-09-01"},
    }
    return {name: value for name, value in (body | changes).items() if value is not None}
