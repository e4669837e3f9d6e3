"""Keeping SQLite's write-ahead log short without a commit copying its pages.

A commit that finds the log long copies its pages into the database file and flushes both: it, and all who
share it, wait for that. A thread does the same each second instead (SQLite, "Write-Ahead Logging": a PASSIVE
checkpoint takes no lock that a writer needs), and spares the copies of a page that was written often. The
disk is still shared: a flush beside a checkpoint takes longer (docs/performance.md).
"""

import logging
import threading

from django.db import DatabaseError, connection

logger = logging.getLogger(__name__)
PAUSE_SECONDS = 1.0


class Checkpoints:
    """A thread that checkpoints until it is stopped."""

    def __init__(self) -> None:
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="checkpoints", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread, and wait for a checkpoint under way."""
        self._stopped.set()
        self._thread.join(5)

    def _run(self) -> None:
        try:
            while not self._stopped.wait(PAUSE_SECONDS):
                self._checkpoint()
        finally:
            connection.close()

    def _checkpoint(self) -> None:
        try:
            with connection.cursor() as cursor:
                cursor.execute("PRAGMA wal_checkpoint(PASSIVE)")
                cursor.fetchall()
        except DatabaseError as error:
            # The commits still do it themselves when the log has grown long.
            logger.warning("no checkpoint: %s", error)
            connection.close()
