"""Activation codes: how the authority derives one, how it commits to it, how the portal judges it."""

import hashlib
import hmac
from itertools import permutations
from typing import Final

from stdnum import luhn

from .errors import Mistyped
from .messages import CodePack
from .symbols import ALPHABET, encode, read_symbols

CODE_SYMBOLS: Final = 16
_SECRET_SYMBOLS: Final = 15
_BOX: Final = 4


def context(installation: str, pack: int, slot: int) -> bytes:
    """What a code and its commitment are bound to."""
    return f"KM1|{installation}|{pack}|{slot}".encode("ascii")


def derive_code(secret: bytes, context: bytes) -> str:
    """The 16 symbols of the code for `context`: 75 bits of the authority's secret, and a check symbol."""
    digest = hmac.digest(secret, context, "sha256")
    symbols = encode(int.from_bytes(digest) >> 256 - 5 * _SECRET_SYMBOLS, _SECRET_SYMBOLS)
    return symbols + luhn.calc_check_digit(symbols, alphabet=ALPHABET)


def commitment(code: str, context: bytes) -> bytes:
    """The 32 bytes that commit to a code's 15 secret symbols without telling them.

    Some 10 ms of scrypt, so that guessing from a stolen pack is dear.
    """
    password = code[:_SECRET_SYMBOLS].encode("ascii")
    salt = hashlib.sha256(context).digest()
    return hashlib.scrypt(password, salt=salt, n=4096, r=8, p=1, dklen=32)


def read_code(text: str) -> str:
    """The 16 canonical symbols of a code as a person typed it.

    Raises Mistyped where it is not 16 symbols or its check symbol is wrong; two swapped boxes pass (see
    reorderings).
    """
    symbols = read_symbols(text)
    if len(symbols) != CODE_SYMBOLS or not luhn.is_valid(symbols, alphabet=ALPHABET):
        raise Mistyped("not 16 symbols with a right check symbol")
    return symbols


def reorderings(code: str) -> tuple[str, ...]:
    """The code with its four boxes in each other order: 23 of them, fewer where boxes are alike."""
    boxes = [code[start : start + _BOX] for start in range(0, CODE_SYMBOLS, _BOX)]
    orders = dict.fromkeys("".join(order) for order in permutations(boxes))
    return tuple(order for order in orders if order != code)


def proves(pack: CodePack, slot: int, code: str) -> bool:
    """Whether `code` is the one that `pack` commits to for `slot`, compared in constant time."""
    expected = pack.commitment(slot)
    if expected is None:
        return False
    return hmac.compare_digest(commitment(code, context(pack.installation, pack.pack, slot)), expected)


def proves_reordered(pack: CodePack, slot: int, code: str) -> bool:
    """Whether the boxes of `code` in some other order would be the one: up to 23 times scrypt."""
    return any(proves(pack, slot, order) for order in reorderings(code))
