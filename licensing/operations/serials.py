"""The newest serial accepted for each key, kept sealed.

The vendor's earlier grants verify for ever: somebody who kept one could put it back into the database and
have the seats of before. So a grant counts only from this serial on. Where the seal does not open, no grant
counts until the next contact brings new ones.
"""

import json
from collections.abc import Mapping
from functools import lru_cache

from licensing.models import Installation
from licensing.models.sealed import SealBroken, seal, unseal

_PURPOSE = "newest serials"


@lru_cache(maxsize=4)
def read_serials(sealed: str | None) -> Mapping[str, int]:
    """The serials by key number; none where the seal does not open."""
    try:
        serials: dict[str, int] = json.loads(unseal(_PURPOSE, sealed or ""))
    except SealBroken:
        return {}
    return serials


def note_serial(number: str, serial: int) -> None:
    """Remember a grant that was just accepted, in the caller's transaction."""
    rows = Installation.objects.filter(pk=1)
    serials = {**read_serials(rows.values_list("newest_serials", flat=True).first()), number: serial}
    rows.update(newest_serials=seal(_PURPOSE, json.dumps(serials)))
