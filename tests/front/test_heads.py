"""A head that came before is not parsed again, and nobody can tell by what is made of the request."""

from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from licensing.front.heads import LONGEST, MOST_KEPT, Heads
from licensing.front.http import Request
from tests.front.talking import ROOM
from tests.front.test_http import Line
from tests.front.test_incoming import Hearing, heard

BODY = b'{"modules": ["HANDEL"]}'


def checkout(key: str = "one", line: str = "POST /api/v1/leases HTTP/1.1", more: str = "") -> bytes:
    head = f"{line}\r\nHost: a\r\nIdempotency-Key: {key}\r\n{more}Content-Length: {len(BODY)}\r\n\r\n"
    return head.encode("latin-1") + BODY


def found(heads: Heads, data: bytes) -> Request | None:
    return heads.request(data, Line(), "127.0.0.1:1", "http", lambda _: ROOM)


def warm(*requests: bytes) -> Heads:
    """Heads that these requests came with, each on a connection of its own."""
    heads = Heads()
    for request in requests:
        heard([request], heads)
    return heads


def test_a_head_that_came_before_is_known_with_another_key_line_and_body() -> None:
    body = BODY.replace(b"HANDEL", b"KADRYX")
    sent = checkout("two", "DELETE /api/v1/leases/1?a=%20 HTTP/1.1").replace(BODY, body)
    request = found(warm(checkout("one")), sent)
    assert request is not None
    assert (request.method, request.target, request.body) == ("DELETE", "/api/v1/leases/1?a=%20", body)
    assert request.headers == {"host": "a", "idempotency-key": "two", "content-length": str(len(BODY))}
    assert (request.client, request.scheme) == ("127.0.0.1:1", "http")
    assert request.is_kept
    assert request.is_new


def test_one_request_may_change_its_headers_and_the_next_has_its_own() -> None:
    heads = warm(checkout())
    for _ in range(2):
        request = found(heads, checkout())
        assert request is not None
        assert request.headers.pop("host") == "a"


OTHERS = {
    "part of a head": checkout()[:40],
    "part of a body": checkout()[:-1],
    "more than one request": checkout() * 2,
    "another head": checkout().replace(b"Host: a", b"Host: b"),
    "a head that is too long": checkout(more=f"A: {'a' * LONGEST}\r\n"),
    "another version": checkout(line="POST / HTTP/1.0"),
    "another method": checkout(line="PUT / HTTP/1.1"),
    "a host in the target": checkout(line="POST http://b/ HTTP/1.1"),
    "a fragment in the target": checkout(line="POST /a#b HTTP/1.1"),
    "a control character in the target": checkout(line="POST /a\x0bb HTTP/1.1"),
    "a letter in the target": checkout(line="POST /\xe9 HTTP/1.1"),
    "a blank in the line": checkout(line="POST  / HTTP/1.1"),
    "a line before": b"\r\n" + checkout(),
    "no key": checkout(""),
    "a key with a blank": checkout("a b"),
    "a key with a control character": checkout("a\x0bb"),
    "a key with a letter": checkout("\xe9"),
    "a key that goes on": checkout("a\r\n b"),
    "a second key": checkout("a\r\nIdempotency-Key: b"),
    "a second key in other letters": checkout("a\r\nIDEMPOTENCY-key: b"),
}


@pytest.mark.parametrize("what", OTHERS)
def test_what_is_not_the_same_head_is_left_to_the_parser(what: str) -> None:
    assert found(warm(checkout()), OTHERS[what]) is None


NEVER_KEPT = {
    "chunks": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "an expectation": checkout(more="Expect: 100-continue\r\n"),
    "another protocol": checkout(more="Upgrade: h2c\r\n"),
    "a last request": checkout(more="Connection: close\r\n"),
    "an old request": b"GET / HTTP/1.0\r\nHost: a\r\n\r\n",
    "a host in the target": b"GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n",
    "a body that is too long": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % (ROOM + 1)
    + bytes(ROOM + 1),
}


@pytest.mark.parametrize("what", NEVER_KEPT)
def test_what_ends_in_a_way_of_its_own_is_never_kept(what: str) -> None:
    sent = NEVER_KEPT[what]
    assert found(warm(sent, sent), sent) is None


def test_a_body_may_have_as_many_bytes_as_its_target_takes() -> None:
    heads = warm(checkout())
    assert heads.request(checkout(), Line(), "", "http", lambda _: len(BODY)) is not None
    assert heads.request(checkout(), Line(), "", "http", lambda _: len(BODY) - 1) is None


def test_heads_take_no_more_room_than_they_may() -> None:
    requests = [checkout(more=f"A: {number}\r\n") for number in range(MOST_KEPT + 1)]
    heads = warm(*requests)
    assert found(heads, requests[0]) is None
    assert found(heads, requests[-1]) is not None


# What requests are made of; two of them often have the same head, or nearly.
LINES = [
    "GET /a HTTP/1.1",
    "POST /b?c HTTP/1.1",
    "DELETE http://b/ HTTP/1.1",
    "POST /b HTTP/1.0",
    "PUT / HTTP/1.1",
]
FIELDS = [
    "Idempotency-Key: one", "Idempotency-Key: two", "idempotency-key: two", "IDEMPOTENCY-KEY: one",
    "Idempotency-Key:one", "Idempotency-Key: a b", "Idempotency-Key: ", "X: Idempotency-Key: one", "A: b",
    " c", "\tc", "Connection: close", "Connection: keep-alive", "Upgrade: h2c", "Host: b", "",
]  # fmt: skip
ENDS = [
    b"\r\n",
    b"Content-Length: 0\r\n\r\n",
    b"Content-Length: 3\r\n\r\nabc",
    b"Content-Length: 4\r\n\r\nabc",
]


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    fields = "".join([f"{field}\r\n" for field in draw(st.lists(st.sampled_from(FIELDS), max_size=3))])
    head = f"{draw(st.sampled_from(LINES))}\r\nHost: a\r\n{fields}"
    return head.encode("latin-1") + draw(st.sampled_from(ENDS))


@given(st.lists(requests(), min_size=1, max_size=8))
def test_nobody_can_tell_a_head_that_is_known_from_one_that_is_parsed(sent: list[bytes]) -> None:
    heads = warm(*sent)
    for request in sent:
        # What comes byte by byte is always parsed.
        assert heard([request], heads) == heard(bytes([byte]) for byte in request)


# What may come between two requests, or be the beginning of the next.
BETWEEN = [b"", b"\r\n", b"\r", b"\n", b"G", b"POST / HT", b"POST / HTTP/1.1\r\nHost: a\r\n"]


@given(st.lists(st.tuples(requests(), st.sampled_from(BETWEEN)), min_size=1, max_size=4))
def test_nor_on_a_connection_on_which_more_than_one_comes(sent: list[tuple[bytes, bytes]]) -> None:
    pieces = [request + between for request, between in sent]
    heads = warm(*[request for request, _ in sent])
    assert heard(pieces, heads) == heard(bytes([byte]) for byte in b"".join(pieces))


# What is said on a connection, whole requests or not, and by whom: each has a head that others have, too.
TAIL = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"
BEGUN = b"GET /a HTTP/1.1\r\nCookie: mine\r\nX: "
FRAGMENTS = [
    TAIL,
    BEGUN,
    b"GET /a HTTP/1.1\r\nHost: a\r\nCookie: mine\r\nX: ",
    b"POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(TAIL),
    b"POST /b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"3\r\nabc\r\n",
    b"%x\r\n%b\r\n" % (len(TAIL), TAIL),
    b"0\r\n\r\n",
    b"0\r\nX: ",
    b"0\r\n" + TAIL,
]


def chunked(request: bytes, decoded: int) -> tuple[bytes, bytes]:
    """A body in chunks of so many bytes in all; its end comes with another request."""
    head = b"POST /b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"%x\r\n%b\r\n" % (decoded, bytes(decoded)), b"0\r\n\r\n" + request


@st.composite
def said(draw: st.DrawFn) -> list[bytes]:
    """What one connection hears, in pieces that need not be requests."""
    parts: list[bytes] = []
    kinds = st.sampled_from(("request", "begun", "fragment", "chunks"))
    for what in draw(st.lists(kinds, min_size=1, max_size=4)):
        if what == "begun":
            parts += [BEGUN, draw(st.one_of(st.sampled_from(FRAGMENTS), requests()))]
        elif what == "chunks":
            request = draw(st.one_of(st.sampled_from(FRAGMENTS), requests()))
            parts += chunked(request, len(request) + draw(st.sampled_from((0, 0, 0, 1))))
            parts += draw(st.sampled_from(([TAIL], [])))
        else:
            parts.append(draw(requests() if what == "request" else st.sampled_from(FRAGMENTS)))
    if draw(st.booleans()):
        return parts
    sent = b"".join(parts)
    cuts = draw(st.lists(st.integers(0, len(sent)), max_size=4))
    return [sent[start:end] for start, end in pairwise(sorted({0, len(sent), *cuts}))]


class Forgetful(Heads):
    """Keeps nothing: all is left to the parser."""

    def keep(self, data: bytes, request: Request) -> None:
        """Not even this."""


def told(said: Sequence[tuple[int, bytes]], heads: Heads) -> dict[int, list[object]]:
    """What each of several connections makes of what it hears, one after the other."""
    connections: dict[int, Hearing] = defaultdict(lambda: Hearing(heads))
    for number, piece in said:
        connections[number].hear(piece)
    return {number: connection.told() for number, connection in connections.items()}


@given(st.lists(said(), min_size=2, max_size=3), st.randoms(use_true_random=False))
def test_nor_on_one_of_several_whatever_the_others_say_and_however_it_is_cut(
    streams: list[list[bytes]], order: Random
) -> None:
    turns = [number for number, pieces in enumerate(streams) for _ in pieces]
    order.shuffle(turns)
    left = [iter(pieces) for pieces in streams]
    heads = warm(TAIL)
    by_whom = told([(number, next(left[number])) for number in turns], heads)
    assert by_whom == {number: heard(pieces, Forgetful()) for number, pieces in enumerate(streams)}
    # Nor afterwards, to whom says the same on a connection of its own.
    for piece in [piece for pieces in streams for piece in pieces]:
        assert heard([piece], heads) == heard([piece], Forgetful())


def test_what_goes_on_with_a_head_is_no_head_that_others_have() -> None:
    heads = Heads()
    heard([BEGUN, TAIL], heads)
    assert found(heads, TAIL) is None


def test_what_goes_on_with_a_body_is_no_request_though_it_looks_like_one() -> None:
    body = checkout()
    begun = b"POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body)
    pieces = [*chunked(begun, len(begun)), body]
    told = heard(pieces, warm(checkout()))
    assert told == heard(bytes([byte]) for byte in b"".join(pieces))
    assert len(told) == 2


def test_after_the_last_request_there_is_none() -> None:
    last = checkout(more="Connection: close\r\n")
    assert heard([last, checkout()], warm(checkout())) == heard(bytes([byte]) for byte in last + checkout())


@pytest.mark.parametrize("between", BETWEEN[2:5])
def test_a_request_that_follows_a_byte_too_many_is_none(between: bytes) -> None:
    heads = warm(checkout())
    pieces = [checkout() + between, checkout("two")]
    assert heard(pieces, heads) == heard(bytes([byte]) for byte in b"".join(pieces))
