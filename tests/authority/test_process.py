"""The program itself: its start, its end, its files, and what it survives."""

import json
import signal
import smtplib
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from authority.store import Store
from licensing.protocol import ContactRequest, KeyAnswer, verify_answer
from licensing.serving.ports import free_port
from tests.authority.material import Installation, bind, renew
from tests.authority_process import RunningAuthority, authority_process, running_authority


def ended(authority: RunningAuthority, by: signal.Signals) -> tuple[int, float]:
    """Exit status, and the seconds that the end took."""
    assert authority.process is not None
    started = time.monotonic()
    authority.process.send_signal(by)
    return authority.process.wait(timeout=10), time.monotonic() - started


def held_connections(authority: RunningAuthority, count: int, jws: str) -> list[socket.socket]:
    """Connections that have sent a contact and wait."""
    host, port = authority.url.removeprefix("http://").split(":")
    head = f"POST /v1/contact HTTP/1.1\r\nContent-Length: {len(jws)}\r\n\r\n".encode()
    connections = [socket.create_connection((host, int(port)), timeout=10) for _ in range(count)]
    for connection in connections:
        connection.sendall(head + jws.encode())
    return connections


@pytest.mark.parametrize("stop_signal", [signal.SIGTERM, signal.SIGINT])
def test_it_says_when_it_is_ready_and_ends_with_0_when_asked(
    tmp_path: Path, stop_signal: signal.Signals
) -> None:
    with authority_process(tmp_path) as authority:
        assert authority.request("GET", "/_control/state").json()["keys"] == []
        status, seconds = ended(authority, stop_signal)
        assert status == 0
        assert seconds < 3


@pytest.mark.parametrize("mode", ["blackhole", "drip", "huge"])
def test_it_ends_promptly_while_connections_are_held(tmp_path: Path, mode: str) -> None:
    with authority_process(tmp_path) as authority:
        authority.add_key()
        _, jws = Installation(authority.keys).ask(bind())
        authority.post("/v1/contact", jws)
        authority.mode(mode)
        connections = held_connections(authority, 20, jws)
        assert authority.request("GET", "/_control/state").json()["mode"] == mode
        status, seconds = ended(authority, signal.SIGTERM)
        for connection in connections:
            connection.close()
        assert status == 0
        assert seconds < 5


def test_its_secrets_are_for_its_owner_alone_and_the_public_set_has_none(tmp_path: Path) -> None:
    with running_authority(tmp_path) as authority:
        modes = {path.name: path.stat().st_mode & 0o777 for path in authority.folder.iterdir()}
        public = json.loads(authority.jwks_path.read_text())
    assert modes["authority-secrets.json"] == 0o600
    assert modes["authority.sqlite3"] == 0o600
    assert modes["authority-jwks.json"] == 0o644
    assert sorted(key["use"] for key in public["keys"]) == ["enc", "sig"]
    assert all("d" not in key for key in public["keys"])


@pytest.mark.parametrize(
    "arguments",
    [
        ["--port", "99999", "--data", "x"],
        ["--port", "1"],
        ["--data", "x", "--tls-cert", "x"],
        ["--data", "x", "--relay", "nowhere"],
    ],
)
def test_wrong_usage_ends_with_2(arguments: list[str], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "authority", *arguments]
    assert subprocess.run(command, capture_output=True, check=False, timeout=20).returncode == 2


def test_what_stops_the_start_is_told_in_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        told = start_that_fails(tmp_path / "a", "--port", port)
        assert "Address already in use" in told
    broken = tmp_path / "b"
    broken.mkdir()
    (broken / "authority-secrets.json").write_text("{}")
    assert "authority-secrets.json" in start_that_fails(broken, "--port", "0")
    certificate = ("--tls-cert", str(tmp_path / "none"), "--tls-key", str(tmp_path / "none"))
    assert "No such file" in start_that_fails(tmp_path / "c", "--port", "0", *certificate)


def start_that_fails(data: Path, *arguments: str) -> str:
    """The one line told."""
    command = [sys.executable, "-m", "authority", "--data", str(data), *arguments]
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    assert run.returncode == 1
    (line,) = run.stderr.splitlines()
    return line


def test_a_kill_loses_nothing_that_was_answered(tmp_path: Path) -> None:
    with authority_process(tmp_path) as authority:
        authority.add_key()
        portal = Installation(authority.keys)
        request, jws = portal.ask(bind())
        given = verify_answer(authority.post("/v1/contact", jws).text, authority.keys, request, jws)
        ended(authority, signal.SIGKILL)
    with authority_process(tmp_path) as authority:
        again = verify_answer(authority.post("/v1/contact", jws).text, authority.keys, request, jws)
        assert (again.keys, again.codes) == (given.keys, given.codes)
        assert authority.state()["serial"] == 1


def test_contacts_about_one_key_at_once_are_carried_out_in_turn(tmp_path: Path) -> None:
    with running_authority(tmp_path) as authority:
        authority.add_key()
        portals = [Installation(authority.keys, f"SRV-{number}") for number in range(12)]
        results = at_once(authority, [(portal, *portal.ask(bind())) for portal in portals])
        granted = [portal for portal, result, _ in results if result == "granted"]
        assert len(granted) == 1
        assert sorted({result for _, result, _ in results}) == ["active_elsewhere", "granted"]
        assert authority.state()["bound_to"] == granted[0].key.id
        winner = granted[0]
        more = at_once(authority, [(winner, *winner.ask(renew(1))) for _ in range(12)])
        serials = sorted(winner.grant(answer).serial for _, _, answer in more if answer.grant)
        assert serials == list(range(2, 14)), "each reported the same serial, so each is honest"


def test_the_same_request_sent_at_once_is_carried_out_once(tmp_path: Path) -> None:
    with running_authority(tmp_path) as authority:
        authority.add_key()
        portal = Installation(authority.keys)
        asked = portal.ask(bind())
        results = at_once(authority, [(portal, *asked)] * 12)
        assert len({answer.grant for _, _, answer in results}) == 1
        assert authority.state()["serial"] == 1


Asked = tuple[Installation, ContactRequest, str]


def at_once(authority: RunningAuthority, asked: list[Asked]) -> list[tuple[Installation, str, KeyAnswer]]:
    """The outcome of each contact, all sent at the same moment."""
    together = threading.Barrier(len(asked))

    def contact(
        portal: Installation, request: ContactRequest, jws: str
    ) -> tuple[Installation, str, KeyAnswer]:
        together.wait()
        response = RunningAuthority(authority.url, authority.folder).post("/v1/contact", jws)
        (key,) = verify_answer(response.text, authority.keys, request, jws).keys
        return portal, key.reason or key.result, key

    with ThreadPoolExecutor(len(asked)) as pool:
        return [call.result() for call in [pool.submit(contact, *one) for one in asked]]


def test_every_commit_is_forced_to_the_disk(tmp_path: Path) -> None:
    with running_authority(tmp_path) as authority:
        path = authority.folder / "authority.sqlite3"
        with sqlite3.connect(path) as other:
            assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        store = Store(path)
        with store.transaction() as tx:
            assert tx.execute("PRAGMA synchronous").fetchone()[0] == 2
        store.close()
        other.close()


def test_it_ends_promptly_while_a_mail_is_being_sent_to_it(tmp_path: Path) -> None:
    port = free_port()
    mailbox = ("--smtp-port", str(port), "--relay", f"127.0.0.1:{free_port()}")
    with authority_process(tmp_path, *mailbox) as authority:
        with smtplib.SMTP("127.0.0.1", port, timeout=10) as client:
            client.ehlo()
            client.mail("anna@firma.pl")
            client.rcpt("mk@comarch.pl")
            client.docmd("DATA")
            status, seconds = ended(authority, signal.SIGTERM)
            client.close()
        assert status == 0
        assert seconds < 5
