"""Answers on their way to the relay: kept in the database until it has taken them."""

import logging
import smtplib
import sqlite3
import threading
import time

from .store import Store

_LOG = logging.getLogger(__name__)
RELAY_SECONDS = 20
LONGEST_PAUSE_SECONDS = 30 * 60
GIVE_UP_SECONDS = 24 * 3600
_REJECTED = range(500, 600)


class Outbox:
    """A queue in the database and one thread that empties it; times are the computer's, Unix seconds."""

    def __init__(self, store: Store, relay: tuple[str, int]) -> None:
        self._store = store
        self._relay = relay
        self._wake = threading.Event()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="outbox", daemon=True)

    def start(self) -> None:
        """Begins to send, with what an earlier run left."""
        self._thread.start()

    def stop(self) -> None:
        """Ends after the mail under way; what is left is sent by the next run."""
        self._stopped = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout=3)

    def put(self, recipient: str, message: bytes) -> None:
        """Queues a mail, durably."""
        now = time.time()
        with self._store.transaction() as tx:
            tx.execute(
                "INSERT INTO answer_mail (recipient, message, queued_at, next_at) VALUES (?, ?, ?, ?)",
                (recipient, message, now, now),
            )
        self._wake.set()

    def _run(self) -> None:
        while not self._stopped:
            self._wake.clear()
            try:
                pause = self._send_due()
            except Exception:
                _LOG.exception("the outbox could not be emptied")
                pause = 60.0
            self._wake.wait(pause)

    def _send_due(self) -> float:
        """Sends what is due; returns the seconds until something else may be."""
        while not self._stopped:
            with self._store.transaction() as tx:
                mail = tx.execute("SELECT * FROM answer_mail ORDER BY next_at, id LIMIT 1").fetchone()
            if mail is None:
                return LONGEST_PAUSE_SECONDS
            left = float(mail["next_at"]) - time.time()
            if left > 0:
                return min(left, LONGEST_PAUSE_SECONDS)
            self._finish(mail["id"], mail["tries"], mail["queued_at"], self._send(mail))
        return 0

    def _send(self, mail: sqlite3.Row) -> bool | None:
        """True once the relay has it, None if it never will, False if it may later."""
        host, port = self._relay
        try:
            with smtplib.SMTP(host, port, timeout=RELAY_SECONDS) as relay:
                relay.sendmail("", [mail["recipient"]], mail["message"])
        except smtplib.SMTPRecipientsRefused as error:
            codes = [code for code, _ in error.recipients.values()]
            return None if all(code in _REJECTED for code in codes) else False
        except smtplib.SMTPResponseException as error:
            return None if error.smtp_code in _REJECTED else False
        except (OSError, smtplib.SMTPException):
            return False
        return True

    def _finish(self, mail: int, tries: int, queued_at: float, taken: bool | None) -> None:
        now = time.time()
        is_over = taken is not False or now - queued_at > GIVE_UP_SECONDS
        if is_over and not taken:
            _LOG.warning("an answer could not be delivered and is dropped")
        with self._store.transaction() as tx:
            if is_over:
                tx.execute("DELETE FROM answer_mail WHERE id = ?", (mail,))
            else:
                pause = min(60 * 2**tries, LONGEST_PAUSE_SECONDS)
                tx.execute(
                    "UPDATE answer_mail SET tries = tries + 1, next_at = ? WHERE id = ?", (now + pause, mail)
                )
