"""The ids of leases: 122 bits that nobody can guess, as UUIDs of version 4 (RFC 9562).

A checkout with an idempotency key gets an id that is reckoned from the key with a secret of this portal, and
in its last digits from the day: so the rows' own ids, in one place of their index, find the lease that a
repeated call is to get, and the database itself, by unique ids, gives no second one. An index of the keys
would be read and written at random places with every checkout.
"""

import hashlib
import os
from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import lru_cache

from licensing.models.sealed import secret_for

# For so long a repeated call gets the same lease (contract, lease-api.md).
REMEMBERED = timedelta(hours=24)
_FREE_BITS = (1 << 128) - 1 & ~(0xF << 76) & ~(0x3 << 62)
_VERSION_4 = 0x4 << 76 | 0x2 << 62
# The digits of an id that are the same on all days, and the bits that are not: enough until the year 2149.
STEM_DIGITS = 28
_DAY_BITS = 0xFFFF

# What an id is made of: its first digits, and what the day is mixed into. All ids of an idempotency key have
# one stem.
Stem = tuple[str, int]


def new_stems(count: int) -> list[Stem]:
    """Stems drawn at random.

    All are drawn at once: each call of the system lets other threads at the interpreter.
    """
    drawn = os.urandom(16 * count)
    return [_stem(drawn[start : start + 16]) for start in range(0, len(drawn), 16)]


def stems_of_keys(keys: Iterable[tuple[int, str]]) -> list[Stem]:
    """The stem of each ERP client's idempotency key."""
    begun = _begun(secret_for("lease ids"))
    found = []
    for client_id, key in keys:
        ours = begun.copy()
        # The idempotency key comes last: what is before it has no blank, so no two read the same.
        ours.update(f"key {client_id} {key}".encode())
        found.append(_stem(ours.digest()))
    return found


def day_of(now: datetime) -> int:
    """The day, on which a key has one id: used again when it is forgotten, it is used on a later one."""
    return int(now.timestamp() // REMEMBERED.total_seconds())


def id_on(stem: Stem, day: int) -> str:
    """The id that a lease of that day gets, 32 hex digits: none is ever used again."""
    digits, bits = stem
    return f"{digits}{bits ^ day & _DAY_BITS:04x}"


@lru_cache(maxsize=2)
def _begun(secret: bytes) -> "hashlib.blake2b":
    return hashlib.blake2b(digest_size=16, key=secret)


def _stem(drawn: bytes) -> Stem:
    bits = int.from_bytes(drawn, "big") & _FREE_BITS | _VERSION_4
    return f"{bits >> 16:028x}", bits & _DAY_BITS
