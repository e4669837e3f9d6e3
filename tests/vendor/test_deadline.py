"""One attempt takes its 15 s at most, whatever the server drips, and 20 MiB of memory at most."""

import gc
import gzip
import socket
import threading
import time
import tracemalloc

import psutil
import pytest

from licensing.vendor import client as vendor_client
from licensing.vendor import errors
from licensing.vendor.wire import Stage, Wire
from tests.vendor.conftest import PROMPT, SHORT
from tests.vendor.servers import ScriptedServer, answering, deaf_port, endless, http
from tests.vendor.test_client import REQUEST

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/jose\r\n"
PROBLEM = b"HTTP/1.1 400 Bad Request\r\nContent-Type: application/problem+json"
MIB = 1024 * 1024


def error_within(limit: float, contact) -> errors.VendorError:
    """The error of a contact, which must come at its deadline and soon leave no thread behind."""
    before = time.monotonic()
    with pytest.raises(errors.VendorError) as caught:
        contact(REQUEST)
    assert time.monotonic() - before < limit
    return caught.value


def attempts_alive() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "vendor-contact"]


def nothing_left_behind() -> bool:
    """Whether the abandoned threads end by themselves soon, and with them their sockets."""
    for thread in attempts_alive():
        thread.join(2)
    return not attempts_alive()


def test_the_deadline_and_the_size_are_those_of_the_contract():
    assert vendor_client.DEADLINE_SECONDS == 15
    assert vendor_client.MAX_BYTES == 4 * MIB


@pytest.mark.parametrize(
    ("first", "again"),
    [
        (b"", b"H"),  # not even a status line
        (HEAD + b"X-Slow: ", b"x"),
        (HEAD + b"Content-Length: 9999\r\n\r\n", b"a"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n"),
        (HEAD.replace(b"jose", b"problem+json").replace(b"200", b"400") + b"\r\n", b" "),
        (b"HTTP/1.1 100 Continue\r\n\r\n", b"H"),
    ],
    ids=["status", "headers", "body", "chunks", "problem", "interim"],
)
def test_a_dripping_server_ends_with_the_deadline(start, client, first, again):
    server = start(endless(first, again, pause=0.05))
    error = error_within(PROMPT, client(server.port, deadline_seconds=SHORT).contact)
    assert error.code == "too_slow"
    assert f"within {SHORT} s" in str(error)
    assert nothing_left_behind()


def test_a_server_that_never_answers_ends_with_the_deadline(start, client):
    server = start(ScriptedServer(lambda connection: connection.recv(1) and time.sleep(2 * SHORT)))
    assert error_within(PROMPT, client(server.port, deadline_seconds=SHORT).contact).code == "too_slow"


def test_a_handshake_that_never_ends_ends_with_the_deadline(start, client):
    server = start(ScriptedServer(lambda connection: time.sleep(2 * SHORT)))
    contact = client(server.port, "https", deadline_seconds=SHORT).contact
    assert error_within(PROMPT, contact).code == "too_slow"
    assert nothing_left_behind()


def test_a_server_that_drips_under_tls_is_cut_too(start, client, certificate):
    server = start(endless(HEAD, b"X", pause=0.05))
    server.context = certificate()
    contact = client(server.port, "https", deadline_seconds=SHORT).contact
    assert error_within(PROMPT, contact).code == "too_slow"
    assert nothing_left_behind()


def test_connecting_to_a_port_that_drops_packets_ends_with_the_deadline(client):
    with deaf_port() as port:
        error = error_within(PROMPT, client(port, deadline_seconds=SHORT).contact)
        assert error.code == "connect_timeout"
        assert nothing_left_behind()


def test_a_name_look_up_that_hangs_ends_with_the_deadline_and_connects_to_nobody(start, client, monkeypatch):
    server = start(answering(http(b"a.b.c")))
    release = threading.Event()
    look_up = socket.getaddrinfo

    def hang(*args, **kwargs):
        release.wait(5)
        return look_up(*args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    error = error_within(PROMPT, client(server.port, deadline_seconds=SHORT).contact)
    assert error.code == "dns_failed"
    release.set()
    assert nothing_left_behind()
    assert server.requests == []


@pytest.mark.parametrize(
    "start_of_body",
    [b"\r\n", b"Content-Length: 99999999999\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFF\r\n"],
    ids=["until the end", "length", "chunk"],
)
def test_an_endless_body_is_too_large(start, client, start_of_body):
    server = start(endless(HEAD + start_of_body, b"x" * 65536))
    error = error_within(PROMPT, client(server.port).contact)
    assert (error.code, error.params["limit"]) == ("too_large", 4 * MIB)
    assert nothing_left_behind()


def test_an_endless_chunk_size_is_no_answer(start, client):
    server = start(endless(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"0" * 65536))
    assert error_within(PROMPT, client(server.port).contact).code == "connection_lost"


def test_an_answer_of_just_the_largest_size_is_taken(start, client):
    server = start(answering(http(b"a" * 1000)))
    assert client(server.port, max_bytes=1000).contact(REQUEST) == "a" * 1000
    with pytest.raises(errors.TooLarge):
        client(server.port, max_bytes=999).contact(REQUEST)


def packed(times: int, headers: str) -> bytes:
    bomb = b"x" * (64 * MIB)
    for _ in range(times):
        bomb = gzip.compress(bomb, 9)
    return http(bomb, f"Content-Encoding: {headers}")


BODIES = {
    "bomb": lambda: answering(packed(1, "gzip")),
    "bomb in a bomb": lambda: answering(packed(2, "gzip, gzip")),
    "endless": lambda: endless(HEAD + b"\r\n", b"x" * 65536),
    "redirect": lambda: endless(b"HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n", b"x" * 65536),
    "status": lambda: endless(b"HTTP/1.1 500 Oops\r\n\r\n", b"x" * 65536),
    "problem": lambda: endless(PROBLEM + b"\r\n\r\n", b"x" * 65536),
    "headers": lambda: answering(b"HTTP/1.1 200 OK\r\n" + (b"X: " + b"x" * 65000 + b"\r\n") * 99 + b"\r\n"),
    "largest": lambda: answering(http(b"a" * (4 * MIB))),
}


@pytest.mark.parametrize("body", BODIES)
def test_no_answer_takes_more_than_20_mib(start, client, body):
    server = start(BODIES[body]())
    contact = client(server.port).contact
    gc.collect()
    tracemalloc.start()
    try:
        outcome = _outcome(contact)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert outcome in {"answered", "too_large", "not_the_vendor", "redirected", "http_status"}
    assert (outcome == "answered") is (body == "largest")
    assert peak < 20 * MIB


def _outcome(contact) -> str:
    try:
        contact(REQUEST)
    except errors.VendorError as error:
        return error.code
    return "answered"


def test_fifty_contacts_of_every_outcome_leave_no_thread_and_no_socket(start, client):
    good = start(answering(http(b"a.b.c")))
    slow = start(endless(HEAD, b"X", pause=0.02))
    for _ in range(25):
        assert client(good.port).contact(REQUEST) == "a.b.c"
        error_within(PROMPT, client(slow.port, deadline_seconds=0.02).contact)
    assert nothing_left_behind()
    gc.collect()
    assert sockets_to(good, slow) == []


@pytest.mark.parametrize("raw", [http(b"a.b.c"), http(b"", status="500 Oops")])
def test_an_attempt_that_ended_holds_no_socket(start, client, raw):
    server = start(answering(raw))
    attempt = client(server.port).begin(REQUEST)
    _outcome(lambda _: attempt.result())
    assert sockets_to(server) == []


def test_a_line_that_was_cut_stays_at_the_stage_at_which_it_was_cut():
    line = Wire(15, time.monotonic, lambda _stage, _at: None)
    line.enter(Stage.DNS)
    line.cut()
    with pytest.raises(errors.DnsFailed):
        line.enter(Stage.TCP)
    with socket.socket() as sock, pytest.raises(errors.DnsFailed):
        line.hold(sock)
    assert line.late().code == "dns_failed"


def sockets_to(*servers: ScriptedServer) -> list[object]:
    """The sockets that this process still has open towards these servers."""
    ports = {server.port for server in servers}
    connections = psutil.Process().net_connections("tcp")
    return [one for one in connections if one.raddr and one.raddr.port in ports]
