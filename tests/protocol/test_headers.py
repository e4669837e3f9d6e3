"""The protected header: what joserfc would let pass is refused before it sees the message."""

import json
from typing import Any

import pytest
from joserfc.jwk import ECKey

from licensing.protocol import (
    BadSignature,
    MalformedMessage,
    WrongMessage,
    verify_grant,
    verify_request,
)
from licensing.protocol.jose import MOST_CHARACTERS
from tests.protocol.material import (
    CONTACT,
    GRANT,
    GRANT_JWS,
    INSTALLATION,
    KEY,
    KEYS,
    REQUEST,
    REQUEST_JWS,
    SECRETS,
    STRANGER,
    b64,
    changed,
    sign,
    sign_contact,
    unb64,
)


def grant_of(jws: str) -> object:
    return verify_grant(jws, KEYS, installation=INSTALLATION.id, key=KEY)


def test_the_signer_of_these_tests_signs_well() -> None:
    assert grant_of(sign(GRANT, "km-grant+jws"))
    assert verify_request(sign_contact(CONTACT))


BAD_HEADERS: list[dict[str, Any]] = [
    {"alg": ...},
    {"kid": ...},
    {"typ": ...},
    {"alg": "none"},
    {"alg": "HS256"},
    {"alg": "ES384"},
    {"alg": "es256"},
    {"alg": None},
    {"alg": ["ES256"]},
    {"kid": None},
    {"kid": 1},
    {"kid": ["a"]},
    {"kid": {}},
    {"kid": "nobody's"},
    {"kid": KEYS.sealing.kid},
    {"typ": None},
    {"typ": ["km-grant+jws"]},
    {"crit": []},
    {"crit": ["typ"]},
    {"crit": ["b64"], "b64": False},
    {"b64": False},
    {"b64": True},
    {"zip": "DEF"},
    {"cty": "json"},
    {"jku": "https://example.com/keys"},
    {"x5c": []},
    {"jwk": INSTALLATION.public_jwk},
    {"": ""},
]


@pytest.mark.parametrize("header", BAD_HEADERS, ids=str)
def test_grant_with_such_a_header_is_refused(header: dict[str, Any]) -> None:
    with pytest.raises(BadSignature):
        grant_of(sign(GRANT, "km-grant+jws", **header))


BAD_REQUEST_HEADERS: list[dict[str, Any]] = [
    *(header for header in BAD_HEADERS if "jwk" not in header),
    {"typ": "km-grant+jws"},
    {"jwk": ...},
    {"jwk": None},
    {"jwk": "a"},
    {"jwk": {}},
    {"jwk": STRANGER.public_jwk},
    {"jwk": STRANGER.public_jwk, "kid": STRANGER.id},
    {"jwk": json.loads(INSTALLATION.to_json())},
    {"jwk": INSTALLATION.public_jwk | {"extra": 1}},
    {"jwk": INSTALLATION.public_jwk | {"kty": "RSA"}},
    {"jwk": INSTALLATION.public_jwk | {"crv": "P-384"}},
    {"jwk": INSTALLATION.public_jwk | {"crv": "secp256k1"}},
    {"jwk": INSTALLATION.public_jwk | {"x": f"{INSTALLATION.public_jwk['x']}="}},
    {"jwk": INSTALLATION.public_jwk | {"x": 5}},
    {"jwk": INSTALLATION.public_jwk | {"x": b64(bytes(32))}},
    {"jwk": INSTALLATION.public_jwk | {"y": b64(b"\xff" * 32)}},
]


@pytest.mark.parametrize("header", BAD_REQUEST_HEADERS, ids=str)
def test_request_with_such_a_header_is_refused(header: dict[str, Any]) -> None:
    with pytest.raises(BadSignature):
        verify_request(sign_contact(CONTACT, **header))


def test_request_may_name_use_and_kid_in_its_jwk() -> None:
    jwk = INSTALLATION.public_jwk | {"use": "sig", "alg": "ES256", "kid": INSTALLATION.id}
    assert verify_request(sign_contact(CONTACT, jwk=jwk))


def test_padded_coordinates_are_refused_though_the_signature_holds() -> None:
    padded = b64(b"\x00" + unb64(str(INSTALLATION.public_jwk["x"])))
    jwk = INSTALLATION.public_jwk | {"x": padded}
    kid = ECKey.import_key(jwk).thumbprint()
    assert kid != INSTALLATION.id
    contact = changed(CONTACT, installation=changed(CONTACT["installation"], id=kid))
    with pytest.raises(BadSignature):
        verify_request(sign_contact(contact, jwk=jwk, kid=kid))


def test_header_member_given_twice_is_refused() -> None:
    kid = SECRETS.signing.kid
    header = f'{{"alg":"ES256","kid":"{kid}","typ":"km-grant+jws","kid":"{kid}"}}'
    with pytest.raises(BadSignature):
        grant_of(sign(GRANT, "", header=header))


def test_right_signature_under_another_type_is_a_wrong_message() -> None:
    with pytest.raises(WrongMessage):
        grant_of(sign(GRANT, "km-codes+jws"))


def test_white_space_around_a_message_is_no_part_of_it() -> None:
    assert grant_of(f"\r\n {GRANT_JWS}\t\n") == grant_of(GRANT_JWS)
    assert verify_request(f"{REQUEST_JWS}\n") == REQUEST


HEAD, BODY, SIGNATURE = GRANT_JWS.split(".")
NO_MESSAGES = [
    "",
    " ",
    "hello",
    ".",
    "..",
    "...",
    f"{HEAD}.{BODY}",
    f".{BODY}.{SIGNATURE}",
    f"{GRANT_JWS}.",
    f"{GRANT_JWS}.{SIGNATURE}",
    GRANT_JWS.replace(".", ". "),
    GRANT_JWS.replace(".", "\n."),
    f"{GRANT_JWS}=",
    f"\ufeff{GRANT_JWS}",
    f"\xa0{GRANT_JWS}",
    f"{GRANT_JWS}\ud800",
    f"{GRANT_JWS}\x00",
    GRANT_JWS.replace("A", "А"),
    f"{b64(b'[]')}.{BODY}.{SIGNATURE}",
    f"{b64(b'hello')}.{BODY}.{SIGNATURE}",
    f"{b64(b'[' * 100_000)}.{BODY}.{SIGNATURE}",
    f"{HEAD}B.{BODY}.{SIGNATURE}",
    "A" * MOST_CHARACTERS + GRANT_JWS,
    '{"payload": "", "signatures": []}',
]


@pytest.mark.parametrize("text", NO_MESSAGES, ids=lambda text: ascii(text[:20]))
def test_what_is_no_compact_message_is_malformed(text: str) -> None:
    with pytest.raises(MalformedMessage):
        grant_of(text)
    with pytest.raises(MalformedMessage):
        verify_request(text)


@pytest.mark.parametrize(
    "signature",
    ["", "A", SIGNATURE[:-1], f"{SIGNATURE}AA", f"{SIGNATURE[:-1]}h", b64(bytes(64)), b64(b"\xff" * 64)],
)
def test_signature_that_is_none_is_a_bad_signature(signature: str) -> None:
    with pytest.raises(BadSignature):
        grant_of(f"{HEAD}.{BODY}.{signature}")


@pytest.mark.parametrize("payload", [b"", b"[]", b"hello", b'{"v": 1, "v": 1}', b"[" * 100_000, b"\xff"])
def test_rightly_signed_nonsense_is_malformed(payload: bytes) -> None:
    with pytest.raises(MalformedMessage):
        grant_of(sign(payload, "km-grant+jws"))
    with pytest.raises(MalformedMessage):
        verify_request(sign_contact(payload))


def test_large_messages_pass_where_the_library_alone_would_refuse_them() -> None:
    name = {"pl": "ą" * 255, "en": "e" * 255}
    modules = [changed(GRANT["modules"][0], code=f"M{index}", name=name) for index in range(200)]
    grant = verify_grant(
        sign(changed(GRANT, modules=modules), "km-grant+jws"), KEYS, installation=INSTALLATION.id, key=KEY
    )
    assert len(grant.modules) == 200
