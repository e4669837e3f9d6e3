"""Signing, opening and sealing of compact JWS and JWE: joserfc behind header checks of our own.

joserfc alone accepts a missing `kid`, `crit: []`, `b64: false` and `zip`, so the protected header is judged
here, member by member, before the library sees the message.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from joserfc import jwe, jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from .encoding import decode_bytes, dump_object, parse_object
from .errors import BadSignature, DuplicateMember, MalformedMessage, WrongMessage

WHITE_SPACE: Final = " \t\r\n"
MOST_CHARACTERS: Final = 4 * 1024 * 1024

_JWS = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*")
_JWE = re.compile(r"[A-Za-z0-9_-]+\.\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*")
_JWE_ALGORITHMS = ("ECDH-ES", "A256GCM")

Header = dict[str, object]
Members = dict[str, object]
KeyOf = Callable[[Header], ECKey]
"""Finds the key that a checked header speaks of, or raises BadSignature."""


class Opened(NamedTuple):
    """What a signature that holds stands for."""

    header: Header
    members: Members


class _Registry(jws.JWSRegistry):
    # The library's own limits (512 and 128,000 bytes) are below what fifty keys with many modules need.
    max_header_length = 4096
    max_payload_length = MOST_CHARACTERS


_REGISTRY = _Registry(algorithms=["ES256"])


def sign_jws(members: Mapping[str, object], key: ECKey, header: Mapping[str, object]) -> str:
    """A compact JWS over `members`, signed with ES256; `header` gives `kid`, `typ` and perhaps `jwk`."""
    return jws.serialize_compact({"alg": "ES256", **header}, dump_object(members), key, registry=_REGISTRY)


def open_jws(text: str, typ: str, key_of: KeyOf, *, may_have: frozenset[str] = frozenset()) -> Opened:
    """Header and payload of a compact JWS whose signature holds over the very characters received.

    Raises MalformedMessage (no JWS, or no JSON object in it), BadSignature (header, key or signature) or
    WrongMessage (rightly signed, but of another `typ`).
    """
    text = text.strip(WHITE_SPACE)
    header = _protected_header(text, _JWS)
    _check_members(header, frozenset({"alg", "kid", "typ"}), may_have)
    if header["alg"] != "ES256":
        raise BadSignature("an algorithm other than ES256")
    _verify(text, key_of(header))
    if header["typ"] != typ:
        raise WrongMessage(f"not a message of type {typ}")
    return Opened(header, parse_object(decode_bytes(text.split(".")[1])))


def _protected_header(text: str, shape: re.Pattern[str]) -> Header:
    if len(text) > MOST_CHARACTERS or not shape.fullmatch(text):
        raise MalformedMessage("not a compact message of the right number of parts")
    try:
        return parse_object(decode_bytes(text.split(".", 1)[0]))
    except DuplicateMember:
        raise BadSignature("a header member is given twice") from None


def _check_members(header: Header, must_have: frozenset[str], may_have: frozenset[str]) -> None:
    if not must_have <= header.keys() <= must_have | may_have:
        raise BadSignature("the header lacks a member or has one that is not allowed")
    if not all(isinstance(header[name], str) for name in must_have):
        raise BadSignature("a header member is not text")


def _verify(text: str, key: ECKey) -> None:
    try:
        jws.deserialize_compact(text, key, registry=_REGISTRY)
    except (JoseError, ValueError):
        raise BadSignature("the signature does not hold") from None


def seal_jwe(members: Mapping[str, object], key: ECKey, kid: str) -> str:
    """A compact JWE of `members` that only the holder of `key`'s private half can open."""
    header = {"alg": "ECDH-ES", "enc": "A256GCM", "kid": kid}
    return jwe.encrypt_compact(header, dump_object(members), key, algorithms=_JWE_ALGORITHMS)


def open_jwe(text: str, key_of: KeyOf, check_ephemeral: Callable[[object], object]) -> Members:
    """The JSON object sealed in a compact JWE.

    `check_ephemeral` judges the sender's public key before it meets ours. Raises MalformedMessage or
    BadSignature (header, key, or not sealed to us).
    """
    header = _protected_header(text, _JWE)
    _check_members(header, frozenset({"alg", "enc", "kid"}), frozenset({"epk", "apu", "apv"}))
    if (header["alg"], header["enc"]) != _JWE_ALGORITHMS:
        raise BadSignature("algorithms other than ECDH-ES and A256GCM")
    check_ephemeral(header.get("epk"))
    try:
        opened = jwe.decrypt_compact(text, key_of(header), algorithms=_JWE_ALGORITHMS)
    except (JoseError, ValueError, TypeError):
        raise BadSignature("what is sealed does not open") from None
    return parse_object(opened.plaintext or b"")
