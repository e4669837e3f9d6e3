"""What the vendor client brings back, and how it names whatever else answers (vendor-protocol.md, HTTP)."""

import json
import socket
import zlib
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest

from licensing.vendor import errors
from licensing.vendor.answers import retry_after_seconds
from tests.vendor.servers import ScriptedServer, answering, closed_port, deaf_port, http, reset

REQUEST = "eyJhIjoxfQ.eyJiIjoyfQ.c2ln"


def problem(status: str, code: str, *headers: str) -> bytes:
    body = json.dumps({"type": f"/problems/{code}", "title": code, "code": code}).encode()
    return http(body, *headers, status=status, kind="application/problem+json")


def refusal(start, client, raw: bytes) -> errors.VendorError:
    """The error that a server with this answer makes."""
    server = start(answering(raw))
    with pytest.raises(errors.VendorError) as caught:
        client(server.port).contact(REQUEST)
    assert f"127.0.0.1:{server.port}" in str(caught.value)
    return caught.value


def test_contact_posts_the_request_and_returns_the_answer_as_received(start, client):
    server = start(answering(http(b"\n abc.def.ghi \r\n", kind="Application/JOSE; charset=utf-8")))
    assert client(server.port).contact(REQUEST) == "abc.def.ghi"
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /v1/contact HTTP/1.1\r\n")
    assert b"Content-Type: application/jose" in head.split(b"\r\n")
    assert body == REQUEST.encode()


def test_contact_keeps_the_path_of_the_authority_address(start, client):
    server = start(answering(http(b"a.b.c")))
    client(f"{server.port}/licences/").contact(REQUEST)
    assert server.requests[0].startswith(b"POST /licences/v1/contact ")


def test_contact_reads_an_answer_that_comes_in_chunks(start, client):
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/jose\r\nTransfer-Encoding: chunked\r\n\r\n"
    server = start(answering(head + b"4\r\na.b.\r\n1\r\nc\r\n0\r\n\r\n"))
    assert client(server.port).contact(REQUEST) == "a.b.c"


def test_contact_decodes_a_packed_answer(start, client):
    server = start(answering(http(zlib.compress(b"a.b.c"), "Content-Encoding: deflate")))
    assert client(server.port).contact(REQUEST) == "a.b.c"


def test_contact_ignores_proxies_and_log_ins_of_the_environment(start, client, monkeypatch, tmp_path):
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login a password b\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("all_proxy", "http://127.0.0.1:1")
    server = start(answering(http(b"a.b.c")))
    assert client(server.port).contact(REQUEST) == "a.b.c"
    assert b"Authorization" not in server.requests[0]


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        ("401 Unauthorized", "bad_signature", errors.RequestUnauthentic),
        ("400 Bad Request", "malformed", errors.RequestMalformed),
        ("409 Conflict", "replayed", errors.RequestReplayed),
    ],
)
def test_contact_tells_the_refusals_of_the_authority_apart(start, client, status, code, kind):
    error = refusal(start, client, problem(status, code))
    assert type(error) is kind
    assert error.code == code
    assert error.gives_up_request is (code != "bad_signature")


@pytest.mark.parametrize(
    "raw",
    [
        problem("409 Conflict", "malformed"),
        problem("400 Bad Request", "unheard_of"),
        http(b'{"code": "malformed"}', status="400 Bad Request", kind="application/json"),
        http(b'{"code": "malf', status="400 Bad Request", kind="application/problem+json"),
        http(b'["malformed"]', status="400 Bad Request", kind="application/problem+json"),
        http(b'{"code": 7}', status="400 Bad Request", kind="application/problem+json"),
        http(b"[" * 60_000, status="400 Bad Request", kind="application/problem+json"),
        http(b" " * 99_000, status="400 Bad Request", kind="application/problem+json"),
        http(b"?", "Content-Encoding: gzip", status="400 Bad Request", kind="application/problem+json"),
    ],
)
def test_a_refusal_counts_only_as_problem_json_with_its_own_status(start, client, raw):
    error = refusal(start, client, raw)
    assert error.code == "http_status"
    assert not error.gives_up_request


@pytest.mark.parametrize("status", [204, 404, 413, 500, 502])
def test_contact_names_any_other_status(start, client, status):
    error = refusal(start, client, http(b"", status=f"{status} Something"))
    assert (error.code, error.params["status"]) == ("http_status", status)


@pytest.mark.parametrize("status", [429, 503])
def test_contact_honours_retry_after_in_seconds(start, client, status):
    error = refusal(start, client, problem(f"{status} Later", "busy", "Retry-After: 60"))
    assert (error.code, error.retry_after, error.params["retry_after"]) == ("busy", 60, 60)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        (["Retry-After: 7200"], 3600),
        (["Retry-After: " + "9" * 5000], 3600),
        (["Retry-After: Tue, 24 Nov 2026 08:02:00 GMT", "Date: Tue, 24 Nov 2026 08:00:30 GMT"], 90),
        (["Retry-After: Tue, 24 Nov 2026 08:02:00 -0000", "Date: Tue, 24 Nov 2026 08:00:30 GMT"], 90),
        (["Retry-After: Thu, 24 Nov 2050 08:02:00 GMT", "Date: Tue, 24 Nov 2026 08:00:30 GMT"], 3600),
        (["Retry-After: Tue, 24 Nov 2020 08:02:00 GMT", "Date: Tue, 24 Nov 2026 08:00:30 GMT"], 0),
        (["Retry-After: Tue, 24 Nov 2026 08:02:00 GMT"], None),
        (["Retry-After: soon", "Date: Tue, 24 Nov 2026 08:00:30 GMT"], None),
        (["Retry-After: -5"], None),
        ([f"Retry-After: Tue, 24 Nov {'9' * 25} 08:02:00 GMT", "Date: Tue, 24 Nov 2026 08:00:30 GMT"], None),
        (
            ["Retry-After: Tue, 24 Nov 2026 08:02:00 GMT", f"Date: Tue, 24 Nov 2026 08:00:30 +{'9' * 25}"],
            None,
        ),
        ([], None),
    ],
)
def test_retry_after_is_bounded_to_an_hour_and_dates_count_from_the_answers_own(
    start, client, headers, seconds
):
    error = refusal(start, client, http(b"", *headers, status="503 Busy"))
    assert error.retry_after == seconds


@pytest.mark.parametrize("size", [b"-1", b"-5"])
def test_contact_reads_nothing_of_a_chunk_whose_size_is_below_zero(start, client, size):
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/jose\r\nTransfer-Encoding: chunked\r\n\r\n"
    sent: list[int] = []

    def endless(connection: socket.socket) -> None:
        server.read_request(connection)
        connection.sendall(head + size + b"\r\n")
        for number in range(64):
            connection.sendall(b"A" * 1024 * 1024)
            sent.append(number)

    server = start(ScriptedServer(endless))
    with pytest.raises(errors.ConnectionLost):
        client(server.port).contact(REQUEST)
    server.close()
    assert len(sent) < 16, "MiB were read"


def test_what_a_stranger_answers_is_told_without_control_characters(start, client):
    error = refusal(start, client, http(b"?", kind="text/\x00\x1b[2J"))
    assert error.params["content"] == "text/\ufffd\ufffd[2j"
    error = refusal(start, client, http(b"", "Location: http://a\x00b/", status="302 Found"))
    assert error.params["location"] == "http://a\ufffdb"


def test_contact_follows_no_redirect(start, client):
    away = start(answering(http(b"a.b.c")))
    location = f"Location: http://127.0.0.1:{away.port}/portal?session=secret"
    error = refusal(start, client, http(b"", location, status="302 Found"))
    assert (error.code, error.params["location"]) == ("redirected", "http://127.0.0.1")
    assert away.requests == []


@pytest.mark.parametrize("location", ["/log-in", "http://[", ""])
def test_a_redirect_that_names_no_host_is_told_too(start, client, location):
    error = refusal(start, client, http(b"", f"Location: {location}", status="307 Elsewhere"))
    assert (error.code, error.params["location"]) == ("redirected", "/")


@pytest.mark.parametrize(
    "raw",
    [
        http(b"<html>Welcome to the hotel</html>", kind="text/html; charset=utf-8"),
        http(b"a.b.c", kind="text/plain"),
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\na.b.c",
        http("zażółć".encode()),
        http(b"not packed", "Content-Encoding: gzip"),
        b"220 mail.example.com ESMTP ready\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X-Filler: " + b"x" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X-Filler: xxxx\r\n" * 90 + b"X: " + b"x" * 64_000 + b"\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 9000,
    ],
)
def test_contact_knows_what_is_not_the_vendor(start, client, raw):
    assert refusal(start, client, raw).code == "not_the_vendor"


def test_contact_tells_a_connection_closed_at_once(start, client):
    server = start(ScriptedServer(lambda connection: None))
    with pytest.raises(errors.ConnectionLost, match=f"127.0.0.1:{server.port} was closed"):
        client(server.port).contact(REQUEST)


def test_contact_tells_a_connection_closed_before_the_answer(start, client):
    assert refusal(start, client, b"").code == "connection_lost"


def test_contact_tells_an_answer_cut_short(start, client):
    raw = http(b"a.b.c").replace(b"Content-Length: 5", b"Content-Length: 500")
    assert refusal(start, client, raw).code == "connection_lost"


def test_contact_tells_a_reset_connection(start, client):
    server = start(ScriptedServer(lambda _: None))

    def script(connection: socket.socket) -> None:
        server.read_request(connection)
        reset(connection)

    server.script = script
    with pytest.raises(errors.ConnectionLost):
        client(server.port).contact(REQUEST)


def test_contact_tells_a_refused_connection_with_host_and_port(client):
    with closed_port() as port, pytest.raises(errors.ConnectRefused) as caught:
        client(port).contact(REQUEST)
    assert f"connections to 127.0.0.1:{port} in the firewall" in str(caught.value)


def test_contact_tells_an_unknown_host(client):
    with pytest.raises(errors.DnsFailed, match=r"nowhere\.invalid") as caught:
        client(443, "https", "nowhere.invalid").contact(REQUEST)
    assert (caught.value.params["host"], caught.value.params["port"]) == ("nowhere.invalid", 443)


def test_contact_tells_that_there_is_no_way_to_the_host(client):
    with pytest.raises(errors.NoRoute, match=r"255\.255\.255\.255:443"):
        client(443, "https", "255.255.255.255").contact(REQUEST)


def test_contact_tries_every_address_of_a_host(start, client):
    server = start(answering(http(b"a.b.c")))  # on 127.0.0.1 only; localhost may be ::1 first
    assert client(server.port, host="localhost").contact(REQUEST) == "a.b.c"


def test_an_address_that_drops_packets_leaves_time_for_the_next(start, client, monkeypatch):
    server = start(answering(http(b"a.b.c")))
    with deaf_port() as deaf:
        places = [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)) for port in (deaf, server.port)
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: places)
        assert client(443, host="localhost", deadline_seconds=2).contact(REQUEST) == "a.b.c"


def test_contact_reaches_an_authority_on_ipv6(start, client):
    server = start(answering(http(b"a.b.c"), host="::1"))
    assert client(server.port, host="[::1]").contact(REQUEST) == "a.b.c"


def test_retry_after_dates_are_those_python_writes():
    noon, later = (datetime(2026, 11, 24, 12, minute, tzinfo=UTC) for minute in (0, 5))
    dates = (format_datetime(instant, usegmt=True) for instant in (later, noon))
    assert retry_after_seconds(*dates) == 300
