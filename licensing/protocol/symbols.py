"""Crockford's base 32: how challenges and activation codes are written and read by people."""

from .errors import Mistyped

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

_HYPHENS = "-\u2010\u2011"
_READING = (
    {symbol: symbol for symbol in ALPHABET}
    | {symbol.lower(): symbol for symbol in ALPHABET}
    | {"O": "0", "o": "0", "I": "1", "i": "1", "L": "1", "l": "1"}
)


def encode(value: int, count: int) -> str:
    """The `count` symbols of a number of 5·`count` bits, most significant first."""
    if not 0 <= value < 1 << 5 * count:
        raise ValueError(f"the number does not fit into {count} symbols")
    return "".join(ALPHABET[value >> 5 * place & 31] for place in reversed(range(count)))


def decode(symbols: str) -> int:
    """The number that canonical symbols (see read_symbols) stand for."""
    value = 0
    for symbol in symbols:
        value = value << 5 | ALPHABET.index(symbol)
    return value


def read_symbols(text: str) -> str:
    """Canonical symbols of what a person typed: any case, spaces and hyphens dropped, O is 0, I and L are 1.

    Raises Mistyped at any other character.
    """
    try:
        return "".join(_READING[char] for char in text if not char.isspace() and char not in _HYPHENS)
    except KeyError:
        raise Mistyped("a character that no code has") from None


def group(symbols: str) -> str:
    """Symbols in groups of four joined by hyphens, as they are shown."""
    return "-".join(symbols[start : start + 4] for start in range(0, len(symbols), 4))
