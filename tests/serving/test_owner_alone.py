"""At every start key file and database are taken from everybody but their owner."""

import logging
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from licensing import logs
from licensing.serving.prepare import guard_file
from tests.portal_process import ROOT


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "keymanager.key"
    path.write_bytes(b"key\n")
    return path


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
def test_a_key_file_that_others_may_use_is_made_its_owners_alone(key_file: Path, mode: int) -> None:
    key_file.chmod(mode)
    told: list[str] = []
    guard_file(key_file, told.append)
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    assert told == [f"Others than its owner could use {key_file}: it now has mode 0600."]


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_key_file_that_is_its_owners_alone_stays_as_it_is(key_file: Path, mode: int) -> None:
    key_file.chmod(mode)
    told: list[str] = []
    guard_file(key_file, told.append)
    assert (stat.S_IMODE(key_file.stat().st_mode), told) == (mode, [])


def test_a_key_file_that_cannot_be_changed_is_told_in_the_log_with_what_to_do(
    key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, mode: int) -> None:
        raise PermissionError

    key_file.chmod(0o644)
    monkeypatch.setattr(Path, "chmod", refuse)
    logged: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: logged.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger(logs.SUPERVISOR)
    logger.addHandler(handler)
    try:
        guard_file(key_file, lambda line: None)
    finally:
        logger.removeHandler(handler)
    (line,) = logged
    assert "run chmod 600 on it" in line


def test_a_database_that_was_there_before_the_start_is_made_its_owners_alone(tmp_path: Path) -> None:
    database = tmp_path / "keymanager.sqlite3"
    # As a command or a restored backup leaves it.
    database.touch(mode=0o644)
    command = [sys.executable, "manage.py", "prepare", "--data", str(tmp_path)]
    # Without what this run's own database is named by.
    own = {name: value for name, value in os.environ.items() if not name.startswith("KEYMANAGER_")}
    told = subprocess.run(command, cwd=ROOT, env=own, check=True, capture_output=True, text=True, timeout=60)
    assert f"Others than its owner could use {database}: it now has mode 0600." in told.stdout
    assert stat.S_IMODE(database.stat().st_mode) == 0o600
