"""The kept connections to the pages: an answer goes to whoever asked for it, whole or not."""

import asyncio
import re
import select
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import quote

import pytest
from django.conf import settings
from django.urls import reverse

from licensing.front.http import Request, Stream
from licensing.front.relay import CHUNK, MAX_BODY, MAX_FORM, UPLOADS, Relay, longest_body
from licensing.web.settings_forms import ProxyForm
from tests.portal_process import ROOT

SMALL = b"small"


class _Pages(BaseHTTPRequestHandler):
    """Serves `/large` in two parts, the second of them once the caller sends more, or goes."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/large":
            self._begin(2 * CHUNK)
            self.wfile.write(bytes(CHUNK))
            select.select([self.connection], [], [])
            self.wfile.write(bytes(CHUNK))
        elif self.path == "/cut":
            self._begin(2 * CHUNK)
            self.wfile.write(bytes(CHUNK + 1))
            self.close_connection = True
        elif self.path == "/chunks":
            self._begin(None)
            for part in (bytes(CHUNK), bytes(CHUNK), b""):
                self.wfile.write(b"%x\r\n%b\r\n" % (len(part), part))
        else:
            self._begin(len(SMALL))
            self.wfile.write(SMALL if self.command != "HEAD" else b"")

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def do_HEAD(self) -> None:
        self.do_GET()

    def _begin(self, length: int | None) -> None:
        self.server.came.append((self.client_address, self.path))  # type: ignore[attr-defined]
        self.send_response(200)
        if length is None:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(length))
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        """Nobody reads it."""


class _Server(ThreadingHTTPServer):
    """Keeps who asked for what: an address is a connection."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Pages)
        self.came: list[tuple[Any, str]] = []

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Who went is gone."""

    def connections(self) -> int:
        return len({address for address, _ in self.came})


class _Line:
    """A caller that reads everything, or is gone as soon as an answer comes in parts."""

    def __init__(self, *, is_there: bool) -> None:
        self._is_there = is_there
        self.body, self.end = b"", ""

    def send(self, answer: bytes) -> None:
        self.body = answer.partition(b"\r\n\r\n")[2]

    def fail(self, answer: bytes) -> None:
        raise AssertionError(answer)

    def send_first(self, head: bytes, *, in_chunks: bool) -> Stream:
        return self

    async def send_bytes(self, part: bytes) -> None:
        if not self._is_there:
            raise ConnectionResetError
        self.body += part

    def close(self) -> None:
        self.end = "closed"

    def abort(self) -> None:
        self.end = "aborted"


@pytest.fixture
def pages() -> Iterator[_Server]:
    with _Server() as running:
        Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
        yield running
        running.shutdown()


@pytest.fixture
def relay(pages: _Server) -> Iterator[Relay]:
    made = Relay(pages.server_port, "secret", patience=1)
    yield made
    made.close()


def carried(
    relay: Relay, path: str, method: str = "GET", *, body: bytes = b"", is_there: bool = True
) -> _Line:
    line = _Line(is_there=is_there)
    asyncio.run(relay.carry(Request(line, method, path, {}, body, client="127.0.0.1:50000")))
    return line


def test_pages_that_take_files_have_room_for_them_and_others_for_their_forms() -> None:
    names = {
        name
        for page in (ROOT / "templates").rglob("*.html")
        for form in re.findall(r"<form[^>]*multipart[^>]*>", re.sub(r"{%|%}", "", page.read_text()))
        for name in re.findall(r"url '(\w+)'", form)
    }
    assert {reverse(name) for name in names} == UPLOADS
    for upload in UPLOADS:
        assert longest_body(f"{upload}?a") == MAX_BODY > settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    certificate = quote("\n" * ProxyForm.base_fields["company_ca"].max_length)
    assert len(certificate) < longest_body("/configuration") < longest_body(next(iter(UPLOADS)))


@pytest.mark.parametrize(("path", "most"), [("/", MAX_FORM), (min(UPLOADS), MAX_BODY)])
def test_what_is_longer_than_its_page_takes_is_not_carried(
    pages: _Server, relay: Relay, path: str, most: int
) -> None:
    assert carried(relay, path, "POST", body=bytes(most)).body == SMALL
    assert carried(relay, path, "POST", body=bytes(most + 1)).body == b"The body is too large.\n"
    assert len(pages.came) == 1


def test_the_rest_of_an_answer_whose_caller_went_is_not_the_next_answer(pages: _Server, relay: Relay) -> None:
    assert carried(relay, "/large", is_there=False).end == "aborted"
    for _ in range(2):
        assert carried(relay, "/").body == SMALL
    assert [path for _, path in pages.came] == ["/large", "/", "/"]


def test_an_answer_that_the_pages_break_off_is_broken_off_and_the_next_is_whole(relay: Relay) -> None:
    assert carried(relay, "/cut").end == "aborted"
    assert carried(relay, "/").body == SMALL


def test_whatever_goes_wrong_with_an_answer_its_rest_is_not_the_next(
    relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fault(line: _Line, part: bytes) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr(_Line, "send_bytes", fault)
        with pytest.raises(ZeroDivisionError):
            carried(relay, "/large")
    assert carried(relay, "/").body == SMALL


def test_a_connection_whose_answers_were_read_is_kept(pages: _Server, relay: Relay) -> None:
    for path, method in (("/", "GET"), ("/chunks", "GET"), ("/", "HEAD"), ("/chunks", "GET"), ("/", "GET")):
        line = carried(relay, path, method)
        assert len(line.body) == {"/": len(SMALL), "/chunks": 2 * CHUNK}[path] * (method == "GET")
    assert pages.connections() == 1
