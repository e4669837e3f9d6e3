"""The front's server: its sockets, TLS, many callers, and its end."""

import contextlib
import signal
import socket
import ssl
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest
import trustme

from licensing.front.connection import STALLED_SECONDS
from licensing.front.incoming import HEAD_SECONDS
from licensing.front.server import ACCEPTED_AT_ONCE, GRACE_SECONDS, _listening, tls
from licensing.serving.ports import free_port
from tests.front.talking import PATIENCE, Caller, Server, asked, serving
from tests.portal_process import ROOT, wait_until

# A server in a process of its own. What is said of numbers is carried out before it serves.
SERVER = """
import os, pathlib, resource, sys
from licensing.front import incoming, server

class App:
    def start(self, loop):
        self.loop = loop
    def stop(self):
        print("stopped", flush=True)
    def longest_body(self, target):
        return 1000
    def refuse(self, request, status, why):
        request.say(status, why)
    def handle(self, request):
        if request.path == "/large":
            request.answer(200, [], bytes(30_000_000))
        elif request.path == "/held" and not pathlib.Path("go").exists():
            self.loop.call_later(0.01, self.handle, request)
        else:
            request.answer(200, [], f"{request.scheme} {request.client}".encode())

host, port, tls, numbers = sys.argv[1:]
exec(numbers)
pair = (pathlib.Path("cert.pem"), pathlib.Path("key.pem")) if tls == "tls" else (None, None)
server.serve(App(), host, int(port), *pair)
"""


class Serving:
    """Such a process, in a folder of the test's own."""

    def __init__(
        self, folder: Path, host: str = "127.0.0.1", numbers: str = "", *, tls: bool = False
    ) -> None:
        self.folder, self.port = folder, free_port()
        self._log = (folder / "log").open("wb")
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVER, host, str(self.port), "tls" if tls else "", numbers],
            cwd=folder,
            env={"PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=self._log,
        )
        self._host = host

    def __enter__(self) -> Self:
        wait_until(self.is_there, PATIENCE, self.log)
        return self

    def __exit__(self, *about: object) -> None:
        self.process.kill()
        self.process.communicate()
        self._log.close()

    def is_there(self) -> bool:
        try:
            socket.create_connection((self._host, self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def call(self, host: str | None = None) -> Caller:
        return Caller(socket.create_connection((host or self._host, self.port), timeout=PATIENCE))

    def log(self) -> str:
        return (self.folder / "log").read_text()

    def end(self, by: int = signal.SIGTERM) -> None:
        self.process.send_signal(by)

    def ended(self) -> float:
        """Wait for its end, which must be in order; how long it took."""
        began = time.monotonic()
        told, _ = self.process.communicate(timeout=PATIENCE)
        assert (self.process.returncode, told) == (0, b"stopped\n"), self.log()
        return time.monotonic() - began


# Its sockets.


def test_both_families_are_heard_where_the_host_says_so(tmp_path: Path) -> None:
    with Serving(tmp_path, "::") as server:
        for host, told in (("127.0.0.1", "[::ffff:127.0.0.1]"), ("::1", "[::1]")):
            with server.call(host) as caller:
                port = caller.sock.getsockname()[1]
                assert caller.ask("GET /a").body.decode() == f"http {told}:{port}"


def test_the_port_is_free_as_soon_as_it_ended(tmp_path: Path) -> None:
    with Serving(tmp_path) as first, first.call() as caller:
        caller.ask("GET /a")
        first.end()
        first.ended()
        # As the next one does: its predecessor's connections linger in the system.
        _listening("127.0.0.1", first.port).close()


def test_a_port_that_is_taken_ends_the_server(tmp_path: Path) -> None:
    with Serving(tmp_path) as first:
        told = subprocess.run(
            [sys.executable, "-c", SERVER, "127.0.0.1", str(first.port), "", ""],
            cwd=tmp_path,
            env={"PYTHONPATH": str(ROOT)},
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )
        # What was started on the loop was stopped all the same.
        assert (told.returncode, told.stdout) == (1, b"stopped\n")
        assert b"Address already in use" in told.stderr


def test_who_is_silent_is_looked_after(tmp_path: Path) -> None:
    numbers = "incoming.FIRST_SECONDS = server.LOOK_SECONDS = 0.05"
    with Serving(tmp_path, numbers=numbers) as server, server.call() as caller:
        assert caller.rest() == b""


# Many callers.


def test_as_many_files_are_opened_as_the_system_lets_us(tmp_path: Path) -> None:
    limits = "resource.setrlimit(resource.RLIMIT_NOFILE, (40, 150))"
    with Serving(tmp_path, numbers=limits) as server, contextlib.ExitStack() as stack:
        callers = [stack.enter_context(server.call()) for _ in range(100)]
        for caller in callers:
            assert caller.ask("GET /a").status == 200


def test_where_files_run_out_who_is_there_is_answered_and_who_comes_waits(tmp_path: Path) -> None:
    limits = "resource.setrlimit(resource.RLIMIT_NOFILE, (60, 60))"
    with Serving(tmp_path, numbers=limits) as server, server.call() as kept:
        kept.ask("GET /a")
        with contextlib.ExitStack() as stack:
            for _ in range(100):
                stack.enter_context(server.call())
            wait_until(lambda: "out of system resource" in server.log(), PATIENCE)
            assert kept.ask("GET /a").status == 200
        with server.call() as late:
            assert late.ask("GET /a").status == 200
        # Each trial is logged: once a second, as many as are accepted at once.
        assert server.log().count("out of system resource") <= 3 * ACCEPTED_AT_ONCE


def test_many_may_wait_for_their_turn_to_be_accepted(tmp_path: Path) -> None:
    with Serving(tmp_path) as server, contextlib.ExitStack() as stack:
        server.process.send_signal(signal.SIGSTOP)
        try:
            callers = [stack.enter_context(server.call()) for _ in range(3 * ACCEPTED_AT_ONCE)]
        finally:
            server.process.send_signal(signal.SIGCONT)
        for caller in callers:
            assert caller.ask("GET /a").status == 200


# The end.


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_once_what_is_under_way_was_answered(tmp_path: Path, by: int) -> None:
    with Serving(tmp_path) as server, server.call() as idle, server.call() as busy:
        idle.ask("GET /a")
        busy.ask("GET /a")
        busy.send(asked("GET /held"))
        # One after the other: the second was read when the third is answered.
        with server.call() as other:
            other.ask("GET /a")
        server.end(by)
        assert idle.rest() == b""
        wait_until(lambda: not server.is_there(), PATIENCE)
        (tmp_path / "go").touch()
        answer = busy.answer()
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        assert busy.rest() == b""
        assert server.ended() < GRACE_SECONDS


def test_an_answer_on_its_way_gets_there_before_the_end(tmp_path: Path) -> None:
    with Serving(tmp_path) as server, server.call() as idle, server.call() as busy:
        idle.ask("GET /a")
        busy.send(asked("GET /large"))
        assert busy.sock.recv(1, socket.MSG_PEEK) == b"H"
        server.end()
        assert idle.rest() == b""
        assert len(busy.answer().body) == 30_000_000
        server.ended()


def test_whoever_takes_too_long_does_not_keep_it_from_ending(tmp_path: Path) -> None:
    numbers = "server.GRACE_SECONDS = server.FLUSH_SECONDS = 0.1"
    with Serving(tmp_path, numbers=numbers) as server, server.call() as busy, server.call() as unread:
        unread.send(asked("GET /large"))
        busy.send(asked("GET /held"))
        assert unread.sock.recv(1, socket.MSG_PEEK) == b"H"
        server.end()
        assert server.ended() < GRACE_SECONDS


# TLS.


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def pair(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a certificate and its key."""
    folder = tmp_path_factory.mktemp("tls")
    issued = authority.issue_cert("portal", "127.0.0.1")
    issued.private_key_pem.write_to_path(folder / "key.pem")
    issued.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    return folder


@pytest.fixture
def trust(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.fixture
def secure(pair: Path) -> Iterator[Server]:
    with serving(tls(pair / "cert.pem", pair / "key.pem")) as running:
        yield running


def secured(server: Server | Serving, trust: ssl.SSLContext) -> Caller:
    plain = server.call()
    # An end without TLS's own good-bye is an error to it, as to any careful client.
    return Caller(trust.wrap_socket(plain.sock, server_hostname="portal", suppress_ragged_eofs=False))


def test_tls_is_spoken_where_there_is_a_certificate(secure: Server, trust: ssl.SSLContext) -> None:
    trust.set_alpn_protocols(["h2", "http/1.1"])
    with secured(secure, trust) as caller:
        assert isinstance(caller.sock, ssl.SSLSocket)
        assert caller.sock.selected_alpn_protocol() == "http/1.1"
        for number in range(2):
            assert caller.ask(f"GET /{number}").body == b"GET /%d " % number
        request = secure.app.requests[0]
        assert (request.scheme, request.client) == ("https", f"127.0.0.1:{caller.sock.getsockname()[1]}")


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_is_spoken_from_1_2_on(secure: Server, trust: ssl.SSLContext, newest: ssl.TLSVersion) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        trust.minimum_version, trust.maximum_version = ssl.TLSVersion.TLSv1, newest
    trust.set_ciphers("DEFAULT:@SECLEVEL=0")
    if newest < ssl.TLSVersion.TLSv1_2:
        with pytest.raises(ssl.SSLError):
            secured(secure, trust)
        return
    with secured(secure, trust) as caller:
        assert caller.ask("GET /a").status == 200


@pytest.mark.parametrize("sent", [asked("GET /a"), b"", b"\x16\x03\x01"])
def test_who_speaks_no_tls_harms_nobody(secure: Server, trust: ssl.SSLContext, sent: bytes) -> None:
    with secure.call() as plain:
        plain.send(sent)
        plain.sock.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionResetError):
            assert not plain.rest().startswith(b"HTTP")
    with secured(secure, trust) as caller:
        assert caller.ask("GET /a").status == 200


def test_who_does_not_trust_the_certificate_harms_nobody(secure: Server, trust: ssl.SSLContext) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        secured(secure, ssl.create_default_context())
    with secured(secure, trust) as caller:
        assert caller.ask("GET /a").status == 200


def test_who_was_cut_off_gets_the_answer_over_tls_too(secure: Server, trust: ssl.SSLContext) -> None:
    with secured(secure, trust) as caller:
        caller.send(asked("POST /a\nContent-Length: 20000000"), bytes(20_000_000))
        assert caller.answer().status == 413
        secure.later(HEAD_SECONDS)
        assert caller.rest() == b""


def test_a_stream_over_tls_that_breaks_off_is_not_taken_for_whole(
    secure: Server, trust: ssl.SSLContext
) -> None:
    with secured(secure, trust) as caller:
        caller.send(asked("GET /held HTTP/1.0"))
        held = secure.held()
        stream = secure.do(lambda: held.stream(200, []))
        secure.run(stream.send_bytes(b"one"))
        secure.do(stream.abort)
        with pytest.raises((ssl.SSLError, ConnectionResetError)):
            caller.answer()


def test_who_does_not_agree_to_the_end_over_tls_is_given_up(secure: Server, trust: ssl.SSLContext) -> None:
    with secured(secure, trust) as caller:
        caller.ask("GET /a")
        for _ in range(2):
            secure.do(lambda: [connection.end_soon() for connection in secure.everyone])
        assert secure.everyone
        secure.later(STALLED_SECONDS + 1)
        secure.until(lambda: not secure.everyone)


def test_an_idle_caller_over_tls_does_not_hold_up_the_end(pair: Path, trust: ssl.SSLContext) -> None:
    with Serving(pair, tls=True) as server, secured(server, trust) as idle:
        # It does not say good-bye as TLS has it: it does not read.
        assert idle.ask("GET /a").body.startswith(b"https 127.0.0.1:")
        server.end()
        assert server.ended() < GRACE_SECONDS


@pytest.mark.parametrize(("certificate", "key"), [("key.pem", "key.pem"), ("cert.pem", "cert.pem")])
def test_a_certificate_that_is_none_is_not_served_with(pair: Path, certificate: str, key: str) -> None:
    with pytest.raises(ssl.SSLError):
        tls(pair / certificate, pair / key)
    with pytest.raises(FileNotFoundError):
        tls(pair / "none.pem", None)
