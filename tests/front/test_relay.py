"""Pages that are away: what the front says instead, in the reader's language, without the database."""

import asyncio
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from licensing.front import away
from licensing.front.http import Request
from licensing.front.relay import Relay, address_of
from licensing.serving.ports import free_port
from tests.api.calling import Line

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
PLAIN = b"The pages are being started; try again in a moment.\n"
POLISH, ENGLISH = "Strony portalu są właśnie uruchamiane", "The pages of the portal are being started"
Ask = Callable[..., tuple[int, dict[str, str], str]]


class _Pages(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"pages")

    def log_message(self, *args: Any) -> None:
        """Nobody reads it."""


@pytest.fixture
def port() -> int:
    """Nothing listens there."""
    return free_port()


@pytest.fixture
def ask(port: int) -> Iterator[Ask]:
    """Asks a relay whose pages are to be found at the port."""
    relay = Relay(port, "secret", patience=1)

    def carry(path: str = "/leases", method: str = "GET", **headers: str) -> tuple[int, dict[str, str], str]:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        line = Line()
        asyncio.run(relay.carry(Request(line, method, path, given, client="127.0.0.1:50000")))
        reply = line.reply.result(0)
        # What the server adds to every answer is none of the relay's business.
        own = {n: v for n, v in reply.headers.items() if n not in ("date", "content-length")}
        return reply.status, own, reply.body.decode()

    yield carry
    relay.close()


@pytest.mark.parametrize(
    ("headers", "language", "title"),
    [
        ({"accept_language": "en-GB"}, "en", ENGLISH),
        ({"accept_language": "pl"}, "pl", POLISH),
        ({"accept_language": "de"}, "pl", POLISH),
        ({"accept_language": "pl", "cookie": "a=b; django_language=en"}, "en", ENGLISH),
    ],
)
def test_a_browser_is_told_in_the_portals_face_and_in_its_language(
    headers: dict[str, str], language: str, title: str, ask: Ask
) -> None:
    status, found, page = ask(accept=BROWSER, **headers)
    assert (status, found["retry-after"], found["content-language"]) == (503, "2", language)
    assert found["content-type"] == "text/html; charset=utf-8"
    assert f'<html lang="{language}">' in page
    assert title in page
    assert 'href=""' in page


def test_the_page_is_kept_nowhere_and_as_strict_as_any_other(ask: Ask) -> None:
    _, found, page = ask(accept=BROWSER)
    assert "default-src 'none'" in found["content-security-policy"]
    assert "unsafe" not in found["content-security-policy"]
    assert found["x-content-type-options"] == "nosniff"
    assert (found["cache-control"], found["x-frame-options"]) == ("no-store", "DENY")
    assert "style=" not in page


def test_who_sent_a_form_is_led_to_the_modules(ask: Ask) -> None:
    status, _, page = ask(method="POST", accept=BROWSER)
    assert status == 503
    assert ('href=""' in page, 'class="btn btn-primary" href="/"' in page) == (False, True)


@pytest.mark.parametrize("headers", [{}, {"accept": "*/*"}, {"accept": "application/json"}])
def test_a_program_is_told_in_one_line(headers: dict[str, str], ask: Ask) -> None:
    status, found, line = ask(**headers)
    assert (status, found["retry-after"], line.encode()) == (503, "2", PLAIN)
    assert found["content-type"] == "text/plain; charset=utf-8"


def test_the_line_remains_where_the_page_cannot_be_made(
    ask: Ask, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": []}]
    status, found, line = ask(accept=BROWSER)
    assert (status, found["retry-after"], line.encode()) == (503, "2", PLAIN)
    assert "cannot be made" in caplog.text


def test_the_sheet_of_the_page_is_there_too(ask: Ask, settings: Any, tmp_path: Path) -> None:
    (tmp_path / "pages.css").write_text("body {}")
    settings.STATIC_ROOT = tmp_path
    away._files.cache_clear()
    try:
        status, found, sheet = ask("/static/pages.css", accept="text/css,*/*;q=0.1")
        assert (status, sheet, found["x-content-type-options"]) == (200, "body {}", "nosniff")
        assert found["content-type"].startswith("text/css")
        assert ask("/static/pages.css", if_modified_since=found["last-modified"])[0] == 304
        assert ask("/static/../keymanager.key")[0] == 503
    finally:
        away._files.cache_clear()


def test_pages_that_are_back_are_shown_at_once(ask: Ask, port: int) -> None:
    assert ask()[0] == 503
    with HTTPServer(("127.0.0.1", port), _Pages) as pages:
        Thread(target=pages.serve_forever, args=(0.01,), daemon=True).start()
        try:
            assert ask() == (200, {}, "pages")
        finally:
            pages.shutdown()


@pytest.mark.parametrize(
    ("client", "address"),
    [
        ("10.0.0.5:50000", "10.0.0.5"),
        ("[::ffff:10.0.0.5]:50000", "10.0.0.5"),
        ("[::1]:50000", "::1"),
        ("[fe80::ffff:5]:50000", "fe80::ffff:5"),
    ],
)
def test_a_caller_by_ipv4_has_its_own_address_however_the_port_listens(client: str, address: str) -> None:
    assert address_of(client) == address
