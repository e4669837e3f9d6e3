"""The desk: answers a challenge with today's activation code, or with the first reason against it.

Every channel (page, API, mail) comes through here. The order of the reasons is the contract's.
"""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from licensing.protocol import (
    Challenge,
    CodePack,
    Mistyped,
    format_instant,
    group,
    parse_challenge,
    read_message,
    valid_slots,
)

from .folder import Vault
from .packs import Bought, IssuedPack, code_of, find_pack
from .store import Store
from .virtual_keys import VirtualKey, find_key

LANGUAGES = ("PL", "EN")
_LOG_ROWS = 1000
_SLOTS_KEPT = 40


class NoCode(Exception):
    """The desk gives no code; `reason` is the contract's word, `number` the key in question if one is."""

    def __init__(self, reason: str, number: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.number = number


@dataclass(frozen=True, slots=True)
class DeskEntry:
    """One line of the desk's log: never the code itself."""

    answered_at: str
    channel: str
    number: str | None
    outcome: str


class Desk:
    """Answers messages and remembers what it answered."""

    def __init__(self, store: Store, vault: Vault) -> None:
        self._store = store
        self._vault = vault

    def answer(self, message: str, now: datetime, channel: str) -> str:
        """The activation code `XXXX-XXXX-XXXX-XXXX` for `ERP <language> <challenge>`. Raises NoCode.

        The same challenge gets the same code again, so that a lost answer can be sent once more.
        """
        number = None
        with self._store.transaction() as tx:
            try:
                challenge = _read(message)
                number = challenge.lowest_key
                code = self._code(tx, challenge, now)
            except NoCode as refusal:
                _log(tx, now, channel, refusal.number or number, refusal.reason)
                refused = refusal
            else:
                _log(tx, now, channel, number, "answered")
                return group(code)
        raise refused

    def entries(self, limit: int = 50) -> list[DeskEntry]:
        """What was answered last, newest first."""
        with self._store.transaction() as tx:
            rows = tx.execute("SELECT * FROM desk_log ORDER BY id DESC LIMIT ?", (limit,)).fetchall()
        return [DeskEntry(row["answered_at"], row["channel"], row["number"], row["outcome"]) for row in rows]

    def _code(self, tx: sqlite3.Connection, challenge: Challenge, now: datetime) -> str:
        if find_key(tx, challenge.lowest_key) is None:
            raise NoCode("unknown_key", challenge.lowest_key)
        issued = find_pack(tx, self._vault, challenge, now)
        if issued is None:
            raise NoCode("not_this_key", challenge.lowest_key)
        slot = _slot(challenge, now)
        if issued.pack.commitment(slot) is None:
            raise NoCode("not_this_key", challenge.lowest_key)
        _check_keys(tx, issued)
        _use_slot(tx, issued.pack, slot, challenge.nonce)
        return code_of(self._vault, issued.pack, slot)


def _read(message: str) -> Challenge:
    try:
        language, challenge = read_message(message)
        if language not in LANGUAGES:
            raise NoCode("mistyped")
        return parse_challenge(challenge)
    except Mistyped:
        raise NoCode("mistyped") from None


def _slot(challenge: Challenge, now: datetime) -> int:
    for slot in valid_slots(now):
        if challenge.is_of(slot):
            return slot
    raise NoCode("wrong_day", challenge.lowest_key)


def _check_keys(tx: sqlite3.Connection, issued: IssuedPack) -> None:
    """One key that may not be renewed stops the code of the whole installation, on purpose."""
    keys = {number: find_key(tx, number) for number in sorted(issued.bought)}
    objections: tuple[tuple[str, Callable[[VirtualKey], bool]], ...] = (
        ("suspended", lambda key: key.suspended),
        ("clone_suspected", lambda key: key.clone_suspected),
        ("needs_contact", lambda key: _needs_contact(key, issued.pack, issued.bought)),
    )
    for reason, holds in objections:
        for number, key in keys.items():
            if key is None or holds(key):
                raise NoCode(reason, number)


def _needs_contact(key: VirtualKey, pack: CodePack, bought: Bought) -> bool:
    """Whether a key went elsewhere, or gives less than it did when the pack was made."""
    return key.bound_to != pack.installation or any(
        code not in key.seats or _is_fewer(key.seats[code], seats)
        for code, seats in bought[key.number].items()
    )


def _is_fewer(now: int | None, before: int | None) -> bool:
    return now is not None and (before is None or now < before)


def _use_slot(tx: sqlite3.Connection, pack: CodePack, slot: int, nonce: int) -> None:
    """Each installation has one challenge a day: whoever comes with another one holds a copy."""
    tx.execute("DELETE FROM answered_slot WHERE slot < ?", (slot - _SLOTS_KEPT,))
    tx.execute(
        "INSERT INTO answered_slot VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (pack.installation, slot, pack.pack, nonce),
    )
    row = tx.execute(
        "SELECT pack, nonce FROM answered_slot WHERE installation = ? AND slot = ?", (pack.installation, slot)
    ).fetchone()
    if (row["pack"], row["nonce"]) != (pack.pack, nonce):
        raise NoCode("already_answered", pack.lowest_key)


def _log(tx: sqlite3.Connection, now: datetime, channel: str, number: str | None, outcome: str) -> None:
    tx.execute(
        "INSERT INTO desk_log (answered_at, channel, number, outcome) VALUES (?, ?, ?, ?)",
        (format_instant(now), channel, number, outcome),
    )
    tx.execute("DELETE FROM desk_log WHERE id <= (SELECT MAX(id) FROM desk_log) - ?", (_LOG_ROWS,))
