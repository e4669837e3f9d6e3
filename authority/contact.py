"""One contact, whole: the request verified, answered once, and remembered to be answered again."""

import logging
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from licensing.protocol import (
    GRANTED,
    ContactAnswer,
    ContactRequest,
    InstallationInfo,
    KeyAnswer,
    format_instant,
    request_sha256,
    verify_request,
)

from .binding import answer_key, release_keys
from .folder import Vault
from .key_set import published_key_set
from .packs import pack_for
from .store import Store
from .virtual_keys import find_key

_LOG = logging.getLogger(__name__)
IDS_KEPT = timedelta(days=400)
MOST_AT_ONCE = 64
"""Contacts of one installation under way at once; more would let it keep others waiting."""


class Replayed(Exception):
    """An id that this installation used before its last one."""


class TooManyAtOnce(Exception):
    """One installation has too many contacts under way."""


@dataclass(frozen=True, slots=True)
class _Results:
    """What was decided; only the time of the answer is new when it is given again."""

    keys: tuple[KeyAnswer, ...]
    released: tuple[str, ...]
    codes: str | None
    jwks: str | None


class ContactDesk:
    """Answers contact requests, on-line and by file alike."""

    def __init__(self, store: Store, vault: Vault) -> None:
        self._store = store
        self._vault = vault
        self._under_way: Counter[str] = Counter()
        self._lock = threading.Lock()

    def answer(self, request_jws: str, now: datetime) -> ContactAnswer:
        """The answer to a request, not signed yet.

        Raises BadSignature, MalformedMessage, Replayed, TooManyAtOnce or StoreBusy: nothing is done then.
        """
        request = verify_request(request_jws)
        with self.place(request.installation.id), self._store.transaction() as tx:
            results = _recall(tx, request) or self._carry_out(tx, request, now)
        return ContactAnswer(
            request_id=request.request_id,
            request_sha256=request_sha256(request_jws),
            installation=request.installation.id,
            answered_at=now,
            keys=results.keys,
            released=results.released,
            codes=results.codes,
            jwks=results.jwks,
        )

    @contextmanager
    def place(self, installation: str) -> Iterator[None]:
        """One of the places that an installation has for contacts under way. Raises TooManyAtOnce."""
        with self._lock:
            if self._under_way[installation] >= MOST_AT_ONCE:
                raise TooManyAtOnce
            self._under_way[installation] += 1
        try:
            yield
        finally:
            with self._lock:
                self._under_way[installation] -= 1
                self._under_way += Counter()

    def _carry_out(self, tx: sqlite3.Connection, request: ContactRequest, now: datetime) -> _Results:
        _note_installation(tx, request.installation, request.request_id)
        release_keys(tx, request)
        answers = tuple(answer_key(tx, self._vault, request, asked, now) for asked in request.keys)
        granted = [find_key(tx, answer.number) for answer in answers if answer.result == GRANTED]
        known = [key for key in granted if key is not None]
        results = _Results(
            keys=answers,
            released=request.release,
            codes=pack_for(tx, self._vault, request.installation.id, known, now),
            jwks=published_key_set(tx),
        )
        _remember(tx, request, results, now)
        outcomes = ", ".join(f"{answer.number} {answer.reason or answer.result}" for answer in answers)
        _LOG.info("contact of %s (%s): %s", request.installation.id, request.installation.name, outcomes)
        return results


def _recall(tx: sqlite3.Connection, request: ContactRequest) -> _Results | None:
    """The results of the installation's last request if this is it again, None for a new one."""
    here = request.installation.id
    row = tx.execute("SELECT last_request, last_results FROM installation WHERE id = ?", (here,)).fetchone()
    if row and row["last_request"] == request.request_id:
        return msgspec.json.decode(row["last_results"], type=_Results)
    used = "SELECT 1 FROM used_request WHERE installation = ? AND request_id = ?"
    if tx.execute(used, (here, request.request_id)).fetchone():
        raise Replayed
    return None


def _note_installation(tx: sqlite3.Connection, installation: InstallationInfo, request_id: str) -> None:
    tx.execute(
        "INSERT INTO installation (id, name, last_request, last_results) VALUES (?, ?, ?, '')"
        " ON CONFLICT DO UPDATE SET name = excluded.name, last_request = excluded.last_request",
        (installation.id, installation.name, request_id),
    )


def _remember(tx: sqlite3.Connection, request: ContactRequest, results: _Results, now: datetime) -> None:
    here = request.installation.id
    tx.execute(
        "UPDATE installation SET last_results = ? WHERE id = ?", (msgspec.json.encode(results).decode(), here)
    )
    tx.execute("DELETE FROM used_request WHERE used_at < ?", (format_instant(now - IDS_KEPT),))
    tx.execute(
        "INSERT INTO used_request (installation, request_id, used_at, sent_at) VALUES (?, ?, ?, ?)",
        (here, request.request_id, format_instant(now), format_instant(request.sent_at)),
    )
