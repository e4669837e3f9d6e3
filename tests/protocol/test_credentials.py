"""Sealed credentials open only for the request and the key that they were made for."""

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.concatkdf import ConcatKDFHash
from joserfc import jwe as joserfc_jwe
from joserfc.jwk import ECKey

from licensing.protocol import (
    BadSignature,
    MalformedMessage,
    ProtocolError,
    WrongMessage,
    open_credentials,
)
from tests.protocol.material import (
    GRANT_JWS,
    KEY,
    KEYS,
    MESSAGES,
    REQUEST,
    SECRETS,
    STRANGER,
    WAITING_KEY,
    b64,
    changed,
    unb64,
)

CREDENTIALS: dict[str, Any] = MESSAGES["credentials_payload"]
JWE_HEADER = {"alg": "ECDH-ES", "enc": "A256GCM", "kid": KEYS.sealing.kid}


def seal(
    payload: dict[str, Any] | bytes = CREDENTIALS,
    header: dict[str, Any] = JWE_HEADER,
    key: ECKey = KEYS.sealing.key,
) -> str:
    algorithms = ["ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A256KW", "A256GCM", "A128GCM", "A128CBC-HS256", "DEF"]
    data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return joserfc_jwe.encrypt_compact(header, data, key, algorithms=algorithms)


def opened(jwe: str, number: str = WAITING_KEY) -> object:
    return open_credentials(jwe, SECRETS, REQUEST, number)


def test_the_sealer_of_these_tests_seals_well() -> None:
    assert opened(seal())
    assert opened(seal(header=JWE_HEADER | {"apu": "QWxpY2U", "apv": "Qm9i"}))


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "ECDH-ES+A128KW"},
        {"alg": "ECDH-ES+A256KW"},
        {"enc": "A128GCM"},
        {"enc": "A128CBC-HS256"},
        {"zip": "DEF"},
        {"typ": "JWE"},
        {"cty": "json"},
        {"kid": "nobody's"},
        {"kid": SECRETS.signing.kid},
    ],
    ids=str,
)
def test_credentials_with_such_a_header_do_not_open(header: dict[str, Any]) -> None:
    with pytest.raises(ProtocolError):
        opened(seal(header=JWE_HEADER | header))


def test_credentials_without_kid_do_not_open() -> None:
    with pytest.raises(BadSignature):
        opened(seal(header={"alg": "ECDH-ES", "enc": "A256GCM"}))


def test_credentials_sealed_to_another_key_do_not_open() -> None:
    with pytest.raises(BadSignature):
        opened(seal(key=ECKey.generate_key("P-256")))


def seal_by(epk: dict[str, Any], private: ECKey) -> str:
    """Credentials sealed by hand, with `epk` in the header as it is (RFC 7518, 4.6 and 5.3)."""
    sealing = KEYS.sealing.key
    shared = private.exchange_derive_key(sealing)
    enc = b"A256GCM"
    info = len(enc).to_bytes(4) + enc + bytes(8) + (256).to_bytes(4)
    key = ConcatKDFHash(SHA256(), 32, info).derive(shared)
    header = b64(json.dumps(JWE_HEADER | {"epk": epk}).encode())
    sealed = AESGCM(key).encrypt(bytes(12), json.dumps(CREDENTIALS).encode(), header.encode())
    return ".".join([header, "", b64(bytes(12)), b64(sealed[:-16]), b64(sealed[-16:])])


def test_credentials_sealed_by_hand_open() -> None:
    assert opened(seal_by(STRANGER.public_jwk, STRANGER.key))


def test_credentials_whose_ephemeral_key_is_not_canonical_or_public_do_not_open() -> None:
    padded = b64(b"\x00" + unb64(str(STRANGER.public_jwk["x"])))
    for epk in (json.loads(STRANGER.to_json()), STRANGER.public_jwk | {"x": padded}):
        with pytest.raises(MalformedMessage):
            opened(seal_by(epk, STRANGER.key))


@pytest.mark.parametrize(
    "epk",
    [
        None,
        "a",
        {},
        json.loads(STRANGER.to_json()),
        {"kty": "EC", "crv": "P-256", "x": b64(bytes(32)), "y": b64(bytes(32))},
        {"kty": "EC", "crv": "P-256", "x": STRANGER.public_jwk["x"]},
        STRANGER.public_jwk,
    ],
    ids=str,
)
def test_credentials_with_another_ephemeral_key_do_not_open(epk: object) -> None:
    parts = seal().split(".")
    header = b64(json.dumps(JWE_HEADER | {"epk": epk}).encode())
    with pytest.raises(ProtocolError):
        opened(".".join([header, *parts[1:]]))


def test_credentials_with_an_unreadable_party_do_not_open() -> None:
    parts = seal().split(".")
    for apu in (5, "+/=", None):
        header = b64(json.dumps(JWE_HEADER | {"epk": STRANGER.public_jwk, "apu": apu}).encode())
        with pytest.raises(ProtocolError):
            opened(".".join([header, *parts[1:]]))


@pytest.mark.parametrize("place", [1, 2, 3, 4])
def test_credentials_with_a_part_changed_do_not_open(place: int) -> None:
    parts = seal().split(".")
    for text in ("", "A", "AAAA", f"{parts[place]}A", f"{parts[place]}AAAA", parts[place][4:]):
        if text != parts[place]:
            changed_parts = [*parts[:place], text, *parts[place + 1 :]]
            with pytest.raises(ProtocolError):
                opened(".".join(changed_parts))


@pytest.mark.parametrize("text", ["", "hello", "....", "a..b.c.d", GRANT_JWS])
def test_what_is_no_sealed_message_does_not_open(text: str) -> None:
    with pytest.raises(ProtocolError):
        opened(text)


@pytest.mark.parametrize(
    "changes",
    [
        {"request_id": "7b0e2f0a-9d4e-4c53-8a3f-2a5d3c1b9e11"},
        {"installation": STRANGER.id},
        {"number": KEY},
        {"number": "50000066255"},
        {"number": 5000006625},
        {"customer": ""},
        {"customer": "1" * 21},
        {"customer": "١٢٣"},
        {"pin": "427"},
        {"pin": "04270"},
        {"pin": 427},
        {"pin": "٠٤٢٧"},
        {"email": ...},
        {"email": 1},
        {"email": ""},
        {"email": "a\nb@firma.pl"},
        {"v": 1},
    ],
    ids=str,
)
def test_credentials_of_another_shape_or_request_prove_nothing(changes: dict[str, Any]) -> None:
    with pytest.raises(ProtocolError):
        opened(seal(changed(CREDENTIALS, **changes)))


@pytest.mark.parametrize("payload", [b"", b"[]", b"hello", b"\xff", b'{"pin": "0427", "pin": "0427"}'])
def test_sealed_nonsense_proves_nothing(payload: bytes) -> None:
    with pytest.raises(MalformedMessage):
        opened(seal(payload))


def test_credentials_of_one_key_prove_nothing_for_another() -> None:
    with pytest.raises(WrongMessage):
        opened(seal(), number=KEY)


def test_no_refusal_repeats_the_pin() -> None:
    for changes in ({"pin": "98765"}, {"number": KEY, "pin": "9876"}, {"extra": "9876"}):
        with pytest.raises(ProtocolError) as refusal:
            opened(seal(changed(CREDENTIALS, **changes)))
        assert "9876" not in f"{refusal.value!r} {refusal.value.__cause__!r}"
