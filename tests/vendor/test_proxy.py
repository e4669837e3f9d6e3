"""The proxy: log-in with Polish letters, and each of its faults by its own name."""

import logging
import socket
from base64 import b64encode

import pytest

from licensing.vendor import errors
from licensing.vendor.client import Proxy
from tests.vendor.conftest import PASSWORD, PROMPT, SHORT
from tests.vendor.servers import ScriptedServer, answering, closed_port, deaf_port, endless, http, real_proxy
from tests.vendor.servers import reset as reset_connection
from tests.vendor.test_client import REQUEST, problem
from tests.vendor.test_deadline import error_within, nothing_left_behind

ANSWER = http(b"a.b.c")


def fault(client, proxy: Proxy, **settings: object) -> errors.VendorError:
    """The error of a contact with an https target through this proxy."""
    with pytest.raises(errors.VendorError) as caught:
        client(9, "https", "licences.example.com", proxy=proxy, **settings).contact(REQUEST)
    assert f"{proxy.host}:{proxy.port}" in str(caught.value)
    assert "licences.example.com:9" in str(caught.value)
    return caught.value


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_log_in_with_polish_letters_opens_the_proxy(start, client, certificate, login_proxy, scheme):
    server = start(answering(ANSWER, certificate() if scheme == "https" else None))
    assert client(server.port, scheme, proxy=login_proxy).contact(REQUEST) == "a.b.c"
    assert b"Proxy-Authorization" not in server.requests[0]


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(
    "log_in", [("łukasz", "wrong"), ("lukasz", PASSWORD), (None, None), ("łukasz", None)]
)
def test_a_wrong_log_in_is_one_thing_for_http_and_https(
    start, client, certificate, login_proxy, scheme, log_in
):
    server = start(answering(ANSWER, certificate() if scheme == "https" else None))
    wrong = Proxy(login_proxy.host, login_proxy.port, *log_in)
    with pytest.raises(errors.ProxyLogin) as caught:
        client(server.port, scheme, proxy=wrong).contact(REQUEST)
    assert f"{wrong.host}:{wrong.port}" in str(caught.value)
    assert server.requests == []


def test_a_proxy_without_log_in_is_sent_none(start, client, certificate, tmp_path):
    server = start(answering(ANSWER, certificate()))
    with real_proxy(tmp_path) as port:
        assert client(server.port, "https", proxy=Proxy("127.0.0.1", port)).contact(REQUEST) == "a.b.c"
    assert Proxy("proxy", 3128).headers() == {}


def test_the_password_is_in_no_log_no_error_and_no_repr(start, client, certificate, login_proxy, caplog):
    server = start(answering(ANSWER, certificate()))
    wrong = Proxy(login_proxy.host, login_proxy.port, "łukasz", "tajne-hasło-7")
    with caplog.at_level(logging.DEBUG), pytest.raises(errors.ProxyLogin) as caught:
        client(server.port, "https", proxy=wrong).contact(REQUEST)
    told = caplog.text + repr(wrong) + repr(caught.value) + str(caught.value.params) + wrong.url
    for form in ("tajne-hasło-7", "tajne-has", b64encode("łukasz:tajne-hasło-7".encode()).decode()):
        assert form not in told


def test_a_dead_proxy_is_unreachable(client):
    with closed_port() as port:
        assert fault(client, Proxy("127.0.0.1", port)).code == "proxy_unreachable"


def test_a_proxy_that_drops_packets_is_unreachable(client):
    with deaf_port() as port:
        error = fault(client, Proxy("127.0.0.1", port), deadline_seconds=SHORT)
        assert error.code == "proxy_unreachable"
        assert nothing_left_behind()


def test_an_unknown_proxy_is_told_as_such(client):
    assert fault(client, Proxy("proxy.invalid", 3128)).code == "proxy_dns_failed"


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_cannot_reach_the_vendor_has_its_own_name(client, login_proxy, scheme):
    with closed_port() as port, pytest.raises(errors.ProxyRefused) as caught:
        client(port, scheme, proxy=login_proxy).contact(REQUEST)
    assert caught.value.params["status"] in (502, 503, 504)


@pytest.mark.parametrize("status", ["403 Forbidden", "405 Method Not Allowed", "500 Oops", "301 Moved"])
def test_a_proxy_that_opens_no_way_is_told_with_its_status(start, client, status):
    server = start(answering(http(b"", status=status)))
    error = fault(client, Proxy("127.0.0.1", server.port))
    assert (error.code, error.params["status"]) == ("proxy_refused", int(status[:3]))


@pytest.mark.parametrize("raw", [b"", b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000])
def test_a_proxy_that_closes_or_is_none_is_told(start, client, raw):
    server = start(answering(raw))
    assert fault(client, Proxy("127.0.0.1", server.port)).code == "proxy_lost"


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_resets_is_told(start, client, scheme):
    server = start(ScriptedServer(lambda _: None))

    def script(connection: socket.socket) -> None:
        server.read_request(connection)
        reset_connection(connection)

    server.script = script
    with pytest.raises(errors.ProxyLost):
        client(9, scheme, proxy=Proxy("127.0.0.1", server.port)).contact(REQUEST)


@pytest.mark.parametrize("first", [b"", b"HTTP/1.1 200 OK\r\n"])
def test_a_proxy_that_drips_ends_with_the_deadline(start, client, first):
    server = start(endless(first, b"H", pause=0.05))
    proxy = Proxy("127.0.0.1", server.port)
    contact = client(9, "https", "licences.example.com", proxy=proxy, deadline_seconds=SHORT).contact
    assert error_within(PROMPT, contact).code == "proxy_too_slow"
    assert nothing_left_behind()


def test_a_proxy_that_opens_tls_is_told_by_the_name_of_its_ca(start, client, certificate, ca_file):
    """A company's proxy that shows its own certificate: refused with its name, taken with its CA."""
    inside = certificate("licences.example.com")
    server = start(ScriptedServer(lambda _: None))

    def script(connection: socket.socket) -> None:
        server.read_request(connection)
        connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        with inside.wrap_socket(connection, server_side=True) as opened:
            server.read_request(opened)
            opened.sendall(ANSWER)

    server.script = script
    way = {"proxy": Proxy("127.0.0.1", server.port)}
    with pytest.raises(errors.TlsUntrusted, match="Firma Testowa"):
        client(443, "https", "licences.example.com", ca_file=None, **way).contact(REQUEST)
    assert client(443, "https", "licences.example.com", **way).contact(REQUEST) == "a.b.c"


def test_a_407_without_a_proxy_is_a_status_like_any_other(start, client):
    server = start(answering(http(b"", status="407 Proxy Authentication Required")))
    with pytest.raises(errors.HttpStatus):
        client(server.port).contact(REQUEST)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_refuses_the_log_in_with_401_is_understood(start, client, scheme):
    server = start(answering(http(b"<html>", status="401 Unauthorized", kind="text/html")))
    with pytest.raises(errors.ProxyLogin):
        client(9, scheme, proxy=Proxy("127.0.0.1", server.port)).contact(REQUEST)


def test_the_authoritys_own_401_through_a_proxy_is_no_matter_of_the_log_in(start, client):
    server = start(answering(problem("401 Unauthorized", "bad_signature")))
    with pytest.raises(errors.RequestUnauthentic):
        client(9, proxy=Proxy("127.0.0.1", server.port)).contact(REQUEST)
