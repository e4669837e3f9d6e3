"""Contact requests: signed by the installation they name, of exactly the contract's shape."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from licensing.protocol import (
    BadSignature,
    ContactRequest,
    Credentials,
    InstallationInfo,
    KeyRequest,
    MalformedMessage,
    open_credentials,
    request_sha256,
    seal_credentials,
    sign_request,
    verify_request,
)
from tests.protocol.material import (
    CONTACT,
    INSTALLATION,
    INSTANTS,
    KEY,
    KEYS,
    REQUEST,
    SECRETS,
    STRANGER,
    WAITING_KEY,
    changed,
    sign_contact,
)

NUMBERS = st.from_regex(r"50000[0-9]{5}", fullmatch=True)
TEXT = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=255)
REQUESTS = st.builds(
    ContactRequest,
    request_id=st.uuids(version=4).map(str),
    sent_at=INSTANTS,
    installation=st.builds(
        InstallationInfo,
        id=st.just(INSTALLATION.id),
        name=TEXT,
        machine=st.one_of(
            st.binary(min_size=32, max_size=32).map(lambda digest: f"sha256:{digest.hex()}"),
            TEXT.map(lambda name: f"cluster:{name[:128]}"),
        ),
        portal=TEXT,
    ),
    keys=st.lists(
        st.builds(KeyRequest, number=NUMBERS, serial=st.integers(0, 2**53 - 1), credentials=st.none()),
        max_size=50,
        unique_by=lambda key: key.number,
    ).map(tuple),
    release=st.lists(NUMBERS, max_size=5, unique=True).map(tuple),
)


@given(REQUESTS)
def test_requests_survive_a_round_trip(request: ContactRequest) -> None:
    assert verify_request(sign_request(request, INSTALLATION)) == request


def test_credentials_survive_a_round_trip() -> None:
    credentials = Credentials(REQUEST.request_id, INSTALLATION.id, WAITING_KEY, "123456", "0427", None)
    sealed = seal_credentials(credentials, KEYS)
    key = KeyRequest(WAITING_KEY, 0, sealed)
    request = verify_request(sign_request(replace(REQUEST, keys=(key,)), INSTALLATION))
    assert request.keys == (key,)
    assert open_credentials(sealed, SECRETS, request, WAITING_KEY) == credentials


def test_an_installation_signs_no_other_ones_request() -> None:
    with pytest.raises(ValueError, match="its own"):
        sign_request(REQUEST, STRANGER)


def test_request_that_names_another_installation_is_refused() -> None:
    with pytest.raises(BadSignature):
        verify_request(sign_contact(CONTACT, STRANGER))


def test_request_signed_by_another_key_is_refused() -> None:
    mine = {"kid": INSTALLATION.id, "jwk": INSTALLATION.public_jwk}
    with pytest.raises(BadSignature):
        verify_request(sign_contact(CONTACT, STRANGER, **mine))


def test_request_in_the_name_of_an_installation_by_a_strangers_key_is_refused() -> None:
    with pytest.raises(BadSignature):
        verify_request(sign_contact(CONTACT, STRANGER, kid=INSTALLATION.id))


INFO: dict[str, Any] = CONTACT["installation"]
ASKED: dict[str, Any] = {"number": KEY, "serial": 41}


def many(count: int) -> list[dict[str, Any]]:
    return [{"number": f"50000{index:05}", "serial": 0} for index in range(count)]


@pytest.mark.parametrize(
    "changes",
    [
        *({name: ...} for name in CONTACT),
        *({name: None} for name in CONTACT),
        {"extra": 1},
        {"v": 2},
        {"v": True},
        {"v": 1.0},
        {"v": "1"},
        {"request_id": "7b0e2f0a9d4e4c538a3f2a5d3c1b9e10"},
        {"request_id": "7B0E2F0A-9D4E-4C53-8A3F-2A5D3C1B9E10"},
        {"request_id": "7b0e2f0a-9d4e-1c53-8a3f-2a5d3c1b9e10"},
        {"request_id": "7b0e2f0a-9d4e-4c53-8a3f-2a5d3c1b9e10\n"},
        {"request_id": 5},
        {"sent_at": "2026-11-24T08:00:00+00:00"},
        {"sent_at": 1793232000},
        {"installation": []},
        {"installation": changed(INFO, extra=1)},
        *({"installation": changed(INFO, **{name: ...})} for name in INFO),
        {"installation": changed(INFO, name="")},
        {"installation": changed(INFO, name="a\nb")},
        {"installation": changed(INFO, name="a" * 256)},
        {"installation": changed(INFO, name=1)},
        {"installation": changed(INFO, machine="sha256:AB")},
        {"installation": changed(INFO, machine="sha256:" + "AB" * 32)},
        {"installation": changed(INFO, machine="md5:" + "ab" * 16)},
        {"installation": changed(INFO, machine="cluster:")},
        {"installation": changed(INFO, machine="cluster:A\x00")},
        {"installation": changed(INFO, portal="")},
        {"keys": {}},
        {"keys": [None]},
        {"keys": many(51)},
        {"keys": [ASKED, ASKED]},
        {"keys": [ASKED, changed(ASKED, serial=40)]},
        {"keys": [changed(ASKED, extra=1)]},
        {"keys": [changed(ASKED, number=...)]},
        {"keys": [changed(ASKED, number=5000006622)]},
        {"keys": [changed(ASKED, number="4999906622")]},
        {"keys": [changed(ASKED, number="500000662")]},
        {"keys": [changed(ASKED, number="50000066222")]},
        {"keys": [changed(ASKED, number="50000٠٦٦٢٢")]},
        {"keys": [changed(ASKED, serial=...)]},
        {"keys": [changed(ASKED, serial=None)]},
        {"keys": [changed(ASKED, serial=-1)]},
        {"keys": [changed(ASKED, serial=True)]},
        {"keys": [changed(ASKED, serial=41.0)]},
        {"keys": [changed(ASKED, serial="41")]},
        {"keys": [changed(ASKED, serial=2**53)]},
        {"keys": [changed(ASKED, credentials=5)]},
        {"release": "5000006622"},
        {"release": [5000006622]},
        {"release": ["5000"]},
        {"release": [KEY, KEY]},
        {"release": [f"50000{index:05}" for index in range(1001)]},
    ],
    ids=lambda changes: str(changes)[:70],
)
def test_request_of_another_shape_is_malformed(changes: dict[str, Any]) -> None:
    with pytest.raises(MalformedMessage):
        verify_request(sign_contact(changed(CONTACT, **changes)))


def test_request_for_fifty_keys_is_fine() -> None:
    assert len(verify_request(sign_contact(changed(CONTACT, keys=many(50)))).keys) == 50


def test_request_hash_is_of_the_characters_without_white_space_around() -> None:
    assert request_sha256("abc") == "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0"
    assert request_sha256(" abc\r\n") == request_sha256("abc") != request_sha256("a bc")


def test_no_secret_shows_in_a_repr() -> None:
    credentials = Credentials(REQUEST.request_id, INSTALLATION.id, KEY, "123456", "9876", None)
    assert "9876" not in repr(credentials)
    assert "credentials" not in repr(REQUEST)
    secret = INSTALLATION.to_json().split('"d": "')[1][:43]
    assert secret not in repr(INSTALLATION) + repr(SECRETS) + repr(INSTALLATION.key)


def test_instants_of_a_request_are_utc() -> None:
    assert REQUEST.sent_at == datetime(2026, 11, 24, 8, tzinfo=UTC)
