"""What must be there before anything runs: tables, the installation, static files."""

import contextlib
import hashlib
import logging
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.apps.registry import Apps
from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command
from django.db import connection
from django.db.backends.utils import CursorWrapper
from django.db.migrations.executor import MigrationExecutor

from licensing import logs
from licensing.operations.clock import keep_time, local_now
from licensing.operations.installation import ensure_installation

Tell = Callable[[str], None]
LOOK_SECONDS = 0.5
# Any number that no other program uses for a lock of its own in this database.
ADVISORY_LOCK = 5000006622
OWNER_ALONE = 0o600
logger = logging.getLogger(logs.SUPERVISOR)


def is_current() -> bool:
    """Whether the database has every table that this version needs."""
    executor = MigrationExecutor(connection)
    return not executor.migration_plan(executor.loader.graph.leaf_nodes())


def migrate(tell: Tell) -> None:
    """Bring the database up to this version, a line of progress for each step."""
    with _alone():
        _migrate(tell)


@contextmanager
def _alone() -> Iterator[None]:
    """Wait for another node that prepares the same database (SQLite: the data folder's lock sees to it)."""
    if connection.vendor != "postgresql":
        yield
        return
    with connection.cursor() as cursor:
        while not _try_lock(cursor):
            time.sleep(LOOK_SECONDS)
        try:
            yield
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [ADVISORY_LOCK])


def _try_lock(cursor: CursorWrapper) -> bool:
    # Tried, not waited for: the connection's lock_timeout is shorter than a migration may take.
    cursor.execute("SELECT pg_try_advisory_lock(%s)", [ADVISORY_LOCK])
    return bool(cursor.fetchone()[0])


def _migrate(tell: Tell) -> None:
    told: list[str] = []

    def progress(action: str, migration: Any = None, fake: bool | None = None) -> None:
        if action == "apply_start":
            told.append(str(migration))
            tell(f"  {len(told)}/{len(plan)} {migration}")

    executor = MigrationExecutor(connection, progress)
    targets = executor.loader.graph.leaf_nodes()
    plan = executor.migration_plan(targets)
    if plan:
        tell(f"Preparing the database: {len(plan)} steps")
        executor.migrate(targets, plan)
        _tell_of_new_tables(executor.loader.project_state().apps)


def _tell_of_new_tables(apps: Apps) -> None:
    """Let Django make the rows that follow from models, as its own command does."""
    from django.core.management.sql import emit_post_migrate_signal

    emit_post_migrate_signal(0, False, connection.alias, apps=apps, plan=[])


def collect_static() -> None:
    """Put the pages' files where the web server reads them, unless they are there as they are now."""
    stamp_file = settings.KEYMANAGER.data / "static.stamp"
    stamp = _stamp()
    if stamp_file.exists() and stamp_file.read_text() == stamp and Path(settings.STATIC_ROOT).is_dir():
        return
    call_command("collectstatic", interactive=False, verbosity=0, clear=True)
    stamp_file.write_text(stamp)


def _stamp() -> str:
    digest = hashlib.sha256()
    for finder in get_finders():
        for path, storage in finder.list([]):
            status = Path(storage.path(path)).stat()
            digest.update(f"{path} {status.st_size} {status.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def database_files() -> list[Path]:
    """What is there of a database in files: a command may have made it before the first `serve`."""
    if connection.vendor != "sqlite":
        return []
    name = connection.settings_dict["NAME"]
    return [path for end in ("", "-wal", "-shm") if (path := Path(f"{name}{end}")).exists()]


def guard_file(path: Path, tell: Tell) -> None:
    """Take a file from everybody but its owner; where that fails, tell who has to do it.

    Windows has no such modes: there the folder's rights count.
    """
    if os.name == "nt" or not _others_may(path):
        return
    with contextlib.suppress(OSError):
        path.chmod(OWNER_ALONE)
    if _others_may(path):
        line = f"Others than its owner may use {path}: run chmod 600 on it, as its owner or root."
    else:
        line = f"Others than its owner could use {path}: it now has mode 0600."
    tell(line)
    logger.warning(line)


def _others_may(path: Path) -> bool:
    return bool(stat.S_IMODE(path.stat().st_mode) & 0o077)


def prepare(tell: Tell) -> None:
    """Make or renew what the portal needs."""
    for path in database_files():
        guard_file(path, tell)
    migrate(tell)
    ensure_installation(local_now())
    guard_file(settings.KEYMANAGER.key_file, tell)
    keep_time()
    collect_static()
