"""Code packs: which one an installation is given, and which one a challenge speaks of."""

import json
import secrets
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from licensing.protocol import (
    PACK_SLOTS,
    Challenge,
    CodePack,
    commitment,
    context,
    derive_code,
    format_instant,
    sign_code_pack,
    slot_of,
    verify_code_pack,
)

from .folder import Vault
from .virtual_keys import VirtualKey

PACK_AGE = timedelta(days=30)
Bought = dict[str, dict[str, int | None]]
"""The seats of each module of each key (None: not counted), as they were when a pack was made."""


@dataclass(frozen=True, slots=True)
class IssuedPack:
    """A pack and what its keys gave when it was made."""

    pack: CodePack
    bought: Bought


def pack_for(
    tx: sqlite3.Connection, vault: Vault, installation: str, granted: list[VirtualKey], now: datetime
) -> str | None:
    """The pack that goes with these grants: today's, if nothing changed since, else a new one.

    None where nothing was granted: there is nothing that a code could renew.
    """
    if not granted:
        return None
    bought: Bought = {key.number: key.seats for key in granted}
    last = tx.execute(
        "SELECT * FROM code_pack WHERE installation = ? ORDER BY pack DESC LIMIT 1", (installation,)
    ).fetchone()
    if last and last["first_slot"] == slot_of(now) and json.loads(last["bought"]) == bought:
        return str(last["jws"])
    return _make_pack(tx, vault, installation, {key.number: key.serial for key in granted}, bought, now)


def _make_pack(
    tx: sqlite3.Connection,
    vault: Vault,
    installation: str,
    serials: Mapping[str, int],
    bought: Bought,
    now: datetime,
) -> str:
    number = _next_number(tx, installation)
    first_slot = slot_of(now)
    slots = range(first_slot, first_slot + PACK_SLOTS)
    pack = CodePack(
        installation=installation,
        pack=number,
        issued_at=now,
        keys=serials,
        challenge_key=secrets.token_bytes(32),
        first_slot=first_slot,
        commitments=tuple(_commitment(vault, installation, number, slot) for slot in slots),
    )
    jws = sign_code_pack(pack, vault.keys)
    tx.execute("DELETE FROM code_pack WHERE issued_at < ?", (format_instant(now - PACK_AGE),))
    tx.execute(
        "INSERT INTO code_pack VALUES (?, ?, ?, ?, ?, ?, ?)",
        (installation, number, format_instant(now), first_slot, pack.lowest_key, json.dumps(bought), jws),
    )
    return jws


def _next_number(tx: sqlite3.Connection, installation: str) -> int:
    tx.execute("UPDATE installation SET last_pack = last_pack + 1 WHERE id = ?", (installation,))
    row = tx.execute("SELECT last_pack FROM installation WHERE id = ?", (installation,)).fetchone()
    return int(row["last_pack"])


def _commitment(vault: Vault, installation: str, pack: int, slot: int) -> bytes:
    bound_to = context(installation, pack, slot)
    return commitment(derive_code(vault.codes, bound_to), bound_to)


def code_of(vault: Vault, pack: CodePack, slot: int) -> str:
    """The 16 symbols of the activation code of a pack and slot."""
    return derive_code(vault.codes, context(pack.installation, pack.pack, slot))


def find_pack(tx: sqlite3.Connection, vault: Vault, challenge: Challenge, now: datetime) -> IssuedPack | None:
    """The newest pack, at most 30 days old, whose holder made this challenge; None where there is none."""
    rows = tx.execute(
        "SELECT * FROM code_pack WHERE lowest_key = ? AND issued_at >= ? ORDER BY issued_at DESC, pack DESC",
        (challenge.lowest_key, format_instant(now - PACK_AGE)),
    )
    for row in rows:
        pack = verify_code_pack(row["jws"], vault.keys.public(), installation=row["installation"])
        if challenge.fits(pack):
            return IssuedPack(pack, json.loads(row["bought"]))
    return None
