"""Logs: one file for all processes in the data folder, bounded, without secrets, as detailed as configured.

Levels as the Configuration has them: 0 exceptions only, 1 also contacts, keys and settings, 2 also leases
(logger `licensing.leases`), 3 also protocol messages (logger `licensing.messages`).
"""

import logging
import threading
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from licensing.operations.hiding import without_secrets

FILE = "keymanager.log"
DAYS_KEPT = 30
# A file a day, more where it grows beyond this; so at most some 150 MiB are kept.
LARGEST_BYTES = 5 * 1024 * 1024
FOLLOW_SECONDS = 5.0
TOLD_EVERY_SECONDS = 60.0
SUPERVISOR = "licensing.serving"
FORMAT = "%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s"

# (logger, from which configured level on, what then passes); below it only errors pass.
DETAIL = (
    ("", 1, logging.WARNING),
    ("django", 1, logging.WARNING),
    ("django.request", 2, logging.WARNING),
    ("django-q", 2, logging.WARNING),
    ("licensing", 1, logging.INFO),
    ("licensing.leases", 2, logging.INFO),
    ("licensing.messages", 3, logging.DEBUG),
)


class PlainFormatter(logging.Formatter):
    """A line as it may be kept, the exception's text included."""

    def format(self, record: logging.LogRecord) -> str:
        """The record's text without secrets."""
        return without_secrets(super().format(record))


class LogFile(logging.Handler):
    """The file shared by all processes; it is opened, and its folder made, at the first line."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        self._file: logging.Handler | None = None
        self._tell_at = 0.0

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record; where that cannot be done, the portal goes on without."""
        try:
            if self._file is None:
                self._file = self._open()
            self._file.emit(record)
        except OSError:
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Print why it cannot be written, once a minute: its own complaint must not fill the disk."""
        now = time.monotonic()
        if now >= self._tell_at:
            self._tell_at = now + TOLD_EVERY_SECONDS
            super().handleError(record)

    def _open(self) -> logging.Handler:
        # Loaded by those who write; most processes of most starts have nothing to say.
        from concurrent_log_handler import ConcurrentTimedRotatingFileHandler

        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = ConcurrentTimedRotatingFileHandler(
            str(self._folder / FILE),
            when="midnight",
            backupCount=DAYS_KEPT,
            maxBytes=LARGEST_BYTES,
            encoding="utf-8",
            chmod=0o600,
        )
        file.setFormatter(self.formatter)
        file.handleError = self.handleError  # type: ignore[method-assign]
        return file


def folder_of(data: Path) -> Path:
    """The folder of the logs."""
    return data / "logs"


def logging_config(data: Path, *, has_console: bool) -> dict[str, Any]:
    """Django's LOGGING: everything into the file; errors to the console too, where there is one."""
    plain = {"()": PlainFormatter, "format": FORMAT, "datefmt": "%Y-%m-%dT%H:%M:%S%z"}
    console = {"class": "logging.StreamHandler", "level": "ERROR", "formatter": "plain"}
    file = {"()": LogFile, "folder": folder_of(data), "formatter": "plain"}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"plain": plain},
        "handlers": {"file": file, "console": console},
        "root": {"handlers": ["file", "console"] if has_console else ["file"], "level": "ERROR"},
        "loggers": {name: {"level": "ERROR", "handlers": []} for name, _, _ in DETAIL if name}
        # What the supervisor tells is always kept, and it prints it itself.
        | {SUPERVISOR: {"level": "INFO", "handlers": ["file"], "propagate": False}},
    }


def apply_level(configured: int) -> None:
    """Let this process log as much as the Configuration says."""
    for name, needed, passing in DETAIL:
        logging.getLogger(name).setLevel(passing if configured >= needed else logging.ERROR)


def configured_level() -> int | None:
    """The level that is configured now; None where the database cannot tell."""
    from django.db import DatabaseError

    from licensing.models import Configuration

    try:
        level: int | None = Configuration.objects.values_list("log_level", flat=True).filter(pk=1).first()
    except DatabaseError:
        return None
    return level


def follow_level() -> None:
    """Apply the configured level in this process, now and whenever it changes."""
    threading.Thread(target=_follow, name="log-level", daemon=True).start()


def _follow() -> None:
    from django.db import connections

    pause = threading.Event()
    while True:
        level = configured_level()
        # The thread sleeps most of the time: it must not keep a connection for that.
        connections.close_all()
        if level is not None:
            apply_level(level)
        pause.wait(FOLLOW_SECONDS)


def forget_old(data: Path, now: datetime) -> None:
    """Delete rotated files that were last written more than 30 days before `now` (local time)."""
    oldest = (now - timedelta(days=DAYS_KEPT)).timestamp()
    for path in folder_of(data).glob(f"{FILE}.*"):
        if path.stat().st_mtime < oldest:
            path.unlink(missing_ok=True)
