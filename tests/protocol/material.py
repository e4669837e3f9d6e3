"""Keys, messages and a signer for the protocol's tests; the signer knows no rule, so it can break all."""

import base64
import json
from copy import deepcopy
from datetime import UTC
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePrivateKey,
    derive_private_key,
)
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import strategies as st
from joserfc.jwk import ECKey

from licensing.protocol import (
    AuthorityKeys,
    AuthoritySecrets,
    ContactRequest,
    InstallationKey,
    verify_request,
)
from licensing.protocol.times import EARLIEST, LATEST

VECTORS = Path(__file__).parent.parent / "vectors"
MESSAGES: dict[str, Any] = json.loads((VECTORS / "signed-messages.json").read_text("utf-8"))
CODE_CASES: list[dict[str, Any]] = json.loads((VECTORS / "offline-codes.json").read_text("utf-8"))["cases"]

KEYS = AuthorityKeys.from_json(json.dumps(MESSAGES["authority_jwks"]))
SECRETS = AuthoritySecrets.from_json(json.dumps(MESSAGES["authority_private_jwks"]))
INSTALLATION = InstallationKey.from_json(json.dumps(MESSAGES["installation"]["private_jwk"]))
# The same key in every run and process: its parts stand in names of tests.
STRANGER = InstallationKey.from_json(
    json.dumps(ECKey.import_key(derive_private_key(20261124, SECP256R1())).as_dict(private=True))
)

INSTANTS = st.datetimes(EARLIEST.replace(tzinfo=None), LATEST.replace(tzinfo=None), timezones=st.just(UTC))
"""Every moment that a message may name."""

GRANT_JWS: str = MESSAGES["good_grant"]
REQUEST_JWS: str = MESSAGES["good_request"]
ANSWER_JWS: str = MESSAGES["good_answer"]
CODES_JWS: str = MESSAGES["good_codes"]
KEY = "5000006622"
WAITING_KEY = "5000006625"
REQUEST: ContactRequest = verify_request(REQUEST_JWS)

GRANT: dict[str, Any] = MESSAGES["grant_payload"]
ANSWER: dict[str, Any] = MESSAGES["answer_payload"]
CONTACT: dict[str, Any] = MESSAGES["request_payload"]


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def payload_of(jws: str) -> dict[str, Any]:
    members: dict[str, Any] = json.loads(unb64(jws.split(".")[1]))
    return members


PACK: dict[str, Any] = payload_of(CODES_JWS)


def changed(members: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A deep copy with members set, or left out where the value is `...`."""
    copy = deepcopy(members)
    for name, value in changes.items():
        if value is ...:
            copy.pop(name, None)
        else:
            copy[name] = value
    return copy


def as_bytes(value: dict[str, Any] | bytes | str) -> bytes:
    if isinstance(value, dict):
        return json.dumps(value).encode()
    return value.encode() if isinstance(value, str) else value


def sign(
    payload: dict[str, Any] | bytes | str,
    typ: str,
    /,
    *,
    key: ECKey = SECRETS.signing.key,
    header: dict[str, Any] | bytes | str | None = None,
    **changes: Any,
) -> str:
    """A JWS whose signature holds, whatever header and payload say."""
    standard = {"alg": "ES256", "kid": SECRETS.signing.kid, "typ": typ}
    head = changed(standard, **changes) if header is None else header
    signing_input = f"{b64(as_bytes(head))}.{b64(as_bytes(payload))}"
    return f"{signing_input}.{raw_signature(signing_input.encode(), key)}"


def raw_signature(data: bytes, key: ECKey) -> str:
    private = key.private_key
    assert isinstance(private, EllipticCurvePrivateKey)
    r, s = decode_dss_signature(private.sign(data, ECDSA(SHA256())))
    return b64(r.to_bytes(32) + s.to_bytes(32))


def sign_contact(
    payload: dict[str, Any] | bytes | str, key: InstallationKey = INSTALLATION, **header: Any
) -> str:
    """A contact request as `key` would sign it, with header members changed."""
    header = {"kid": key.id, "jwk": key.public_jwk} | header
    return sign(payload, "km-contact+jws", key=key.key, **header)
