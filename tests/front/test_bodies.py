"""The room for bodies: what all connections send together is bounded, and small requests do not notice."""

import socket
from collections.abc import Callable

import pytest

from licensing.front.bodies import MOST_HELD, SMALL
from tests.front.talking import ROOM, Caller, Server, asked

LARGE = 2 * SMALL
UPLOAD = asked(f"POST /large\nContent-Length: {LARGE}")
HELD = asked(f"POST /held/large\nContent-Length: {LARGE}")
CHUNKED = asked("POST /large\nTransfer-Encoding: chunked")


def sent(server: Server, caller: Caller, data: bytes) -> None:
    """Send, and wait until it was heard."""
    heard = server.heard
    caller.send(data)
    server.until_heard(heard + len(data))


def taken(server: Server) -> int:
    return MOST_HELD - server.bodies.left


def leave_room(server: Server, size: int) -> None:
    server.bodies.left = size


def test_beyond_the_room_for_all_a_body_is_refused(server: Server, caller: Caller) -> None:
    leave_room(server, LARGE + SMALL)
    sent(server, caller, UPLOAD + bytes(LARGE - 1))
    with server.call() as other:
        other.send(UPLOAD, bytes(LARGE))
        answer = other.answer()
        assert (answer.status, answer.headers["connection"]) == (503, "close")
        assert other.rest() == b""
    # Who was there before is not harmed.
    caller.send(b"a")
    assert caller.answer().status == 413


def test_a_body_in_chunks_is_refused_as_soon_as_there_is_no_room(server: Server, caller: Caller) -> None:
    leave_room(server, 3 * SMALL)
    caller.send(CHUNKED, b"%x\r\n%b\r\n" % (SMALL, bytes(SMALL)) * 4)
    assert caller.answer().status == 503
    server.until(lambda: server.bodies.left == 3 * SMALL)


def test_a_small_body_finds_room_however_much_others_send(server: Server, caller: Caller) -> None:
    leave_room(server, 0)
    assert caller.ask(f"POST /a\nContent-Length: {ROOM}", bytes(ROOM)).status == 200
    sent(server, caller, asked(f"POST /large\nContent-Length: {SMALL}"))
    caller.send(bytes(SMALL // 2), bytes(SMALL // 2))
    # That it is too long for the application was told by the application.
    assert caller.answer().status == 413
    assert server.app.requests[-1].body == bytes(SMALL)


@pytest.mark.parametrize(("room", "status"), [(LARGE, 100), (LARGE - 1, 503)])
def test_who_waits_with_a_body_for_which_there_is_no_room_need_not_send_it(
    server: Server, caller: Caller, room: int, status: int
) -> None:
    leave_room(server, room)
    caller.send(asked(f"POST /large\nExpect: 100-continue\nContent-Length: {LARGE}"))
    assert caller.answer().status == status


def test_the_room_is_taken_until_the_request_was_answered(server: Server, caller: Caller) -> None:
    sent(server, caller, HELD + bytes(SMALL))
    assert taken(server) == 0
    sent(server, caller, bytes(1))
    assert taken(server) == SMALL + 1
    sent(server, caller, bytes(SMALL - 1))
    held = server.held()
    assert taken(server) == LARGE
    server.do(lambda: held.answer(200, [], b""))
    assert taken(server) == 0


def test_nor_does_it_end_with_the_caller(server: Server, caller: Caller) -> None:
    sent(server, caller, HELD + bytes(LARGE))
    held = server.held()
    gone(server, caller)
    assert taken(server) == LARGE
    server.do(held.fail)
    assert taken(server) == 0


def test_an_answer_in_parts_needs_the_body_no_more(server: Server, caller: Caller) -> None:
    sent(server, caller, HELD + bytes(LARGE))
    held = server.held()
    stream = server.do(lambda: held.stream(200, []))
    assert taken(server) == 0
    server.do(stream.close)
    assert taken(server) == 0


def test_a_body_whose_head_is_known_takes_room_too(server: Server, caller: Caller) -> None:
    for _ in range(3):
        sent(server, caller, HELD + bytes(LARGE))
        held = server.held()
        assert taken(server) == LARGE
        server.do(lambda held=held: held.answer(200, [], b""))
        assert caller.answer().status == 200


def gone(server: Server, caller: Caller) -> None:
    """The caller breaks off, and the server has noticed."""
    caller.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    caller.__exit__(None, None, None)
    server.until(lambda: not server.everyone)


def broken(server: Server, caller: Caller) -> None:
    caller.send(b"no chunk\r\n")
    assert caller.answer().status == 400


def cut_off(server: Server, caller: Caller) -> None:
    caller.send(b"%x\r\n" % 30_000_000, bytes(30_000_000))
    assert caller.answer().status == 413


@pytest.mark.parametrize("end", [gone, broken, cut_off])
def test_a_body_that_does_not_come_to_its_end_leaves_its_room(
    server: Server, caller: Caller, end: Callable[[Server, Caller], None]
) -> None:
    sent(server, caller, CHUNKED + b"%x\r\n%b\r\n" % (LARGE, bytes(LARGE)))
    assert taken(server) == LARGE
    end(server, caller)
    server.until(lambda: taken(server) == 0)


@pytest.mark.parametrize("is_lost", [False, True])
def test_a_request_that_waited_and_is_not_answered_leaves_its_room(
    server: Server, caller: Caller, is_lost: bool
) -> None:
    sent(server, caller, asked("GET /held") + UPLOAD + bytes(LARGE))
    held = server.held()
    server.until(lambda: taken(server) == LARGE)
    if is_lost:
        server.do(lambda: [connection.abort() for connection in server.everyone])
    else:
        # As it is where an old caller is answered in parts.
        held.is_kept = False
        server.do(lambda: held.answer(200, [], b""))
    server.until(lambda: taken(server) == 0)
