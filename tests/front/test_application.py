"""The application behind the port while others ask for more than it can read."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from threading import Event
from typing import Any

import pytest

from licensing.api.exchange import Answer
from licensing.front import application, callers, watch
from licensing.front.application import READERS
from licensing.front.http import Request
from licensing.front.readers import MOST_WAITING
from licensing.models import ErpClient
from licensing.operations.actors import COMMAND
from licensing.operations.clients import add_erp_client, disable_erp_client
from tests.api.calling import FrontWay, Line, Reply
from tests.factories import NOW, Portal
from tests.front.talking import PATIENCE

pytestmark = pytest.mark.django_db(transaction=True)
LEASE = "/api/v1/leases/3859859b-207e-4b96-bc72-7df4b589c5e3"
ADDRESS = "127.0.0.1"


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Event]:
    """What is read waits for it."""
    opened = Event()

    def waiting(_call: Any) -> Answer:
        opened.wait(PATIENCE)
        return Answer(200, b"read")

    monkeypatch.setattr(application, "_answer", waiting)
    yield opened
    opened.set()


@pytest.fixture
def way(portal: Portal, monkeypatch: pytest.MonkeyPatch) -> Iterator[FrontWay]:
    monkeypatch.setenv("KEYMANAGER_PAGES_PORT", "9")
    monkeypatch.setenv("KEYMANAGER_FRONT_SECRET", "unused")
    monkeypatch.setattr(watch, "LOOK_SECONDS", 0.01)
    made = FrontWay()
    yield made
    made.close()


def on_loop(way: FrontWay, work: Callable[[], Awaitable[Any]]) -> Any:
    """Let the front's loop run until this is done."""
    return way.alone.submit(lambda: way.loop.run_until_complete(asyncio.wait_for(work(), PATIENCE))).result()


def read(way: FrontWay, count: int) -> list[Line]:
    """So many reads that need no token, and the front has begun with all of them."""
    lines = [Line() for _ in range(count)]

    async def begin() -> None:
        for line in lines:
            way.front.handle(Request(line, "GET", "/api/v1/docs", {"host": ADDRESS}, client=f"{ADDRESS}:1"))
        await asyncio.sleep(0)

    on_loop(way, begin)
    return lines


def answers(way: FrontWay, lines: list[Line]) -> list[Reply]:
    async def all_answered() -> None:
        await asyncio.gather(*(asyncio.wrap_future(line.reply) for line in lines))

    on_loop(way, all_answered)
    return [line.reply.result(0) for line in lines]


def known(way: FrontWay) -> tuple[ErpClient, str]:
    """A client that the front has in memory, and what it sends."""
    client, token = add_erp_client(NOW, COMMAND, "ERP of the test", [])
    authorization = f"Bearer {token}"
    until_kept(way, authorization, True)
    return client, authorization


def until_kept(way: FrontWay, authorization: str, is_kept: bool) -> None:
    """Wait until the front keeps the client in memory, or does so no more."""

    async def kept() -> None:
        while (way.front._callers.caller(authorization, f"{ADDRESS}:1") is not None) != is_kept:
            await asyncio.sleep(0.002)

    on_loop(way, kept)


def test_disabled_client_is_let_in_no_more_however_much_others_read(
    way: FrontWay, gate: Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    # That a look comes late is no reason here to forget anybody.
    monkeypatch.setattr(callers, "TRUSTED_SECONDS", 1000.0)
    client, authorization = known(way)
    waiting = read(way, 2 * READERS)
    disable_erp_client(NOW, COMMAND, client.pk)
    until_kept(way, authorization, False)
    assert not any(line.reply.done() for line in waiting)
    gate.set()
    answers(way, waiting)


def test_client_that_is_kept_is_asked_for_while_a_look_does_not_end(
    way: FrontWay, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, authorization = known(way)
    monkeypatch.setattr(callers, "TRUSTED_SECONDS", 0.05)
    ended = Event()
    looked = callers.Callers.look

    def hanging(kept: callers.Callers) -> None:
        looked(kept)
        ended.wait(PATIENCE)

    monkeypatch.setattr(callers.Callers, "look", hanging)
    try:
        until_kept(way, authorization, False)
        headers = {"authorization": authorization}
        assert way.send("GET", LEASE, headers, b"", ADDRESS).code == "lease_not_found"
        disable_erp_client(NOW, COMMAND, client.pk)
        assert way.send("GET", LEASE, headers, b"", ADDRESS).code == "client_not_allowed"
    finally:
        ended.set()


def test_beyond_some_hundreds_that_wait_a_read_is_refused_at_once_and_leases_are_not(
    way: FrontWay, gate: Event
) -> None:
    _, authorization = known(way)
    waiting = read(way, READERS + MOST_WAITING)
    for refused in answers(way, read(way, 2)):
        assert (refused.status, refused.code, refused.headers["retry-after"]) == (503, "unavailable", "1")
    assert way.send("GET", LEASE, {"authorization": authorization}, b"", ADDRESS).code == "lease_not_found"
    stranger = way.send("GET", LEASE, {"authorization": f"Bearer km_{'a' * 43}"}, b"", ADDRESS)
    assert stranger.code == "token_invalid"
    gate.set()
    assert {reply.body for reply in answers(way, waiting)} == {b"read"}
    assert {reply.status for reply in answers(way, read(way, MOST_WAITING))} == {200}
