"""What is bounded, and how the authority says that it is busy."""

import contextlib
import dataclasses
import socket
import sqlite3
import time
from pathlib import Path

import pytest

from authority import server
from authority.contact import MOST_AT_ONCE, Replayed, TooManyAtOnce
from authority.exchange import Request, Response
from authority.store import Store, StoreBusy
from licensing.protocol import BadSignature, MalformedMessage
from tests.authority.material import NOW, Installation, Vendor, bind
from tests.authority_process import RunningAuthority, running_authority


@pytest.mark.parametrize(
    ("error", "status", "code", "retry_after"),
    [
        (BadSignature("x"), 401, "bad_signature", None),
        (MalformedMessage("x"), 400, "malformed", None),
        (Replayed(), 409, "replayed", None),
        (TooManyAtOnce(), 429, "too_many_requests", "5"),
        (StoreBusy(), 503, "busy", "5"),
        (RuntimeError("secret"), 500, "internal_error", None),
    ],
)
def test_each_error_has_its_status_and_code(
    vendor: Vendor, error: Exception, status: int, code: str, retry_after: str | None
) -> None:
    def fail(request: Request) -> Response:
        raise error

    application = dataclasses.replace(vendor.application, _routes={"/x": {"GET": fail}})
    response = application.handle(Request("GET", "/x", {}, b"", from_loopback=True))
    assert (response.status, response.headers.get("Retry-After")) == (status, retry_after)
    assert f'"code": "{code}"'.encode() in response.body
    assert b"secret" not in response.body


def test_one_installation_cannot_hold_more_than_its_places(vendor: Vendor, portal: Installation) -> None:
    contact = vendor.application.contact
    with contextlib.ExitStack() as places:
        for _ in range(MOST_AT_ONCE):
            places.enter_context(contact.place(portal.key.id))
        with pytest.raises(TooManyAtOnce):
            vendor.contact(portal, bind())
        assert vendor.outcome(vendor.installation(), bind(pin="9999")) == "wrong_credentials"
    assert vendor.outcome(portal, bind()) == "granted"


def test_beyond_the_limit_a_connection_is_told_to_come_again(
    authority: RunningAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "MOST_CONNECTIONS", 3)
    assert authority.request("GET", "/_control/state").status_code == 200
    host, port = authority.url.removeprefix("http://").split(":")
    with contextlib.ExitStack() as idle:
        for _ in range(2):
            idle.enter_context(socket.create_connection((host, int(port))))
        with socket.create_connection((host, int(port)), timeout=5) as turned_away:
            told = b"".join(iter(lambda: turned_away.recv(4096), b""))
    assert told.startswith(b"HTTP/1.1 503 ")
    assert b"Retry-After: 5" in told
    assert b'"code": "busy"' in told


def test_a_file_that_is_locked_for_too_long_is_busy_and_free_again_afterwards(tmp_path: Path) -> None:
    store = Store(tmp_path / "a.sqlite3", patience=0.05)
    other = sqlite3.connect(tmp_path / "a.sqlite3", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreBusy), store.transaction():
        pass
    other.execute("ROLLBACK")
    other.close()
    with store.transaction() as tx, pytest.raises(StoreBusy), store.transaction():
        assert tx is None
    with store.transaction():
        pass
    store.close()


def test_a_transaction_that_fails_leaves_nothing_behind(vendor: Vendor, portal: Installation) -> None:
    def break_off() -> None:
        with vendor.application.store.transaction() as tx:
            tx.execute("DELETE FROM virtual_key")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        break_off()
    assert vendor.outcome(portal, bind(), now=NOW) == "granted"


def test_control_is_for_this_computer_alone(vendor: Vendor, tmp_path: Path) -> None:
    headers = {"Host": "127.0.0.1:9400"}
    near, far = (
        vendor.application.handle(Request("GET", "/_control/state", headers, b"", from_loopback=loopback))
        for loopback in (True, False)
    )
    assert (near.status, far.status) == (200, 403)


def test_a_stop_takes_only_a_moment_with_idle_connections(tmp_path: Path) -> None:
    with running_authority(tmp_path) as authority:
        host, port = authority.url.removeprefix("http://").split(":")
        idle = [socket.create_connection((host, int(port)), timeout=5) for _ in range(20)]
        started = time.monotonic()
    assert time.monotonic() - started < 1.5
    for connection in idle:
        connection.close()
