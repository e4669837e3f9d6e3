"""The challenge: 28 symbols that tell the vendor which installation asks for which day's code."""

import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import Final

from .errors import Mistyped
from .messages import CodePack
from .symbols import decode, encode, group, read_symbols

CHALLENGE_SYMBOLS: Final = 28
VERSION: Final = 1
MOST_NONCE: Final = 0xFFFF
_PACKS: Final = 1 << 12
_SLOTS: Final = 1 << 14

_MESSAGE = re.compile(r"\s*ERP\s+([A-Z]{2})\s+(\S.*)", re.ASCII | re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a challenge says; `pack` and `slot` are cut to 12 and 14 bits, `lowest_key` is a key number."""

    version: int
    lowest_key: str
    installation_prefix: int
    pack: int
    slot: int
    nonce: int
    mac: int

    def fits(self, pack: CodePack) -> bool:
        """Whether it was made by the holder of `pack`, and for it: all but the slot, MAC in constant time."""
        body = _body(self.lowest_key, self.installation_prefix, self.pack, self.slot, self.nonce)
        mac = _mac(pack.challenge_key, body)
        named = (self.lowest_key, self.installation_prefix, self.pack)
        return named == (pack.lowest_key, installation_prefix(pack.installation), pack.pack % _PACKS) and (
            hmac.compare_digest(mac.to_bytes(3), self.mac.to_bytes(3))
        )

    def is_of(self, slot: int) -> bool:
        """Whether it is for `slot`."""
        return self.slot == slot % _SLOTS


def installation_prefix(installation: str) -> int:
    """The first 24 bits of SHA-256 of an installation id."""
    return _first_bits(hashlib.sha256(installation.encode("ascii")).digest(), 24)


def _first_bits(data: bytes, bits: int) -> int:
    return int.from_bytes(data) >> 8 * len(data) - bits


def _body(lowest_key: str, prefix: int, pack: int, slot: int, nonce: int) -> bytes:
    value = VERSION
    for part, bits in ((int(lowest_key), 34), (prefix, 24), (pack, 12), (slot, 14), (nonce, 16)):
        value = value << bits | part
    return value.to_bytes(13)


def _mac(challenge_key: bytes, body: bytes) -> int:
    return _first_bits(hmac.digest(challenge_key, body, "sha256"), 24)


def _check(signed: bytes) -> int:
    return _first_bits(hashlib.sha256(b"KM1 challenge" + signed).digest(), 12)


def make_challenge(
    *, installation: str, lowest_key: str, pack: int, slot: int, nonce: int, challenge_key: bytes
) -> str:
    """The 28 symbols of the challenge of a pack and slot; `nonce` (16 bits) is drawn once for them."""
    if not 0 <= nonce <= MOST_NONCE:
        raise ValueError("the nonce does not fit into 16 bits")
    body = _body(lowest_key, installation_prefix(installation), pack % _PACKS, slot % _SLOTS, nonce)
    signed = body + _mac(challenge_key, body).to_bytes(3)
    return encode(int.from_bytes(signed) << 12 | _check(signed), CHALLENGE_SYMBOLS)


def parse_challenge(text: str) -> Challenge:
    """What a challenge as typed says. Raises Mistyped: unreadable, another version, or wrong last 12 bits."""
    symbols = read_symbols(text)
    if len(symbols) != CHALLENGE_SYMBOLS:
        raise Mistyped("a challenge has 28 symbols")
    value = decode(symbols)
    signed = (value >> 12).to_bytes(16)
    if value & 0xFFF != _check(signed) or value >> 136 != VERSION:
        raise Mistyped("the challenge's last symbols do not fit the others")
    return Challenge(
        version=value >> 136,
        lowest_key=str(value >> 102 & (1 << 34) - 1),
        installation_prefix=value >> 78 & 0xFFFFFF,
        pack=value >> 66 & 0xFFF,
        slot=value >> 52 & 0x3FFF,
        nonce=value >> 36 & 0xFFFF,
        mac=value >> 12 & 0xFFFFFF,
    )


def format_message(language: str, challenge: str) -> str:
    """The message of one SMS: `ERP PL XXXX-…`, 41 characters."""
    return f"ERP {language.upper()} {group(challenge)}"


def read_message(text: str) -> tuple[str, str]:
    """Language (`PL`, `EN`, in upper case) and challenge of a message that holds nothing else.

    Raises Mistyped.
    """
    found = _MESSAGE.fullmatch(text)
    if found is None:
        raise Mistyped("the message does not begin with ERP and a language")
    return found[1].upper(), found[2]
