"""Challenges and codes by the contract's text alone, without our packages."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

SYMBOLS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def written(number: int, symbols: int) -> str:
    """A number as Crockford symbols in groups of four."""
    text = "".join(SYMBOLS[number >> 5 * place & 31] for place in reversed(range(symbols)))
    return "-".join(text[at : at + 4] for at in range(0, symbols, 4))


def read(text: str) -> int:
    number = 0
    for symbol in text.replace("-", ""):
        number = number << 5 | SYMBOLS.index(symbol)
    return number


def challenge(
    pack: Mapping[str, Any],
    slot: int,
    nonce: int,
    *,
    number: str = "",
    version: int = 1,
    mac_key: bytes = b"",
    check: int = 0,
) -> str:
    """The 28 symbols by which the holder of a pack asks for a slot's code; some parts may be spoilt."""
    bits = version
    bits = bits << 34 | int(number or min(pack["keys"]))
    bits = bits << 24 | int.from_bytes(hashlib.sha256(pack["installation"].encode()).digest()[:3])
    bits = bits << 12 | pack["pack"] % 4096
    bits = bits << 14 | slot % 16384
    head = (bits << 16 | nonce).to_bytes(13)
    mac = hmac.new(mac_key or decoded(pack["challenge_key"]), head, "sha256").digest()[:3]
    proof = int.from_bytes(hashlib.sha256(b"KM1 challenge" + head + mac).digest()[:2]) >> 4
    return written(int.from_bytes(head + mac) << 12 | (proof ^ check), 28)


def nonce_of(text: str) -> int:
    return read(text) >> 36 & 0xFFFF


def check_symbol(text: str) -> str:
    """Luhn mod 32 over the alphabet."""
    total = 0
    for place, symbol in enumerate(reversed(text)):
        value = SYMBOLS.index(symbol) * (2 if place % 2 == 0 else 1)
        total += value // 32 + value % 32
    return SYMBOLS[-total % 32]


def code_of(fifteen: str) -> str:
    """A well-formed code whose first fifteen symbols are these."""
    text = fifteen + check_symbol(fifteen)
    return "-".join(text[at : at + 4] for at in range(0, 16, 4))


def commitment(pack: Mapping[str, Any], slot: int, code: str) -> bytes:
    """What the pack must have for a code."""
    context = f"KM1|{pack['installation']}|{pack['pack']}|{slot}".encode()
    return hashlib.scrypt(
        code.replace("-", "")[:15].encode(), salt=hashlib.sha256(context).digest(), n=4096, r=8, p=1, dklen=32
    )
