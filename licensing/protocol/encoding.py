"""JSON and base64url as strictly as the contract reads them, where the libraries are lenient."""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from typing import NoReturn

from .errors import DuplicateMember, MalformedMessage

_BASE64URL = re.compile(r"[A-Za-z0-9_-]*")


def encode_bytes(data: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def decode_bytes(text: str) -> bytes:
    """The bytes of canonical base64url: no padding, no other character, no stray bits at the end.

    Raises MalformedMessage for anything else, so that each value has exactly one spelling.
    """
    if not _BASE64URL.fullmatch(text):
        raise MalformedMessage("a character that base64url does not have")
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error:
        raise MalformedMessage("base64url of an impossible length") from None
    if encode_bytes(data) != text:
        raise MalformedMessage("base64url that is not canonical")
    return data


def _unique_members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise DuplicateMember("a JSON member is given twice")
    return members


def _refuse_constant(_: str) -> NoReturn:
    raise MalformedMessage("NaN and Infinity are not JSON")


def parse_object(data: bytes) -> dict[str, object]:
    """The JSON object in `data`, UTF-8 without a byte order mark.

    Raises MalformedMessage for what is no JSON object, for a member given twice (DuplicateMember), for
    text that UTF-8 cannot carry (lone surrogates), and for nesting deeper than the parser goes.
    """
    try:
        text = data.decode("utf-8")
        value = json.loads(text, object_pairs_hook=_unique_members, parse_constant=_refuse_constant)
        if "\\u" in text:
            # An escape can smuggle in half a surrogate pair, which no database and no page could take.
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError):
        raise MalformedMessage("not JSON in UTF-8") from None
    if not isinstance(value, dict):
        raise MalformedMessage("the JSON is not an object")
    return value


def dump_object(members: Mapping[str, object]) -> bytes:
    """Compact JSON in UTF-8."""
    return json.dumps(members, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
