"""Checkpoints by a thread: what commits leave in the log reaches the database file without them."""

import os
import subprocess
import sys
from pathlib import Path

STORY = """
import sys, time
from pathlib import Path
import django
django.setup()
from django.core.management import call_command
from django.db import connection
call_command("migrate", verbosity=0)
with connection.cursor() as cursor:
    cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    cursor.execute("INSERT INTO licensing_event (at, kind, actor, subject, data)"
                   " VALUES ('2026-11-24 08:00:00', 'a-mark-in-the-log', '', '', '{}')")
file = Path(sys.argv[1])
print(b"a-mark-in-the-log" in file.read_bytes())
from licensing.engine import checkpoint
checkpoint.PAUSE_SECONDS = 0.02
running = checkpoint.Checkpoints()
for _ in range(500):
    if b"a-mark-in-the-log" in file.read_bytes():
        break
    time.sleep(0.02)
print(b"a-mark-in-the-log" in file.read_bytes())
running.stop()
print(running._thread.is_alive())
"""


def test_the_log_reaches_the_file_though_no_commit_comes(tmp_path: Path) -> None:
    file = tmp_path / "keymanager.sqlite3"
    environment = {
        **os.environ,
        "KEYMANAGER_DATA": str(tmp_path),
        "KEYMANAGER_DATABASE_URL": f"sqlite:///{file}",
    }
    told = subprocess.run(
        [sys.executable, "-c", STORY, str(file)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert told.stdout.split() == ["False", "True", "False"], told.stderr
