"""Who may bind a key: the check of customer and PIN, and what stops guessing them.

Five wrong ones lock a key for the installation that guessed, twenty a day lock it for all but the
installation that it is bound to: strangers cannot disturb a key that is at work.
"""

import hmac
import sqlite3
from datetime import datetime, timedelta

from licensing.protocol import ContactRequest, ProtocolError, format_instant, open_credentials, parse_instant

from .folder import Vault
from .virtual_keys import VirtualKey

WRONG_PER_INSTALLATION = 5
WRONG_PER_DAY = 20
DAY = timedelta(hours=24)
EVERYBODY = ""
"""In place of an installation: the row of the lock that is on the key as a whole."""


def check_credentials(
    tx: sqlite3.Connection,
    vault: Vault,
    request: ContactRequest,
    sealed: str,
    number: str,
    key: VirtualKey | None,
    now: datetime,
) -> str | None:
    """None if they are right, else `locked` or `wrong_credentials`, which is counted.

    An unknown number (`key` None) is answered as a wrong PIN is, and locks as it does.
    """
    here = request.installation.id
    if _is_locked(tx, number, here, now) or (
        not _is_bound_to(key, here) and _is_locked(tx, number, EVERYBODY, now)
    ):
        return "locked"
    if not _are_right(vault, request, sealed, number, key):
        _count_wrong(tx, number, here, now)
        return "wrong_credentials"
    tx.execute("DELETE FROM guesser WHERE number = ? AND installation = ?", (number, here))
    return None


def locked_until(tx: sqlite3.Connection, number: str, now: datetime) -> datetime | None:
    """The end of the last lock in force on a key, for whomever it holds; None where there is none."""
    row = tx.execute(
        "SELECT MAX(locked_until) AS last FROM guesser WHERE number = ? AND locked_until > ?",
        (number, format_instant(now)),
    ).fetchone()
    return None if row["last"] is None else parse_instant(row["last"])


def clear_locks(tx: sqlite3.Connection, number: str) -> None:
    """Forgets every wrong guess at a key."""
    tx.execute("DELETE FROM guesser WHERE number = ?", (number,))
    tx.execute("DELETE FROM wrong_guess WHERE number = ?", (number,))


def _is_bound_to(key: VirtualKey | None, installation: str) -> bool:
    return key is not None and key.bound_to == installation


def _are_right(
    vault: Vault, request: ContactRequest, sealed: str, number: str, key: VirtualKey | None
) -> bool:
    try:
        given = open_credentials(sealed, vault.keys, request, number)
    except ProtocolError:
        return False
    digest = vault.credentials_digest(number, given.customer, given.pin)
    return key is not None and hmac.compare_digest(digest, key.credentials)


def _is_locked(tx: sqlite3.Connection, number: str, installation: str, now: datetime) -> bool:
    """Whether a lock is in force; one that has run out is forgotten with the guesses that led to it."""
    who = (number, installation)
    tx.execute(
        "DELETE FROM guesser WHERE number = ? AND installation = ? AND locked_until <= ?",
        (*who, format_instant(now)),
    )
    row = tx.execute("SELECT locked_until FROM guesser WHERE number = ? AND installation = ?", who).fetchone()
    return row is not None and row["locked_until"] is not None


def _count_wrong(tx: sqlite3.Connection, number: str, installation: str, now: datetime) -> None:
    tx.execute(
        "INSERT INTO guesser VALUES (?, ?, 1, NULL) ON CONFLICT DO UPDATE SET wrong = wrong + 1",
        (number, installation),
    )
    tx.execute("DELETE FROM wrong_guess WHERE guessed_at <= ?", (format_instant(now - DAY),))
    tx.execute("INSERT INTO wrong_guess VALUES (?, ?)", (number, format_instant(now)))
    wrong = tx.execute(
        "SELECT wrong FROM guesser WHERE number = ? AND installation = ?", (number, installation)
    ).fetchone()["wrong"]
    today = tx.execute("SELECT COUNT(*) AS n FROM wrong_guess WHERE number = ?", (number,)).fetchone()["n"]
    if wrong >= WRONG_PER_INSTALLATION:
        _lock(tx, number, installation, now)
    if today >= WRONG_PER_DAY:
        _lock(tx, number, EVERYBODY, now)


def _lock(tx: sqlite3.Connection, number: str, installation: str, now: datetime) -> None:
    tx.execute(
        "INSERT INTO guesser VALUES (?, ?, 0, ?)"
        " ON CONFLICT DO UPDATE SET locked_until = excluded.locked_until",
        (number, installation, format_instant(now + DAY)),
    )
