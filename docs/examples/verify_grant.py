"""Check a lease for yourself: what was bought, for whom, and until when, in the vendor's own signed words.

    python verify_grant.py LEASE.json AUTHORITY-JWKS.json
        [--installation ID] [--known GRANTS.json] [--now TIME]

LEASE.json is the answer to `POST /api/v1/leases` as it came. AUTHORITY-JWKS.json holds the vendor's public
keys and belongs into your program, not onto the customer's disk: whoever can change it can sign grants. The
portal between the two is not trusted at all: it runs on the customer's computer.

For each module of the lease one line is printed; the exit status is 0 if all are good, 1 if any is not, 2 if
the files cannot be read. Only `cryptography` is needed (pip install cryptography). Each function below is one
rule of the vendor's protocol and can be taken over by itself.
"""

import argparse
import base64
import hashlib
import hmac
import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePublicKey,
    EllipticCurvePublicNumbers,
)
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

CONTACT_LIMIT = timedelta(hours=72)
FIRST_SLOT_STARTS = datetime(2020, 1, 1, tzinfo=UTC)


class NotProven(Exception):
    """The lease claims something that the vendor did not sign."""


def decode(text: str) -> bytes:
    """Base64url without padding."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def parse(text: str | bytes) -> Any:
    """JSON in which no member comes twice: two readers must never see two different messages."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) != len(pairs):
            raise NotProven("a message names one member twice")
        return dict(pairs)

    return json.loads(text, object_pairs_hook=unique)


def instant(text: str) -> datetime:
    """RFC 3339 in UTC, as `2026-11-24T08:00:00Z`."""
    return datetime.fromisoformat(text)


def end_of_day(day: str) -> datetime:
    """A date is the last good day: it ends at 24:00 UTC."""
    return datetime.fromisoformat(day).replace(tzinfo=UTC) + timedelta(days=1)


def signing_keys(jwks: dict[str, Any]) -> dict[str, EllipticCurvePublicKey]:
    """The vendor's keys that may sign, by their `kid`."""
    keys = {}
    for jwk in jwks["keys"]:
        if jwk["use"] == "sig" and jwk["crv"] == "P-256":
            x, y = (int.from_bytes(decode(jwk[name])) for name in ("x", "y"))
            keys[jwk["kid"]] = EllipticCurvePublicNumbers(x, y, SECP256R1()).public_key()
    return keys


def signed_message(jws: str, typ: str, keys: dict[str, EllipticCurvePublicKey]) -> dict[str, Any]:
    """The payload of a compact JWS (RFC 7515), if one of the vendor's keys signed it with ES256.

    The header is compared as a whole, so that no `alg: none`, no key of its own and no `crit` gets through.
    """
    head, payload, signature = jws.split(".")
    header = parse(decode(head))
    key = keys.get(header.get("kid"))
    if key is None or header != {"alg": "ES256", "kid": header["kid"], "typ": typ}:
        raise NotProven(f"no {typ} signed by a key of the vendor")
    raw = decode(signature)
    r, s = int.from_bytes(raw[:32]), int.from_bytes(raw[32:])
    try:
        if len(raw) != 64:
            raise InvalidSignature
        key.verify(encode_dss_signature(r, s), f"{head}.{payload}".encode(), ECDSA(SHA256()))
    except InvalidSignature:
        raise NotProven("the vendor's signature does not hold") from None
    message: dict[str, Any] = parse(decode(payload))
    if message["v"] != 1:
        raise NotProven("another version of the protocol")
    return message


def check_installation(message: dict[str, Any], installation: str | None) -> str:
    """All words of the vendor must be for one installation: for yours, where you know its id."""
    if installation is not None and message["installation"] != installation:
        raise NotProven("signed for another installation")
    return str(message["installation"])


def grant_deadline(grant: dict[str, Any]) -> datetime:
    """Until when the grant itself is good: at most 72 h after it was issued."""
    issued_at, valid_until = instant(grant["issued_at"]), instant(grant["valid_until"])
    if not timedelta(0) < valid_until - issued_at <= CONTACT_LIMIT:
        raise NotProven("a grant for longer than 72 hours")
    return valid_until


def code_deadline(pack: dict[str, Any], slot: int, code: str) -> datetime:
    """The latest instant that an activation code proves: the end of its day (its slot) and 72 h more.

    The vendor signed scrypt hashes of codes that only it can derive; whoever shows a fitting code got it from
    the vendor on that day.
    """
    place = slot - pack["first_slot"]
    if not 0 <= place < len(pack["commitments"]):
        raise NotProven("a code for a day that the code pack does not have")
    context = f"KM1|{pack['installation']}|{pack['pack']}|{slot}".encode()
    salt = hashlib.sha256(context).digest()
    password = code.replace("-", "")[:15].encode()  # the 16th symbol is a check symbol
    shown = hashlib.scrypt(password, salt=salt, n=4096, r=8, p=1, dklen=32)
    if not hmac.compare_digest(shown, decode(pack["commitments"][place])):
        raise NotProven("a code that the vendor did not give")
    return FIRST_SLOT_STARTS + timedelta(days=slot + 1) + CONTACT_LIMIT


def check_seat(module: dict[str, Any], seat: int | None) -> str:
    """The seat must be one of those bought; a module that is not counted has none."""
    seats = module["seats"]
    if seats is None:
        return "not counted"
    if type(seat) is not int or not 1 <= seat <= seats:
        raise NotProven(f"seat {seat} is not one of the {seats} bought")
    return f"seat {seat} of {seats}"


class Lease:
    """A lease answer together with the vendor's keys, and what they prove."""

    def __init__(
        self,
        lease: dict[str, Any],
        keys: dict[str, EllipticCurvePublicKey],
        installation: str | None = None,
        known: dict[str, str] | None = None,
    ) -> None:
        """`known` are grants that you kept and left out of the answer by `known_grants`."""
        self.lease = lease
        self.keys = keys
        self.installation = installation
        self.grants: dict[str, str] = (known or {}) | lease.get("grants", {})

    def grant(self, key: str) -> dict[str, Any]:
        """The verified grant of a virtual key."""
        if key not in self.grants:
            raise NotProven("no grant of its key")
        grant = signed_message(self.grants[key], "km-grant+jws", self.keys)
        if grant["key"] != key:
            raise NotProven("the grant of another key")
        self.installation = check_installation(grant, self.installation)
        return grant

    def offline_deadline(self, key: str) -> datetime | None:
        """The end that an activation code proves for this key; None where the lease shows no code for it."""
        proof = self.lease.get("activation")
        if proof is None:
            return None
        pack = signed_message(proof["codes"], "km-codes+jws", self.keys)
        self.installation = check_installation(pack, self.installation)
        return code_deadline(pack, proof["slot"], proof["code"]) if key in pack["keys"] else None

    def check(self, module: dict[str, Any], now: datetime) -> str:
        """What is proven of one module of the lease; raises NotProven where it does not hold at `now`."""
        grant = self.grant(module["key"])
        bought = next((item for item in grant["modules"] if item["code"] == module["code"]), None)
        if bought is None:
            raise NotProven("not bought on this key")
        seat = check_seat(bought, module["seat"])
        if bought["expires_on"] is not None and now >= end_of_day(bought["expires_on"]):
            raise NotProven(f"expired on {bought['expires_on']}")
        deadline = self.deadline(module["key"], grant)
        if now >= deadline:
            raise NotProven(f"without contact with the vendor, ended {deadline:%Y-%m-%d %H:%M} UTC")
        if instant(self.lease["expires_at"]) > deadline:
            raise NotProven("the lease lasts longer than the vendor allows")
        return f"{seat}, until {deadline:%Y-%m-%d %H:%M} UTC at the latest"

    def deadline(self, key: str, grant: dict[str, Any]) -> datetime:
        """A key's contact deadline: the later of its grant's end and what an activation code proves."""
        online = grant_deadline(grant)
        return max(online, self.offline_deadline(key) or online)


def report(lease: Lease, now: datetime) -> bool:
    """Print a verdict per module; True if all of them are good."""
    modules = lease.lease["modules"]
    all_good = len(modules) > 0
    for module in modules:
        try:
            verdict, text = "GOOD", lease.check(module, now)
        except NotProven as reason:
            verdict, text = "BAD ", str(reason)
        except (KeyError, TypeError, ValueError, AttributeError):
            verdict, text = "BAD ", "a message that cannot be read"
        all_good = all_good and verdict == "GOOD"
        print(f"{verdict} {module['code']} on {module['key']}: {text}")
    return all_good


def main(arguments: list[str] | None = None) -> int:
    """Read the files named on the command line and judge the lease."""
    parser = argparse.ArgumentParser(description="Check a lease by the vendor's signatures.")
    parser.add_argument("lease", type=Path, help="the answer to POST /api/v1/leases")
    parser.add_argument("jwks", type=Path, help="the vendor's public keys (JWK Set)")
    parser.add_argument("--installation", help="the id that the portal must have")
    parser.add_argument("--known", type=Path, help='grants kept from before: {"5000006622": "<JWS>"}')
    parser.add_argument("--now", type=instant, default=datetime.now(UTC), help="judge at this time")
    given = parser.parse_args(arguments)
    try:
        known = parse(given.known.read_bytes()) if given.known else {}
        keys = signing_keys(parse(given.jwks.read_bytes()))
        lease = Lease(parse(given.lease.read_bytes()), keys, given.installation, known)
        return 0 if report(lease, given.now) else 1
    except (OSError, ValueError, KeyError, TypeError, AttributeError, NotProven) as error:
        print(f"cannot be judged: {type(error).__name__}: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
