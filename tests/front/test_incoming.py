"""What is taken for a request, and what is refused because somebody might take it for another."""

from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from licensing.front.bodies import Bodies
from licensing.front.heads import Heads
from licensing.front.incoming import LONGEST_HEAD, MOST_REPEATED, Incoming
from licensing.front.unfit import Unfit
from tests.front.talking import ROOM, Answer, Caller, Server, asked
from tests.front.test_http import Line

CHUNKED = "POST /a\nTransfer-Encoding: chunked"
UPGRADE = "Connection: Upgrade, HTTP2-Settings\nUpgrade: h2c\nHTTP2-Settings: AAMAAABk"


def refused(caller: Caller, sent: bytes) -> Answer:
    """The one answer to what is sent, after which the connection ends."""
    caller.send(sent)
    answer = caller.answer()
    assert answer.headers["connection"] == "close"
    assert caller.rest() == b""
    return answer


HOST = b"Host: portal\r\n"
POST = b"POST /a HTTP/1.1\r\n" + HOST
AMBIGUOUS = {
    "length beside chunks": POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks beside length": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "two lengths": POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    "a list of lengths": POST + b"Content-Length: 5, 5\r\n\r\nhello",
    "a signed length": POST + b"Content-Length: +5\r\n\r\nhello",
    "no length": POST + b"Content-Length:\r\n\r\n",
    "an endless length": POST + b"Content-Length: 99999999999999999999999\r\n\r\n",
    "chunks twice": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks not last": POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "nearly chunks": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunks to HTTP/1.0": b"POST /a HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "folded": POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "folded value": POST + b"X-A: b\r\n c\r\n\r\n",
    "space before colon": POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "space before name": b"GET / HTTP/1.1\r\n Host: portal\r\n\r\n",
    "no name": POST + b": a\r\n\r\n",
    "bare LF": b"GET / HTTP/1.1\nHost: portal\n\n",
    "bare LF in headers": POST + b"A: b\nContent-Length: 5\r\n\r\n",
    "bare CR": POST + b"A: b\rContent-Length: 5\r\n\r\n",
    "zero byte": POST + b"A: b\0c\r\n\r\n",
    "chunk size in C": POST + b"Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n",
    "chunk size and LF": POST + b"Transfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n",
    "longer than its chunk": POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello!!0\r\n\r\n",
    "LF in an extension": POST + b"Transfer-Encoding: chunked\r\n\r\n5;a\nb\r\nhello\r\n0\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\n" + HOST + HOST + b"\r\n",
    "user in target": b"GET http://me@portal/ HTTP/1.1\r\n" + HOST + b"\r\n",
    "broken target": b"GET http://[/ HTTP/1.1\r\n" + HOST + b"\r\n",
    "garbage": b"\x16\x03\x01\x02\x00\x01\x00",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
}


@pytest.mark.parametrize("sent", AMBIGUOUS.values(), ids=AMBIGUOUS.keys())
def test_what_could_be_read_in_two_ways_is_refused(server: Server, caller: Caller, sent: bytes) -> None:
    assert refused(caller, sent).status == 400
    assert server.app.requests == []


@pytest.mark.parametrize(
    ("head", "status"),
    [
        ("CONNECT portal:443", 501),
        ("CONNECT /a", 501),
        ("CONNECT http://portal/", 501),
        ("POST /a\nTransfer-Encoding: gzip, chunked", 501),
        ("GET / HTTP/0.9", 505),
        ("GET / HTTP/2.0", 505),
    ],
)
def test_what_is_http_but_not_ours_is_refused(server: Server, caller: Caller, head: str, status: int) -> None:
    assert refused(caller, asked(head)).status == status
    assert server.app.requests == []


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\nA: " + bytes(2 * LONGEST_HEAD).replace(b"\0", b"a"),
        b"GET /" + bytes(2 * LONGEST_HEAD).replace(b"\0", b"a"),
        b"\r\n" * 2 * LONGEST_HEAD,
        b"GET / HTTP/1.1\r\n" + b"".join(b"A%d: b\r\n" % i for i in range(20_000)),
        b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * (MOST_REPEATED + 2) + b"\r\n",
    ],
    ids=["header", "target", "lines before", "headers", "repeated"],
)
def test_a_head_that_is_too_long_is_refused(server: Server, caller: Caller, sent: bytes) -> None:
    assert refused(caller, sent).status == 431
    assert server.app.requests == []


@pytest.mark.parametrize(
    "endless",
    [b"0\r\nA: " + b"a" * 3 * LONGEST_HEAD, b"5;" + b"a" * 3 * LONGEST_HEAD],
    ids=["trailer", "extension"],
)
def test_what_is_no_body_is_not_heard_without_end_after_it_has_begun(caller: Caller, endless: bytes) -> None:
    assert refused(caller, asked(CHUNKED) + b"2\r\nhi\r\n" + endless).status == 431


API = b"GET /api/v1/modules HTTP/1.1\r\n" + HOST + b"Accept-Language: en\r\n"
# What is refused in some form, and the method, target and language that can be told of it.
READ_IN_PART = {
    "control in a value": (API + b"Idempotency-Key: a\x7fb\r\n\r\n", "GET", "/api/v1/modules", "en"),
    "control in a name": (API + b"A: b\r\nA\x01: b\r\n\r\n", "GET", "/api/v1/modules", "en"),
    "two hosts": (API + HOST + b"\r\n", "GET", "/api/v1/modules", "en"),
    "two lengths": (API + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\na", "GET", "/api/v1/modules", "en"),
    "broken chunk": (
        b"POST /api/a?b HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n",
        "POST", "/api/a?b", None,
    ),
    "compressed": (
        b"POST /api/a HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: gzip, chunked\r\n\r\n",
        "POST", "/api/a", None,
    ),
    "a letter that is none": (b"HEAD /api/\xc5\xbc HTTP/1.1\r\n" + HOST + b"\r\n", "HEAD", "/api/Å¼", None),
    "of HTTP/2": (b"GET /api/a HTTP/2.0\r\n" + HOST + b"\r\n", "GET", "/api/a", None),
    "of a new version": (b"GET /api/a HTTP/3.7\r\n" + HOST + b"\r\n", "GET", "/api/a", None),
    "tunnel": (b"CONNECT /api/a HTTP/1.1\r\n" + HOST + b"\r\n", "CONNECT", "/api/a", None),
    "unknown method": (b"\r\nFOO /api/a HTTP/1.1\r\n" + HOST + b"\r\n", "GET", "/api/a", None),
    "small letters": (b"\r\nhead /api/a HTTP/1.1\r\n" + HOST + b"\r\n", "GET", "/api/a", None),
    "host in the target": (b"GET http://me@portal/api/a?b HTTP/1.1\r\n\r\n", "GET", "/api/a?b", None),
    "host alone": (b"GET http://me@portal HTTP/1.1\r\n\r\n", "GET", "/", None),
    "too long": (API + b"A: " + b"a" * 2 * LONGEST_HEAD, "GET", "/api/v1/modules", "en"),
    "no request": (b"\x16\x03\x01", "GET", "/", None),
    "one word": (b"nonsense\r\n", "GET", "/", None),
}  # fmt: skip


@pytest.mark.parametrize(
    ("sent", "method", "target", "language"), READ_IN_PART.values(), ids=READ_IN_PART.keys()
)
def test_of_what_is_refused_the_application_is_told_as_much_as_could_be_read(
    server: Server, caller: Caller, sent: bytes, method: str, target: str, language: str | None
) -> None:
    caller.send(sent)
    answer = caller.answer(method)
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert caller.rest() == b""
    (request,) = server.app.refused
    assert (request.method, request.target) == (method, target)
    assert request.headers.get("accept-language") == language


@pytest.mark.parametrize("pieces", [[b"GE", b"T /api/\xff HTTP/1.1"], [b"GET /ap", b"i/\xff HTTP/1.1"]])
def test_a_target_that_breaks_off_in_pieces_is_read_all_the_same(pieces: list[bytes]) -> None:
    incoming = Incoming(Line(), lambda _: ROOM, lambda: None, "http", 0, Heads(), Bodies())
    incoming.feed(pieces[0], 0)
    with pytest.raises(Unfit) as unfit:
        incoming.feed(pieces[1], 0)
    assert unfit.value.request.path == "/api/ÿ"


def test_what_is_refused_after_an_answer_is_not_taken_for_what_came_before(
    server: Server, caller: Caller
) -> None:
    caller.ask("HEAD /api/a\nAccept-Language: en", method="HEAD")
    caller.send(b"garbage\r\n\r\n")
    assert (caller.answer().status, caller.rest()) == (400, b"")
    (request,) = server.app.refused
    assert (request.method, request.target, request.headers) == ("GET", "/", {})


def test_a_body_comes_by_its_length_or_in_chunks(caller: Caller) -> None:
    assert caller.ask("POST /a\nContent-Length: 5 ", b"hello").body == b"POST /a hello"
    assert caller.ask(CHUNKED, b"2\r\nhe\r\n3;a=b\r\nllo\r\n0\r\n\r\n").body == b"POST /a hello"
    assert caller.ask("POST /a").body == b"POST /a "


@pytest.mark.parametrize("word", ["BREW", "get", "M-SEARCH", "A1.!", "GETS"])
def test_a_method_that_nobody_knows_is_for_whoever_is_called_to_judge(
    server: Server, caller: Caller, word: str
) -> None:
    for _ in range(2):
        assert caller.ask(f"{word} /a\nContent-Length: 5", b"hello").body == f"{word} /a hello".encode()
    assert caller.ask(f"{word} /a\nConnection: upgrade\nUpgrade: h2c").body == f"{word} /a ".encode()
    assert caller.ask("GET /a").body == b"GET /a "
    assert server.app.refused == []


def test_a_request_may_come_byte_by_byte(caller: Caller) -> None:
    sent = asked(CHUNKED) + b"2\r\nhe\r\n3\r\nllo\r\n0\r\nA: b\r\n\r\n"
    caller.send(*(bytes([byte]) for byte in sent))
    assert caller.answer().body == b"POST /a hello"


def test_trailers_are_nobodys_headers(server: Server, caller: Caller) -> None:
    caller.ask(CHUNKED, b"0\r\nAuthorization: Bearer a\r\n\r\n")
    caller.ask("GET /b")
    assert [request.headers.get("authorization") for request in server.app.requests] == [None, None]


def test_headers_are_known_by_lower_case_names_and_without_blanks(server: Server, caller: Caller) -> None:
    caller.ask("GET /\nX-A:  b \t \nX-Empty:")
    assert server.app.requests[0].headers == {"host": "portal", "x-a": "b", "x-empty": ""}


def test_a_header_that_is_repeated_has_all_its_values(server: Server, caller: Caller) -> None:
    caller.ask("GET /\nAccept: a\nCookie: a=b\nAccept: c\nCookie: d=e")
    headers = server.app.requests[0].headers
    assert (headers["accept"], headers["cookie"]) == ("a, c", "a=b; d=e")


def test_a_header_that_the_pages_would_take_for_another_is_dropped(server: Server, caller: Caller) -> None:
    caller.ask("GET /\nX_Forwarded_For: 10.0.0.1\nX-Keymanager_Front: a")
    assert server.app.requests[0].headers == {"host": "portal"}


def test_a_host_in_the_target_counts_instead_of_the_header(server: Server, caller: Caller) -> None:
    assert caller.ask("GET http://other:81/a?b").body == b"GET /a?b "
    assert server.app.requests[0].headers["host"] == "other:81"


def test_http_1_0_needs_no_host(caller: Caller) -> None:
    caller.send(b"GET /a HTTP/1.0\r\n\r\n")
    assert caller.answer().body == b"GET /a "


def test_the_whole_server_may_be_asked_for_its_options(caller: Caller) -> None:
    assert caller.ask("OPTIONS *").body == b"OPTIONS / "


@pytest.mark.parametrize("is_split", [False, True])
@pytest.mark.parametrize(
    ("framing", "body"),
    [
        ("Content-Length: 5", b"hello"),
        ("Transfer-Encoding: chunked", b"2\r\nhe\r\n3\r\nllo\r\n0\r\nA: b\r\n\r\n"),
    ],
)
def test_who_would_rather_speak_http_2_is_answered_with_its_body(
    server: Server, caller: Caller, framing: str, body: bytes, is_split: bool
) -> None:
    # As Java's HttpClient asks, each first time.
    sent = asked(f"POST /a\n{UPGRADE}\n{framing}") + body + asked("GET /next")
    caller.send(*(bytes([byte]) for byte in sent) if is_split else [sent])
    assert caller.answer().body == b"POST /a hello"
    assert caller.answer().body == b"GET /next "
    assert [request.headers.get("upgrade") for request in server.app.requests] == ["h2c", None]


def test_who_would_rather_speak_http_2_may_ask_without_a_body_and_again(caller: Caller) -> None:
    caller.send(asked(f"GET /a\n{UPGRADE}") * 1500)
    assert {caller.answer().body for _ in range(1500)} == {b"GET /a "}


def test_who_would_rather_speak_http_2_is_not_kept_where_it_is_to_be_the_last(caller: Caller) -> None:
    caller.send(asked("POST /a\nConnection: close, upgrade\nUpgrade: h2c\nContent-Length: 2") + b"hi")
    answer = caller.answer()
    assert (answer.body, answer.headers["connection"]) == (b"POST /a hi", "close")
    assert caller.rest() == b""


@pytest.mark.parametrize("framing", ["Transfer-Encoding: gzip, chunked", "Transfer-Encoding: identity"])
def test_a_wish_for_http_2_hides_no_body_from_the_rules(caller: Caller, framing: str) -> None:
    sent = asked(f"POST /a\n{UPGRADE}\n{framing}") + b"0\r\n\r\n"
    assert refused(caller, sent).status in (400, 501)


def test_a_wish_for_http_2_makes_no_body_longer(caller: Caller) -> None:
    sent = asked(f"POST /a\n{UPGRADE}\nContent-Length: {ROOM + 1}") + bytes(ROOM + 1)
    assert refused(caller, sent).status == 413


def test_who_waits_for_it_is_told_to_go_on(caller: Caller) -> None:
    caller.send(asked("POST /a\nExpect: 100-Continue\nContent-Length: 5"))
    assert caller.answer().status == 100
    caller.send(b"hello")
    assert caller.answer().body == b"POST /a hello"


def test_who_waits_with_a_body_that_is_too_long_need_not_send_it(caller: Caller) -> None:
    head = asked(f"POST /a\nExpect: 100-continue\nContent-Length: {ROOM + 1}")
    assert refused(caller, head).status == 413


def test_http_1_0_cannot_be_told_to_go_on(caller: Caller) -> None:
    caller.send(asked("POST /a HTTP/1.0\nExpect: 100-continue\nContent-Length: 5"), b"hello")
    assert caller.answer().body == b"POST /a hello"


def test_to_go_on_is_not_said_where_it_would_be_taken_for_another_answer(
    server: Server, caller: Caller
) -> None:
    caller.send(asked("GET /held") + asked("POST /a\nExpect: 100-continue\nContent-Length: 5"))
    held = server.held()
    caller.send(b"hello")
    server.do(lambda: held.answer(200, [], b"held"))
    assert [caller.answer().body for _ in range(2)] == [b"held", b"POST /a hello"]


@pytest.mark.parametrize("size", [ROOM, ROOM + 1])
def test_a_body_may_have_as_many_bytes_as_there_is_room_for(caller: Caller, size: int) -> None:
    assert caller.ask(f"POST /a\nContent-Length: {size}", bytes(size)).status == (200, 413)[size > ROOM]


def test_a_body_that_is_too_long_in_chunks_is_refused_too(caller: Caller) -> None:
    assert refused(caller, asked(CHUNKED) + b"64\r\n%b\r\n" % bytes(100) * 11).status == 413


def test_a_body_that_is_too_long_is_told_so_while_it_is_being_sent(caller: Caller) -> None:
    # More than the systems between take in: it must be heard, and thrown away.
    caller.send(asked("POST /a\nContent-Length: 50000000"), bytes(50_000_000))
    assert caller.answer().status == 413
    assert caller.rest() == b""


def test_the_room_for_a_body_goes_by_the_path_in_whichever_form_it_is_sent(caller: Caller) -> None:
    size = ROOM + 1
    caller.send(asked(f"POST http://portal/large\nContent-Length: {size}") + bytes(size), asked("GET /b"))
    # It was heard whole: the connection lives.
    assert caller.answer().status == 413
    assert caller.answer().status == 200


def test_a_body_in_a_million_parts_is_heard_as_fast_as_in_one(server: Server, caller: Caller) -> None:
    # Were it copied with each of them, that would be half a terabyte.
    caller.send(asked("POST /large\nTransfer-Encoding: chunked"), b"1\r\na\r\n" * 1_000_000, b"0\r\n\r\n")
    assert caller.answer().status == 413
    assert server.app.requests[0].body == b"a" * 1_000_000


# What requests are made of, in their order, and what they are broken with.
FIRST = [
    b"GET / HTTP/1.1\r\n",
    b"POST /a?b HTTP/1.1\r\n",
    b"POST http://b/ HTTP/1.0\r\n",
    b"CONNECT a:1 HTTP/1.1\r\n",
]
FIELDS = [b"A:  b \r\n", b"Connection: upgrade\r\nUpgrade: h2c\r\n", b"Expect: 100-continue\r\n"]
BODIES = [
    b"\r\n",
    b"Content-Length: 3\r\n\r\nabc",
    b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;a=b\r\nde\r\n0\r\nHost: b\r\n\r\n",
    b"Content-Length: 2000\r\n\r\n%b" % bytes(2000),
    b"Connection: close\r\n\r\n",
]
BREAKS = [b"\r\n", b"\n", b" ", b"\0", b"Transfer-Encoding: chunked\r\n", b"Content-Length: 4\r\n", b"0\r\n"]
REQUESTS = st.tuples(
    st.sampled_from(FIRST),
    st.just(b"Host: a\r\n"),
    st.lists(st.sampled_from(FIELDS), max_size=2).map(b"".join),
    st.lists(st.sampled_from(BREAKS), max_size=1).map(b"".join),
    st.sampled_from(BODIES),
).map(b"".join)


class Hearing:
    """One connection, and what is made of what it hears."""

    def __init__(self, heads: Heads | None = None) -> None:
        self._told: list[object] = []
        self._incoming = Incoming(Line(), lambda _: ROOM, self._go_on, "http", 0, heads or Heads(), Bodies())

    def _go_on(self) -> None:
        self._told.append("go on")

    def hear(self, piece: bytes) -> None:
        if self._incoming.is_over:
            return
        try:
            self._incoming.feed(piece, 0)
        except Unfit as unfit:
            self._told.append(unfit.status)

    def told(self) -> list[object]:
        requests = self._incoming.whole
        return self._told + [(one.method, one.target, one.headers, one.body, one.is_kept) for one in requests]


def heard(pieces: Iterable[bytes], heads: Heads | None = None) -> list[object]:
    """What is made of bytes that come in these pieces."""
    hearing = Hearing(heads)
    for piece in pieces:
        hearing.hear(piece)
    return hearing.told()


@given(st.lists(REQUESTS, max_size=4).map(b"".join), st.lists(st.integers(0, 500), max_size=8))
def test_it_makes_no_difference_in_which_pieces_it_comes(sent: bytes, cuts: list[int]) -> None:
    places = sorted({0, len(sent), *(cut for cut in cuts if cut < len(sent))})
    whole = heard([sent])
    assert heard(sent[start:end] for start, end in pairwise(places)) == whole
    assert heard(bytes([byte]) for byte in sent) == whole
