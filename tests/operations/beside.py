"""What somebody else does in a transaction of his own while a test is in one."""

import threading
import time
from collections.abc import Callable
from types import ModuleType

import pytest
from django.db import connection

PATIENCE_SECONDS = 4.0


class Beside:
    """Somebody else at work, in a thread with a connection of his own."""

    def __init__(self, work: Callable[[], object]) -> None:
        self._work = work
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._work()
        except BaseException as error:
            self._error = error
        finally:
            connection.close()

    def wait_until_he_waits(self) -> None:
        """Until he waits for a lock of ours; where we hold the whole database he always does."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while connection.vendor == "postgresql" and not _waits_for_us():
            assert self._thread.is_alive(), f"he did not wait: {self._error!r}"
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def finish(self) -> None:
        """Wait for him; what went wrong there goes wrong here."""
        self._thread.join()
        if self._error is not None:
            raise self._error


def come_between(
    monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str, work: Callable[[], object]
) -> None:
    """Have somebody else do all of `work` just before the function `name` of `module` is first called.

    Where a transaction keeps every other away, he has come before it.
    """
    if connection.vendor == "sqlite":
        work()
        return
    real = getattr(module, name)

    def late(*args: object, **named: object) -> object:
        monkeypatch.setattr(module, name, real)
        Beside(work).finish()
        return real(*args, **named)

    monkeypatch.setattr(module, name, late)


def _waits_for_us() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT COUNT(*) FROM pg_locks"
            " WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))"
        )
        return bool(cursor.fetchone()[0])
