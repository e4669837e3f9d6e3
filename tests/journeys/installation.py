"""An installation of another make: it speaks the vendor's protocol by joserfc alone, without our packages."""

import base64
import hashlib
import json
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import requests
from joserfc import jwe, jws
from joserfc.jwk import ECKey, KeySet

from tests.authority_process import RunningAuthority

MACHINE = "sha256:" + "ab" * 32
PIN = "0427"
JOSE = {"Content-Type": "application/jose"}


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def sha256(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


def payload(token: str) -> dict[str, Any]:
    """What a JWS says, unverified."""
    text = token.split(".")[1]
    return dict(json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))))


class Installation:
    """A key pair, a machine, and an authority to ask."""

    def __init__(
        self,
        authority: RunningAuthority,
        name: str = "SRV-ERP",
        machine: str = MACHINE,
        key: ECKey | None = None,
    ) -> None:
        self.authority, self.name, self.machine = authority, name, machine
        self.key = key or ECKey.generate_key("P-256")
        self.id = self.key.thumbprint()
        self.serials: dict[str, int] = {}

    @property
    def keys(self) -> KeySet:
        """The authority's public keys."""
        return KeySet.import_key_set(json.loads(self.authority.jwks_path.read_text()))

    @property
    def who(self) -> dict[str, str]:
        return {"id": self.id, "name": self.name, "machine": self.machine, "portal": "9.9.9"}

    def credentials(self, request_id: str, number: str, pin: str = PIN, **members: object) -> str:
        """Customer and PIN, sealed for the authority."""
        key = next(key for key in self.keys.keys if key.as_dict().get("use") == "enc")
        text = {
            "request_id": request_id, "installation": self.id, "number": number, "customer": "123456",
            "pin": pin, "email": None, **members,
        }  # fmt: skip
        header = {"alg": "ECDH-ES", "enc": "A256GCM", "kid": key.kid}
        return jwe.encrypt_compact(header, json.dumps(text), key, algorithms=["ECDH-ES", "A256GCM"])

    def request(
        self,
        *numbers: str,
        bind: Sequence[str] = (),
        pin: str = PIN,
        release: Sequence[str] = (),
        serials: Mapping[str, int] | None = None,
        request_id: str = "",
        **members: object,
    ) -> str:
        """A signed request about keys held, keys to bind and keys to release."""
        request_id = request_id or str(uuid.uuid4())
        known = {**self.serials, **(serials or {})}
        asked: list[dict[str, object]] = [{"number": n, "serial": known.get(n, 0)} for n in (*numbers, *bind)]
        for key in asked:
            if key["number"] in bind:
                key["credentials"] = self.credentials(request_id, str(key["number"]), pin)
        body = {
            "v": 1, "request_id": request_id, "sent_at": now(), "installation": self.who, "keys": asked,
            "release": list(release), **members,
        }  # fmt: skip
        return self.sign(body)

    def sign(self, body: object, **header: object) -> str:
        """Any payload signed by this installation, with a header that may be spoilt (None: left out)."""
        protected = {
            "alg": "ES256", "kid": self.id, "typ": "km-contact+jws", "jwk": self.key.as_dict(private=False),
            **header,
        }  # fmt: skip
        text = body if isinstance(body, str) else json.dumps(body)
        return sign_raw(
            {name: value for name, value in protected.items() if value is not None}, text, self.key
        )

    def send(self, request: str, path: str = "/v1/contact") -> requests.Response:
        return self.authority.request("POST", path, data=request, headers=JOSE)

    def answer(self, request: str, path: str = "/v1/contact") -> dict[str, Any]:
        """The verified answer to a request; serials of grants are kept."""
        response = self.send(request, path)
        assert response.status_code == 200, response.text
        assert response.headers["content-type"] == "application/jose"
        said = self.opened(response.text, "km-contact-answer+jws")
        assert said["request_id"] == payload(request)["request_id"]
        assert said["request_sha256"] == sha256(request.strip())
        assert said["installation"] == self.id
        for key in said["keys"]:
            if key["result"] == "granted":
                self.serials[key["number"]] = self.opened(key["grant"], "km-grant+jws")["serial"]
        return said

    def opened(self, token: str, typ: str) -> dict[str, Any]:
        """The payload of a message of the authority's."""
        found = jws.deserialize_compact(token.strip(), self.keys, algorithms=["ES256"])
        assert set(found.headers()) == {"alg", "kid", "typ"}
        assert found.headers()["typ"] == typ
        return dict(json.loads(found.payload or b""))

    def outcome(self, *numbers: str, **asked: Any) -> list[str]:
        """`granted` or the reason, for each key asked."""
        said = self.answer(self.request(*numbers, **asked))
        return [key.get("reason") or key["result"] for key in said["keys"]]


def sign_raw(header: Mapping[str, object], text: str, key: ECKey) -> str:
    """A compact ES256 JWS whose header may have anything."""
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
    from cryptography.hazmat.primitives.hashes import SHA256

    signed = ".".join(
        base64.urlsafe_b64encode(part.encode()).rstrip(b"=").decode() for part in (json.dumps(header), text)
    )
    r, s = decode_dss_signature(key.private_key.sign(signed.encode(), ECDSA(SHA256())))
    signature = base64.urlsafe_b64encode(r.to_bytes(32) + s.to_bytes(32)).rstrip(b"=").decode()
    return f"{signed}.{signature}"
