"""The ids of leases: 122 bits that nobody can guess, as UUIDs of version 4 (RFC 9562).

A checkout with an idempotency key gets an id that is reckoned from the key with a secret of this portal: so
the row's own id finds the lease that a repeated call is to get, and the database itself, by unique ids,
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
# Portal time may be set back by a contact, and two nodes' clocks differ: so far before the end of a period a
# lease may have been given in the next one already.
SET_BACK = timedelta(hours=1)
_FREE_BITS = (1 << 128) - 1 & ~(0xF << 76) & ~(0x3 << 62)
_VERSION_4 = 0x4 << 76 | 0x2 << 62


# The id that a lease gets for an idempotency key now, and those that it may have got at another time.
Ids = tuple[str, ...]


def new_ids(count: int) -> list[str]:
    """Ids of new leases, 32 hex digits each, drawn at random.

    All are drawn at once: each call of the system lets other threads at the interpreter.
    """
    drawn = os.urandom(16 * count)
    return [f"{_uuid(drawn[start : start + 16]):032x}" for start in range(0, len(drawn), 16)]


def ids_of_keys(keys: Iterable[tuple[int, str]], now: datetime) -> list[Ids]:
    """Of each ERP client and its idempotency key: the id that a lease for it gets, and those of other times.

    A lease as old as `REMEMBERED` was given in an earlier period than `now` is in: a key that is used again
    after that time gets another id.
    """
    period = period_of(now)
    secret = secret_for("lease ids")
    begun, others = _begun(secret), [period - 1]
    if period_of(now + SET_BACK) != period:
        others.append(period + 1)
    present, *besides = [_period_bits(secret, one) for one in (period, *others)]
    found = []
    for client_id, key in keys:
        ours = begun.copy()
        # The idempotency key comes last: what is before it has no blank, so no two read the same.
        ours.update(f"key {client_id} {key}".encode())
        bits = _uuid(ours.digest())
        found.append((f"{bits ^ present:032x}", *[f"{bits ^ other:032x}" for other in besides]))
    return found


def period_of(now: datetime) -> int:
    """The period in which a key has one id."""
    return int(now.timestamp() // REMEMBERED.total_seconds())


@lru_cache(maxsize=2)
def _begun(secret: bytes) -> "hashlib.blake2b":
    return hashlib.blake2b(digest_size=16, key=secret)


@lru_cache(maxsize=4)
def _period_bits(secret: bytes, period: int) -> int:
    """What makes the ids of a period others than those of the same keys in another."""
    ours = _begun(secret).copy()
    ours.update(f"period {period}".encode())
    return int.from_bytes(ours.digest(), "big") & _FREE_BITS


def _uuid(drawn: bytes) -> int:
    return int.from_bytes(drawn, "big") & _FREE_BITS | _VERSION_4
