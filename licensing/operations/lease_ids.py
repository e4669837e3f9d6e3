"""The ids of leases: 122 bits that nobody can guess, as UUIDs of version 4 (RFC 9562).

A checkout with an idempotency key gets an id that is reckoned from the key with a secret of this portal: so
the row's own id finds the lease that a repeated call is to get, and the database itself, by its primary key,
gives no second one. An index of the keys would be read and written at random places with every checkout.
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


def new_ids(count: int) -> list[str]:
    """Ids of new leases, 32 hex digits each, drawn at random.

    All are drawn at once: each call of the system lets other threads at the interpreter.
    """
    drawn = os.urandom(16 * count)
    return [_as_uuid(drawn[start : start + 16]) for start in range(0, len(drawn), 16)]


# By ERP client and idempotency key: the id that a lease for it gets now, and the one that it had got before.
IdsOfKeys = dict[tuple[int, str], tuple[str, str]]


def ids_of_keys(keys: Iterable[tuple[int, str]], now: datetime) -> IdsOfKeys:
    """The ids that leases for these keys get at `now`, and those that they had got up to 24 h before.

    A lease as old as `REMEMBERED` was given in an earlier period than `now` is in: a key that is used again
    after that time gets another id.
    """
    period = int(now.timestamp() // REMEMBERED.total_seconds())
    secret = secret_for("lease ids")
    present, past = _hash_in(period, secret), _hash_in(period - 1, secret)
    found = {}
    for key in keys:
        # The idempotency key comes last: what is before it has no blank, so no two read the same.
        text = f"{key[0]} {key[1]}".encode()
        found[key] = _hashed(present, text), _hashed(past, text)
    return found


@lru_cache(maxsize=4)
def _hash_in(period: int, secret: bytes) -> "hashlib.blake2b":
    return hashlib.blake2b(f"{period} ".encode(), digest_size=16, key=secret)


def _hashed(begun: "hashlib.blake2b", text: bytes) -> str:
    ours = begun.copy()
    ours.update(text)
    return _as_uuid(ours.digest())


def _as_uuid(drawn: bytes) -> str:
    return f"{int.from_bytes(drawn, 'big') & _FREE_BITS | _VERSION_4:032x}"
