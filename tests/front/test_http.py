"""The bytes of an answer, and what a request says of itself."""

import re
from typing import Any

import pytest

from licensing.front.http import Request, Stream, addressed, fields_of

DATE = re.compile(rb"date: [A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT\r\n")


class Line:
    """Keeps what was sent."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.failed: list[bytes] = []
        self.in_chunks: list[bool] = []

    def send(self, answer: bytes) -> None:
        self.sent.append(answer)

    def send_first(self, head: bytes, *, in_chunks: bool) -> Stream:
        self.sent.append(head)
        self.in_chunks.append(in_chunks)
        return None  # type: ignore[return-value]

    def fail(self, answer: bytes) -> None:
        self.failed.append(answer)


def request(method: str = "GET", target: str = "/", **more: Any) -> Request:
    return Request(Line(), method, target, {}, **more)


def written(asked: Request, status: int = 200, body: bytes = b"") -> bytes:
    """An answer without its date, which it must have."""
    answer, dates = DATE.subn(b"", asked.written(status, "x-a: b\r\n", body))
    assert dates == 1
    return answer


def test_an_answer_has_its_status_headers_length_and_body() -> None:
    assert written(request(), 404, b"gone") == (
        b"HTTP/1.1 404 Not Found\r\nx-a: b\r\ncontent-length: 4\r\n\r\ngone"
    )


def test_an_empty_answer_says_that_it_is_empty() -> None:
    assert written(request()) == b"HTTP/1.1 200 OK\r\nx-a: b\r\ncontent-length: 0\r\n\r\n"


def test_a_status_that_nobody_named_has_no_reason() -> None:
    assert written(request(), 599).startswith(b"HTTP/1.1 599 \r\n")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(("status", "reason"), [(204, b"No Content"), (304, b"Not Modified")])
def test_an_answer_without_a_body_says_no_word_of_one(status: int, reason: bytes, method: str) -> None:
    # A body would be taken for the beginning of the next answer.
    answer = written(request(method), status, b"nobody reads this")
    assert answer == b"HTTP/1.1 %d %b\r\nx-a: b\r\n\r\n" % (status, reason)


def test_the_answer_to_head_names_the_length_that_get_would_have_had_and_ends() -> None:
    assert written(request("HEAD"), 200, b"gone").endswith(b"content-length: 4\r\n\r\n")
    # What passed no body on does not know.
    assert b"content-length" not in written(request("HEAD"))


@pytest.mark.parametrize(
    ("is_new", "is_kept", "said"),
    [
        (True, True, b""),
        (True, False, b"connection: close\r\n"),
        (False, True, b"connection: keep-alive\r\n"),
        (False, False, b""),
    ],
)
def test_what_becomes_of_the_connection_is_said_where_the_version_does_not_tell(
    is_new: bool, is_kept: bool, said: bytes
) -> None:
    answer = written(request(is_new=is_new, is_kept=is_kept))
    assert answer == b"HTTP/1.1 200 OK\r\nx-a: b\r\n" + said + b"content-length: 0\r\n\r\n"


@pytest.mark.parametrize("is_kept", [True, False])
def test_a_stream_comes_in_chunks_where_the_caller_knows_them(is_kept: bool) -> None:
    asked = request(is_kept=is_kept)
    asked.stream(200, [("x-a", "b")])
    line: Any = asked.line
    assert line.in_chunks == [True]
    assert line.sent[0].endswith(b"transfer-encoding: chunked\r\n\r\n")
    assert (b"connection: close" in line.sent[0]) is not is_kept


def test_a_stream_to_an_old_caller_ends_with_the_connection() -> None:
    asked = request(is_new=False, is_kept=True)
    asked.stream(200, [])
    line: Any = asked.line
    assert line.in_chunks == [False]
    assert b"transfer-encoding" not in line.sent[0]
    assert b"keep-alive" not in line.sent[0]
    assert asked.is_kept is False


def test_what_went_wrong_is_told_without_a_word_on_it() -> None:
    asked = request()
    asked.fail()
    line: Any = asked.line
    assert line.failed[0].startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
    assert line.failed[0].endswith(b"\r\n\r\nInternal error.\n")


def test_headers_keep_the_bytes_that_they_came_with() -> None:
    assert b"x-a: \xe9\r\n" in request().written(200, fields_of([("x-a", "\xe9")]))


def test_the_path_is_decoded_and_the_query_is_not() -> None:
    asked = request(target="/a%20b/%C5%82?c=%20&d=?")
    assert (asked.path, asked.query) == ("/a b/ł", "c=%20&d=?")
    assert (request(target="/a").path, request(target="/a").query) == ("/a", "")


@pytest.mark.parametrize(
    ("target", "path", "host"),
    [
        ("/a/b?c=d", "/a/b?c=d", None),
        ("/a#part", "/a", None),
        ("//elsewhere/a", "//elsewhere/a", None),
        ("*", "/", None),
        ("http://portal", "/", "portal"),
        ("http://portal:8000/a?b=c#d", "/a?b=c", "portal:8000"),
        ("HTTPS://portal?b", "/?b", "portal"),
        ("http://[::1]:80/a", "/a", "[::1]:80"),
    ],
)
def test_every_form_of_a_target_is_a_path_and_may_name_the_host(
    target: str, path: str, host: str | None
) -> None:
    assert addressed(target) == (path, host)


@pytest.mark.parametrize(
    "target", ["portal:443", "", "a", "http:a", "http:///a", "http://me@portal/", "http://[/"]
)
def test_a_target_that_leads_nowhere_is_none(target: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whatever it says, nobody reads it
        addressed(target)
