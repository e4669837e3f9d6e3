"""The control routes: keys made and changed, the clock, and what they refuse."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests

from licensing.protocol import verify_answer
from tests.authority.material import NUMBER, Installation, bind
from tests.authority_process import RunningAuthority, module, running_authority

GOOD = {"number": "5000006629", "customer": "1", "pin": "0000", "modules": []}


def test_the_clock_moves_grants_and_answers(authority: RunningAuthority) -> None:
    authority.move_clock(70 * 3600)
    portal = Installation(authority.keys)
    request, jws = portal.ask(bind())
    answer = verify_answer(authority.post("/v1/contact", jws).text, authority.keys, request, jws)
    ahead = answer.answered_at - datetime.now(UTC)
    assert timedelta(hours=69, minutes=59) < ahead < timedelta(hours=70)
    assert portal.grant(answer.keys[0]).issued_at == answer.answered_at
    assert authority.request("GET", "/_control/state").json()["clock_offset_seconds"] == 70 * 3600


def test_a_restart_keeps_keys_bindings_serials_and_the_clock(tmp_path: Path) -> None:
    with running_authority(tmp_path) as first:
        first.add_key()
        first.move_clock(-5)
        keys = first.jwks_path.read_bytes()
        portal = Installation(first.keys)
        request, jws = portal.ask(bind())
        given = verify_answer(first.post("/v1/contact", jws).text, first.keys, request, jws)
        state = first.state()
    with running_authority(tmp_path) as second:
        assert second.jwks_path.read_bytes() == keys
        assert second.state() == state
        assert second.request("GET", "/_control/state").json()["clock_offset_seconds"] == -5
        again = verify_answer(second.post("/v1/contact", jws).text, second.keys, request, jws)
        assert again.keys == given.keys
        assert again.codes == given.codes


def test_locks_and_suspicion_show_in_the_state(authority: RunningAuthority) -> None:
    portal = Installation(authority.keys)
    for _ in range(5):
        authority.post("/v1/contact", portal.ask(bind(pin="9999"))[1])
    assert str(authority.state()["locked_until"]).endswith("Z")
    authority.reset(NUMBER)
    assert authority.state()["locked_until"] is None
    authority.suspend(NUMBER)
    assert authority.state()["suspended"] is True


@pytest.mark.parametrize(
    "change",
    [
        {"number": "4000006629"},
        {"number": 5000006629},
        {"customer": "x"},
        {"customer": "1" * 21},
        {"pin": "123"},
        {"pin": None},
        {"modules": None},
        {"modules": [module("handel")]},
        {"modules": [module("CRM", 100_001)]},
        {"modules": [module("CRM"), module("CRM")]},
        {"modules": [module("CRM", expires_on="2026-02-30")]},
        {"modules": [{**module("CRM"), "seats": True}]},
        {"modules": [module(f"M{number}") for number in range(201)]},
    ],
)
def test_a_key_that_no_grant_could_carry_is_refused(
    authority: RunningAuthority, change: dict[str, object]
) -> None:
    response = authority.request("POST", "/_control/keys", json=GOOD | change)
    assert (response.status_code, response.json()["code"]) == (400, "malformed")
    assert len(authority.request("GET", "/_control/state").json()["keys"]) == 1


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("mode", b'{"mode": 1}'),
        ("mode", b"[]"),
        ("mode", b"[" * 100_000),
        ("clock", b'{"offset_seconds": true}'),
        ("clock", b'{"offset_seconds": 1e300}'),
        ("clock", b'{"offset_seconds": 1' + b"0" * 400 + b"}"),
        ("clock", b'{"offset_seconds": NaN}'),
        ("clock", b"{}"),
        (f"keys/{NUMBER}/suspend", b'{"suspended": 1}'),
    ],
)
def test_an_order_that_cannot_be_read_is_refused(authority: RunningAuthority, path: str, body: bytes) -> None:
    before = authority.request("GET", "/_control/state").json()
    assert authority.post(f"/_control/{path}", body, "application/json").status_code == 400
    assert authority.request("GET", "/_control/state").json() == before


def test_a_contact_takes_only_moments(authority: RunningAuthority) -> None:
    portal = Installation(authority.keys)
    authority.post("/v1/contact", portal.ask(bind())[1])
    with requests.Session() as client:
        started = time.monotonic()
        for _ in range(20):
            client.post(f"{authority.url}/v1/contact", data=portal.ask()[1], timeout=5)
        assert time.monotonic() - started < 2
