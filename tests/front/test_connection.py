"""The life of a connection: answers in their order, streams, callers that are slow or go, and its end."""

import asyncio
import gc
import logging
import socket
import weakref
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from licensing.front.bodies import Bodies
from licensing.front.connection import LINGER_SECONDS, MOST_IN_A_TURN, STALLED_SECONDS, Connection
from licensing.front.heads import Heads
from licensing.front.http import Stream
from licensing.front.incoming import (
    FIRST_SECONDS,
    HEAD_SECONDS,
    IDLE_SECONDS,
    REQUEST_SECONDS,
    SILENCE_SECONDS,
)
from tests.front.talking import ROOM, App, Caller, Server, asked, serving

# More than the systems on both sides take in for a caller that does not read.
LARGE = bytes(16_000_000)
PARTS = 160


def is_broken(caller: Caller) -> bool:
    """Whether the connection did not end in an orderly way."""
    try:
        caller.rest()
    except ConnectionResetError:
        return True
    return False


# Kept connections and the order of answers.


def test_a_connection_is_kept_for_the_next_request(caller: Caller) -> None:
    assert [caller.ask(f"GET /{number}").body for number in range(3)] == [b"GET /0 ", b"GET /1 ", b"GET /2 "]


@pytest.mark.parametrize("head", ["GET /a\nConnection: close", "GET /a HTTP/1.0"])
def test_a_connection_ends_where_its_caller_wants_no_more(caller: Caller, head: str) -> None:
    assert caller.ask(head).body == b"GET /a "
    assert caller.rest() == b""


def test_http_1_0_is_kept_where_it_asks_for_it(caller: Caller) -> None:
    for _ in range(2):
        answer = caller.ask("GET /a HTTP/1.0\nConnection: keep-alive")
        assert (answer.body, answer.headers["connection"]) == (b"GET /a ", "keep-alive")


def test_head_is_answered_without_a_body(caller: Caller) -> None:
    assert caller.ask("HEAD /a", method="HEAD").headers["content-length"] == "8"
    assert caller.ask("GET /b").body == b"GET /b "


def test_requests_that_come_together_are_answered_in_their_order(server: Server, caller: Caller) -> None:
    caller.send(asked("GET /held1") + asked("GET /b") + asked("GET /held2") + asked("GET /d"))
    first = server.held()
    # Only now is it the turn of the next.
    assert [request.path for request in server.app.requests] == ["/held1"]
    server.do(lambda: first.answer(200, [], b"first"))
    second = server.held()
    server.do(lambda: second.answer(200, [], b"second"))
    assert [caller.answer().body for _ in range(4)] == [b"first", b"GET /b ", b"second", b"GET /d "]


def test_thousands_of_requests_may_come_together(caller: Caller) -> None:
    caller.send(asked("GET /a") * 5000)
    assert {caller.answer().body for _ in range(5000)} == {b"GET /a "}


def test_others_have_their_turn_among_the_many_requests_of_one_caller() -> None:
    class Listening(asyncio.Transport):
        def write(self, data: bytes | bytearray | memoryview) -> None:
            """Nobody reads it."""

        def pause_reading(self) -> None:
            """Nothing comes."""

        def resume_reading(self) -> None:
            """Nothing comes."""

    async def turns() -> list[int]:
        app = App()
        connection = Connection(app, lambda: 0.0, set(), "http", Heads(), Bodies())
        connection.connection_made(Listening())
        connection.data_received(asked("GET /") * (2 * MOST_IN_A_TURN + 1))
        seen = [len(app.requests)]
        for _ in range(3):
            await asyncio.sleep(0)
            seen.append(len(app.requests))
        return seen

    with ThreadPoolExecutor(1) as alone:
        seen = alone.submit(asyncio.run, turns()).result()
    assert seen == [MOST_IN_A_TURN, 2 * MOST_IN_A_TURN, 2 * MOST_IN_A_TURN + 1, 2 * MOST_IN_A_TURN + 1]


def test_no_more_is_heard_while_requests_wait(server: Server, caller: Caller) -> None:
    caller.send(asked("GET /held") + asked("GET /b"))
    held = server.held()
    caller.sock.settimeout(0.2)
    with pytest.raises(TimeoutError):
        # The systems between take in a few megabytes, then the caller has to wait.
        caller.send(asked("GET /c") * 2_000_000)
    assert server.heard < 1_000_000
    server.do(lambda: held.answer(200, [], b""))


def test_what_comes_after_the_last_request_is_not_answered(server: Server, caller: Caller) -> None:
    caller.send(asked("GET /a\nConnection: close") + asked("GET /b"))
    assert caller.answer().body == b"GET /a "
    assert caller.rest() == b""
    assert [request.path for request in server.app.requests] == ["/a"]


def test_requests_before_garbage_are_all_answered(server: Server, caller: Caller) -> None:
    caller.send(asked("GET /held") + asked("GET /b") + b"garbage\r\n\r\n")
    held = server.held()
    server.do(lambda: held.answer(200, [], b"held"))
    assert [caller.answer().body for _ in range(2)] == [b"held", b"GET /b "]
    assert caller.rest() == b""


def test_requests_before_one_that_is_too_long_are_all_answered(server: Server, caller: Caller) -> None:
    caller.send(asked("GET /held") + asked("GET /b") + asked("POST /c\nContent-Length: 2000") + bytes(2000))
    held = server.held()
    server.do(lambda: held.answer(200, [], b"held"))
    assert [caller.answer().status for _ in range(3)] == [200, 200, 413]
    assert caller.rest() == b""


def test_a_second_answer_is_not_taken_for_that_to_the_next_request(server: Server, caller: Caller) -> None:
    caller.send(asked("GET /held1") + asked("GET /held2"))
    first = server.held()
    server.do(lambda: first.answer(200, [], b"first"))
    second = server.held()
    server.do(lambda: (first.answer(200, [], b"again"), first.fail()))
    with pytest.raises(ConnectionError):
        server.do(lambda: first.stream(200, []))
    server.do(lambda: second.answer(200, [], b"second"))
    assert [caller.answer().body for _ in range(2)] == [b"first", b"second"]


def test_a_fault_of_the_application_ends_neither_connection_nor_server(
    server: Server, caller: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        caller.send(asked("GET /fault") + asked("GET /b"))
        assert [caller.answer().status for _ in range(2)] == [500, 200]
    assert "GET /fault failed" in caplog.text


def test_a_fault_in_a_refusal_ends_the_connection_and_not_the_server(
    server: Server, caller: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        caller.send(b"GET /fault HTTP/1.1\r\n\r\n")
        assert (caller.answer().status, caller.rest()) == (500, b"")
    assert "GET /fault could not be refused" in caplog.text


# Who asks.


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6], ids=["IPv4", "IPv6"])
def test_a_request_knows_its_callers_address(family: socket.AddressFamily) -> None:
    with serving(family=family) as server, server.call() as caller:
        caller.ask("GET /a")
        port = caller.sock.getsockname()[1]
        host = "127.0.0.1" if family == socket.AF_INET else "[::1]"
        request = server.app.requests[0]
        assert (request.client, request.scheme) == (f"{host}:{port}", "http")


# Callers that go.


def test_who_says_that_nothing_more_comes_is_answered_all_the_same(server: Server, caller: Caller) -> None:
    caller.send(asked("GET /held"))
    caller.sock.shutdown(socket.SHUT_WR)
    held = server.held()
    server.until(lambda: server.ends)
    server.do(lambda: held.answer(200, [], b"held"))
    assert caller.answer().body == b"held"
    assert caller.rest() == b""


def test_who_says_that_nothing_more_comes_gets_every_answer(server: Server, caller: Caller) -> None:
    caller.send(asked("GET /held1") + asked("GET /held2"))
    caller.sock.shutdown(socket.SHUT_WR)
    for body in (b"first", b"second"):
        held = server.held()
        server.do(lambda held=held, body=body: held.answer(200, [], body))
        assert caller.answer().body == body
    assert caller.rest() == b""


@pytest.mark.parametrize("begun", [b"", b"GET / HT", asked("POST /a\nContent-Length: 5") + b"he"])
def test_who_goes_in_the_middle_leaves_nothing(server: Server, caller: Caller, begun: bytes) -> None:
    caller.send(begun)
    server.until(lambda: server.everyone)
    caller.sock.shutdown(socket.SHUT_WR)
    assert caller.rest() == b""
    server.until(lambda: not server.everyone)
    assert server.app.requests == []


def gone(server: Server, caller: Caller) -> None:
    """The caller breaks off, and the server has noticed."""
    with caller:
        caller.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    server.until(lambda: not server.everyone)


def test_an_answer_to_who_is_gone_harms_nobody(server: Server, caller: Caller) -> None:
    caller.send(asked("GET /held"))
    held = server.held()
    gone(server, caller)
    server.do(lambda: held.answer(200, [], b""))
    server.do(held.fail)


def test_a_stream_to_who_is_gone_is_told_so(server: Server, caller: Caller) -> None:
    caller.send(asked("GET /held"))
    held = server.held()
    gone(server, caller)
    stream = server.do(lambda: held.stream(200, []))
    with pytest.raises(ConnectionError):
        server.run(stream.send_bytes(b"part"))
    server.do(stream.abort)


def test_a_stream_that_waits_for_who_goes_waits_no_longer(server: Server, caller: Caller) -> None:
    stream = begun(server, caller)
    waiting = poured(server, stream)
    server.until(lambda: any(connection._clogged_at for connection in server.everyone))
    gone(server, caller)
    with pytest.raises(ConnectionError):
        waiting.result(10)
    # Its end is no fault, either.
    server.do(stream.close)


def test_a_connection_that_ended_leaves_nothing_to_the_garbage_collector(
    server: Server, caller: Caller
) -> None:
    caller.ask("GET /a")
    gc.collect()
    gc.disable()
    try:
        connections = [weakref.ref(connection) for connection in server.everyone]
        gone(server, caller)
        server.app.requests.clear()
        server.until(lambda: connections[0]() is None)
    finally:
        gc.enable()


def test_who_is_gone_before_the_connection_knows_can_be_given_up() -> None:
    # TLS drops its socket first, and tells later.
    class Gone(asyncio.Transport):
        is_aborted = False

        def abort(self) -> None:
            self.is_aborted = True

    transport = Gone()
    connection = Connection(App(), lambda: 0.0, set(), "https", Heads(), Bodies())
    connection.connection_made(transport)
    connection.abort()
    assert transport.is_aborted


# Answers in parts.


def begun(server: Server, caller: Caller, head: str = "GET /held") -> Stream:
    """A stream that was begun."""
    caller.send(asked(head))
    held = server.held()
    return server.do(lambda: held.stream(200, []))


def poured(server: Server, stream: Stream, parts: int = PARTS) -> "Future[None]":
    """Send part after part; ends once all were sent, or the caller is gone."""
    done: Future[None] = Future()

    async def pour() -> None:
        try:
            for _ in range(parts):
                await stream.send_bytes(bytes(100_000))
        except ConnectionError as error:
            done.set_exception(error)
        else:
            done.set_result(None)

    def start() -> None:
        tasks.append(server._loop.create_task(pour()))

    tasks: list[Any] = []
    server.do(start)
    return done


def test_a_stream_comes_in_parts_and_the_connection_is_kept(server: Server, caller: Caller) -> None:
    stream = begun(server, caller)
    for part in (b"one", b"", b"two"):
        server.run(stream.send_bytes(part))
    server.do(stream.close)
    assert caller.answer().body == b"onetwo"
    assert caller.ask("GET /b").body == b"GET /b "


def test_a_stream_to_http_1_0_ends_with_the_connection(server: Server, caller: Caller) -> None:
    stream = begun(server, caller, "GET /held HTTP/1.0\nConnection: keep-alive")
    server.run(stream.send_bytes(b"one"))
    server.do(stream.close)
    answer = caller.answer()
    assert answer.body == b"one"
    assert "connection" not in answer.headers


def test_what_was_asked_behind_a_stream_to_http_1_0_is_not_taken_for_its_end(
    server: Server, caller: Caller
) -> None:
    stream = begun(server, caller, "GET /held HTTP/1.0\nConnection: keep-alive")
    caller.send(asked("GET /b HTTP/1.0"))
    server.until(lambda: any(connection._waiting for connection in server.everyone))
    server.run(stream.send_bytes(b"one"))
    server.do(stream.close)
    assert caller.answer().body == b"one"


def test_a_stream_in_answer_to_head_has_no_parts(server: Server, caller: Caller) -> None:
    stream = begun(server, caller, "HEAD /held")
    server.run(stream.send_bytes(b"one"))
    server.do(stream.close)
    assert caller.answer("HEAD").body == b""
    assert caller.ask("GET /b").body == b"GET /b "


def test_a_stream_ends_but_once(server: Server, caller: Caller) -> None:
    stream = begun(server, caller)
    server.do(stream.close)
    caller.answer()
    caller.send(asked("GET /held"))
    held = server.held()
    server.run(stream.send_bytes(b"late"))
    server.do(lambda: (stream.close(), stream.abort()))
    server.do(lambda: held.answer(200, [], b"held"))
    assert caller.answer().body == b"held"


@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize("by", ["abort", "fail"])
def test_a_stream_that_breaks_off_is_not_taken_for_whole(
    server: Server, caller: Caller, version: str, by: str
) -> None:
    caller.send(asked(f"GET /held HTTP/{version}"))
    held = server.held()
    stream = server.do(lambda: held.stream(200, []))
    server.run(stream.send_bytes(b"one"))
    server.do(stream.abort if by == "abort" else held.fail)
    assert is_broken(caller)


def test_a_stream_waits_for_who_reads_slowly(server: Server) -> None:
    with server.call(receiving=200_000) as caller:
        done = poured(server, stream := begun(server, caller))
        server.until(lambda: any(connection._clogged_at for connection in server.everyone))
        assert not done.done()
        done.add_done_callback(lambda _: server._loop.call_soon_threadsafe(stream.close))
        assert len(caller.answer().body) == PARTS * 100_000


# Callers that do not read.


def clogged(server: Server, caller: Caller, more: bytes = b"") -> None:
    """A caller with an answer that it does not read."""
    caller.send(asked("GET /held") + more)
    held = server.held()
    server.do(lambda: held.answer(200, [], LARGE))
    assert all(connection._clogged_at for connection in server.everyone)


def test_who_does_not_read_is_given_up(server: Server, caller: Caller) -> None:
    clogged(server, caller)
    server.later(STALLED_SECONDS - 1)
    assert server.everyone
    server.later(2)
    server.until(lambda: not server.everyone)
    assert is_broken(caller)


def test_who_reads_in_time_is_not_given_up(server: Server, caller: Caller) -> None:
    clogged(server, caller)
    server.later(STALLED_SECONDS - 1)
    assert caller.answer().body == LARGE
    server.until(lambda: not any(connection._clogged_at for connection in server.everyone))
    server.later(2)
    assert caller.ask("GET /b").body == b"GET /b "


def test_who_does_not_read_has_no_further_request_carried_out(server: Server, caller: Caller) -> None:
    # Each would add an answer to what is kept for this caller.
    clogged(server, caller, asked("GET /b") * 100)
    assert len(server.app.requests) == 1
    assert caller.answer().body == LARGE
    assert {caller.answer().body for _ in range(100)} == {b"GET /b "}


@pytest.mark.parametrize("wish", ["Connection: close", "Connection: keep-alive"])
def test_who_was_to_be_closed_and_does_not_read_is_given_up(server: Server, wish: str) -> None:
    with server.call(receiving=4096) as caller:
        caller.send(asked(f"GET /held\n{wish}"))
        held = server.held()
        connection: Any = held.line
        connection._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        # Too much for the systems, too little for the loop to say that it does not get it off its hands.
        server.do(lambda: held.answer(200, [], bytes(60_000)))
        caller.sock.shutdown(socket.SHUT_WR)
        server.until(connection._transport.is_closing)
        server.later(STALLED_SECONDS - 1)
        assert server.everyone
        server.later(2)
        server.until(lambda: not server.everyone)
        assert is_broken(caller)


# Callers that are slow to ask.


@pytest.mark.parametrize(
    ("begun", "seconds"),
    [
        (b"", FIRST_SECONDS),
        (asked("GET /a"), IDLE_SECONDS),
        (b"GET / HT", HEAD_SECONDS),
        (asked("GET /a") + b"GET / HT", HEAD_SECONDS),
        (asked("POST /a\nContent-Length: 5") + b"he", SILENCE_SECONDS),
        (asked("POST /a\nTransfer-Encoding: chunked") + b"2\r\nhe\r\n0\r\nA", SILENCE_SECONDS),
    ],
    ids=["nothing", "idle", "head", "next head", "body", "trailers"],
)
def test_who_is_silent_for_too_long_is_closed(
    server: Server, caller: Caller, begun: bytes, seconds: float
) -> None:
    caller.send(begun)
    server.until(lambda: server.everyone)
    server.until_heard(len(begun))
    server.later(seconds - 1)
    assert server.everyone
    server.later(2)
    assert caller.rest().count(b"HTTP/1.1") == len(server.app.requests)


def test_a_head_that_comes_drop_by_drop_is_not_waited_for(server: Server, caller: Caller) -> None:
    sent = b"GET / HTTP/1.1\r\nHost: portal"
    for count, byte in enumerate(sent[:5], start=1):
        caller.send(bytes([byte]))
        server.until_heard(count)
        server.later(HEAD_SECONDS / 4 + 0.1)
        if not server.everyone:
            break
    assert caller.rest() == b""


def test_the_time_for_a_head_begins_with_it(server: Server, caller: Caller) -> None:
    caller.ask("GET /a")
    server.later(IDLE_SECONDS - 1)
    heard = server.heard
    caller.send(b"GET /b HTTP/1.1\r\n")
    server.until_heard(heard + 17)
    server.later(HEAD_SECONDS - 1)
    caller.send(b"Host: portal\r\n\r\n")
    assert caller.answer().body == b"GET /b "


def test_a_body_that_keeps_coming_is_waited_for(server: Server, caller: Caller) -> None:
    head = asked("POST /a\nContent-Length: 10")
    caller.send(head)
    for count in range(10):
        server.until_heard(len(head) + count)
        server.later(SILENCE_SECONDS - 1)
        caller.send(b"a")
    assert caller.answer().body == b"POST /a aaaaaaaaaa"


def test_a_body_that_never_ends_is_not_waited_for(server: Server, caller: Caller) -> None:
    head = asked("POST /a\nContent-Length: 1000")
    caller.send(head)
    drops = int(REQUEST_SECONDS / (SILENCE_SECONDS - 1))
    for count in range(drops):
        server.until_heard(len(head) + count)
        server.later(SILENCE_SECONDS - 1)
        assert server.everyone
        caller.send(b"a")
    server.until_heard(len(head) + drops)
    server.later(SILENCE_SECONDS - 1)
    assert caller.rest() == b""


def test_who_waits_for_an_answer_is_not_silent(server: Server, caller: Caller) -> None:
    caller.send(asked("GET /held"))
    held = server.held()
    server.later(IDLE_SECONDS + 1)
    server.do(lambda: held.answer(200, [], b"held"))
    assert caller.answer().body == b"held"


def test_who_was_not_listened_to_is_not_silent(server: Server, caller: Caller) -> None:
    sent = asked("GET /held") + asked("GET /b") + b"GET /c HTTP/1.1\r\n"
    caller.send(sent)
    held = server.held()
    server.until_heard(len(sent))
    server.later(HEAD_SECONDS + 1)
    server.do(lambda: held.answer(200, [], b"held"))
    server.later(1)
    caller.send(b"Host: portal\r\n\r\n")
    assert [caller.answer().body for _ in range(3)] == [b"held", b"GET /b ", b"GET /c "]


# The end.


def test_who_was_cut_off_may_go_on_for_a_while_and_is_closed_then(server: Server, caller: Caller) -> None:
    caller.send(asked(f"POST /held\nContent-Length: {ROOM + 1}") + bytes(ROOM + 1))
    held = server.held()
    # However long the answer took: it is the caller who is waited for.
    server.later(2 * LINGER_SECONDS)
    server.do(lambda: held.answer(413, [], b""))
    server.later(LINGER_SECONDS - 1)
    assert server.everyone
    assert caller.answer().status == 413
    caller.send(bytes(ROOM))
    server.later(2)
    server.until(lambda: not server.everyone)


def test_at_the_end_who_waits_for_an_answer_gets_it_and_all_others_are_closed(server: Server) -> None:
    with server.call() as idle, server.call() as busy:
        idle.ask("GET /a")
        busy.send(asked("GET /held") + asked("GET /b"))
        held = server.held()
        server.do(lambda: [connection.end_soon() for connection in tuple(server.everyone)])
        assert idle.rest() == b""
        server.do(lambda: held.answer(200, [], b"held"))
        first, last = busy.answer(), busy.answer()
        assert (first.body, last.body) == (b"held", b"GET /b ")
        assert last.headers["connection"] == "close"
        assert busy.rest() == b""


def test_at_the_end_nothing_more_is_heard(server: Server, caller: Caller) -> None:
    caller.send(asked("GET /held"))
    held = server.held()
    server.do(lambda: [connection.end_soon() for connection in server.everyone])
    heard = server.heard
    caller.send(asked("GET /b"))
    server.until(lambda: server.heard > heard)
    server.do(lambda: held.answer(200, [], b"held"))
    assert caller.answer().body == b"held"
    assert [request.path for request in server.app.requests] == ["/held"]
