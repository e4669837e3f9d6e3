"""The walk: each step as it happens, up to the first failure, named as any contact would name it."""

import socket
import threading
from datetime import UTC, datetime, timedelta

import pytest

from licensing.protocol.errors import BadSignature, MalformedMessage, WrongMessage
from licensing.vendor import errors
from licensing.vendor.client import Proxy, VendorClient
from licensing.vendor.diagnosis import TITLES, Step, step_names, walk
from tests.vendor.conftest import PROMPT, SHORT
from tests.vendor.servers import ScriptedServer, answering, closed_port, endless, http
from tests.vendor.test_client import REQUEST
from tests.vendor.test_deadline import HEAD, nothing_left_behind

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
ANSWER = http(b"a.b.c")


def steps(client: VendorClient, check=lambda body: None) -> list[Step]:
    return list(walk(client, REQUEST, check, now=NOW))


def outcome(walked: list[Step]) -> tuple[list[str], str | None]:
    """The names walked and the code of the last; all but the last must be good."""
    assert all(step.ok and step.code is None for step in walked[:-1])
    assert all(step.seconds >= 0 for step in walked)
    assert walked[-1].ok is (walked[-1].code is None)
    return [step.name for step in walked], walked[-1].code


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_good_way_is_walked_to_the_signature_and_the_clock(start, client, certificate, scheme):
    server = start(answering(ANSWER, certificate() if scheme == "https" else None))
    names = [
        "configuration",
        "dns",
        "tcp",
        *(["tls"] if scheme == "https" else []),
        "http",
        "signature",
        "clock",
    ]
    walker = client(server.port, scheme)
    assert outcome(steps(walker, lambda body: NOW)) == (names, None)
    assert step_names(walker) == names


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_good_way_through_a_proxy_has_its_steps(start, client, certificate, login_proxy, scheme):
    server = start(answering(ANSWER, certificate() if scheme == "https" else None))
    names = ["configuration", "dns", "proxy", "proxy_login"]
    names += ["tcp", "tls"] if scheme == "https" else []
    walker = client(server.port, scheme, proxy=login_proxy)
    assert outcome(steps(walker)) == ([*names, "http", "signature"], None)
    assert step_names(walker) == [*names, "http", "signature", "clock"]


def test_every_step_has_a_title():
    walker = VendorClient("https://licences.example.com", proxy=Proxy("proxy", 3128))
    assert list(TITLES) == step_names(walker)


def test_the_check_is_given_the_answer_as_received(start, client):
    server = start(answering(ANSWER))
    seen: list[str] = []
    steps(client(server.port), seen.append)
    assert seen == ["a.b.c"]


def test_a_wrong_address_fails_at_the_configuration():
    walker = VendorClient("http://licences.example.com")
    assert outcome(steps(walker)) == (["configuration"], "not_configured")
    assert step_names(walker) == ["configuration", "signature", "clock"]


def test_an_unknown_host_fails_at_dns(client):
    assert outcome(steps(client(443, "https", "nowhere.invalid"))) == (["configuration", "dns"], "dns_failed")


def test_a_closed_port_fails_at_tcp(client):
    with closed_port() as port:
        walked = steps(client(port, "https"))
    assert outcome(walked) == (["configuration", "dns", "tcp"], "connect_refused")
    assert walked[-1].params["port"] == port


def test_a_bad_certificate_fails_at_tls(start, client, certificate):
    server = start(answering(ANSWER, certificate("example.com")))
    names = ["configuration", "dns", "tcp", "tls"]
    assert outcome(steps(client(server.port, "https"))) == (names, "tls_wrong_host")


def test_a_web_page_fails_at_http(start, client):
    server = start(answering(http(b"<html>", kind="text/html")))
    assert outcome(steps(client(server.port))) == (["configuration", "dns", "tcp", "http"], "not_the_vendor")


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_wrong_log_in_fails_at_the_proxys_log_in(client, login_proxy, scheme):
    walker = client(9, scheme, proxy=Proxy(login_proxy.host, login_proxy.port, "łukasz", "wrong"))
    assert outcome(steps(walker)) == (["configuration", "dns", "proxy", "proxy_login"], "proxy_login")


def test_a_dead_proxy_fails_before_its_log_in(client):
    with closed_port() as port:
        walker = client(9, "https", proxy=Proxy("127.0.0.1", port))
        assert outcome(steps(walker)) == (["configuration", "dns", "proxy"], "proxy_unreachable")


def test_a_proxy_that_opens_no_way_fails_after_its_log_in(start, client):
    server = start(answering(http(b"", status="403 Forbidden")))
    names, code = outcome(steps(client(9, "https", proxy=Proxy("127.0.0.1", server.port))))
    assert (names[-2:], code) == (["proxy_login", "tcp"], "proxy_refused")


@pytest.mark.parametrize(
    ("refused", "code"),
    [(BadSignature, "forged"), (WrongMessage, "wrong_answer"), (MalformedMessage, "answer_damaged")],
)
def test_an_answer_that_is_not_the_vendors_fails_at_the_signature(start, client, refused, code):
    def check(body: str) -> None:
        raise refused("no")

    walked = steps(client(start(answering(ANSWER)).port), check)
    assert outcome(walked) == (["configuration", "dns", "tcp", "http", "signature"], code)
    assert walked[-1].params["host"] == "127.0.0.1"


def test_a_check_may_name_the_fault_itself(start, client):
    def check(body: str) -> None:
        raise errors.WrongAnswer(host="127.0.0.1", port=9400)

    assert outcome(steps(client(start(answering(ANSWER)).port), check))[1] == "wrong_answer"


def test_an_error_of_the_check_that_is_no_refusal_is_not_hidden(start, client):
    server = start(answering(ANSWER))
    with pytest.raises(ZeroDivisionError):
        steps(client(server.port), lambda body: 1 / 0)


@pytest.mark.parametrize("days", [-2, 2])
def test_a_clock_two_days_off_is_told_last_with_the_difference(start, client, days):
    server = start(answering(ANSWER))
    walked = steps(client(server.port), lambda body: NOW + timedelta(days=days))
    assert outcome(walked)[1] == "clock_off"
    assert walked[-1].name == "clock"
    assert walked[-1].params["minutes"] == 2880
    assert walked[-1].params["difference_seconds"] == pytest.approx(-days * 86400, abs=5)


def test_a_step_is_told_while_the_next_is_still_under_way(start, client):
    server = start(ScriptedServer(lambda _: None))
    go_on = threading.Event()

    def script(connection: socket.socket) -> None:
        server.read_request(connection)
        go_on.wait(5)
        connection.sendall(ANSWER)

    server.script = script
    walking = walk(client(server.port), REQUEST, lambda body: None, now=NOW)
    assert [next(walking).name for _ in range(3)] == ["configuration", "dns", "tcp"]
    go_on.set()
    assert [step.name for step in walking] == ["http", "signature"]


def test_a_server_that_drips_ends_the_walk_with_the_deadline(start, client):
    server = start(endless(HEAD, b"X", pause=0.05))
    walked = steps(client(server.port, deadline_seconds=SHORT))
    assert outcome(walked) == (["configuration", "dns", "tcp", "http"], "too_slow")
    assert walked[-1].seconds < PROMPT
    assert nothing_left_behind()


def test_a_walk_that_is_left_cuts_the_attempt(start, client):
    server = start(endless(HEAD, b"X", pause=0.05))
    walking = walk(client(server.port), REQUEST, lambda body: None, now=NOW)
    assert next(walking).ok
    walking.close()
    assert nothing_left_behind()
