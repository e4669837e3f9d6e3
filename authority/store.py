"""The authority's SQLite file: its tables, and transactions that one request at a time may hold."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK_SECONDS = 10

_SCHEMA = """
CREATE TABLE IF NOT EXISTS setting (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS virtual_key (
    number TEXT PRIMARY KEY,
    customer TEXT NOT NULL,
    credentials TEXT NOT NULL,
    modules TEXT NOT NULL,
    suspended INTEGER NOT NULL DEFAULT 0,
    clone_suspected INTEGER NOT NULL DEFAULT 0,
    bound_to TEXT,
    machine TEXT,
    serial INTEGER NOT NULL DEFAULT 0,
    reported INTEGER,
    CHECK ((bound_to IS NULL) = (machine IS NULL)),
    CHECK (reported IS NULL OR reported <= serial)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS installation (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    last_request TEXT NOT NULL,
    last_results TEXT NOT NULL,
    last_pack INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS used_request (
    installation TEXT NOT NULL,
    request_id TEXT NOT NULL,
    used_at TEXT NOT NULL,
    sent_at TEXT,
    PRIMARY KEY (installation, request_id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS used_request_age ON used_request (used_at);
CREATE TABLE IF NOT EXISTS wrong_guess (number TEXT NOT NULL, guessed_at TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS wrong_guess_key ON wrong_guess (number, guessed_at);
CREATE TABLE IF NOT EXISTS guesser (
    number TEXT NOT NULL,
    installation TEXT NOT NULL,
    wrong INTEGER NOT NULL DEFAULT 0,
    locked_until TEXT,
    PRIMARY KEY (number, installation)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS code_pack (
    installation TEXT NOT NULL,
    pack INTEGER NOT NULL,
    issued_at TEXT NOT NULL,
    first_slot INTEGER NOT NULL,
    lowest_key TEXT NOT NULL,
    bought TEXT NOT NULL,
    jws TEXT NOT NULL,
    PRIMARY KEY (installation, pack)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS code_pack_key ON code_pack (lowest_key);
CREATE TABLE IF NOT EXISTS answered_slot (
    installation TEXT NOT NULL,
    slot INTEGER NOT NULL,
    pack INTEGER NOT NULL,
    nonce INTEGER NOT NULL,
    PRIMARY KEY (installation, slot)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS desk_log (
    id INTEGER PRIMARY KEY,
    answered_at TEXT NOT NULL,
    channel TEXT NOT NULL,
    number TEXT,
    outcome TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS answer_mail (
    id INTEGER PRIMARY KEY,
    recipient TEXT NOT NULL,
    message BLOB NOT NULL,
    queued_at REAL NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    next_at REAL NOT NULL
);
"""


class StoreBusy(Exception):
    """The file could not be had in time; whoever asked may ask again."""


class Store:
    """One connection, handed to one thread at a time: requests about a key are thus carried out in turn."""

    def __init__(self, path: Path, patience: float = LOCK_SECONDS) -> None:
        path.touch(mode=0o600)
        self._lock = threading.Lock()
        self._patience = patience
        self._connection = sqlite3.connect(
            path, timeout=patience, isolation_level=None, check_same_thread=False
        )
        self._connection.row_factory = sqlite3.Row
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.executescript(_SCHEMA)
        self._add_sent_at()

    def _add_sent_at(self) -> None:
        """A file that was made before `sent_at` was recorded gets its column."""
        columns = self._connection.execute("SELECT name FROM pragma_table_info('used_request')")
        if "sent_at" not in {row["name"] for row in columns}:
            self._connection.execute("ALTER TABLE used_request ADD COLUMN sent_at TEXT")

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing, and on the disk when left. Raises StoreBusy once its patience (seconds) is over."""
        if not self._lock.acquire(timeout=self._patience):
            raise StoreBusy
        try:
            self._begin()
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
        finally:
            self._lock.release()

    def _begin(self) -> None:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            raise StoreBusy from error

    def close(self) -> None:
        """Closes the file once the transaction under way has ended."""
        with self._lock:
            self._connection.close()


def read_setting(tx: sqlite3.Connection, name: str) -> str | None:
    """The text kept under `name`, or None."""
    row = tx.execute("SELECT value FROM setting WHERE name = ?", (name,)).fetchone()
    return None if row is None else str(row["value"])


def write_setting(tx: sqlite3.Connection, name: str, value: str) -> None:
    """Keeps a text under `name` in place of what was there."""
    tx.execute("REPLACE INTO setting VALUES (?, ?)", (name, value))
