"""At every start the key file is taken from everybody but its owner."""

import logging
import stat
from pathlib import Path

import pytest

from licensing import logs
from licensing.serving.prepare import guard_key_file


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "keymanager.key"
    path.write_bytes(b"key\n")
    return path


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
def test_a_key_file_that_others_may_use_is_made_its_owners_alone(key_file: Path, mode: int) -> None:
    key_file.chmod(mode)
    told: list[str] = []
    guard_key_file(key_file, told.append)
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    assert told == [f"Others than its owner could use the key file {key_file}: it now has mode 0600."]


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_key_file_that_is_its_owners_alone_stays_as_it_is(key_file: Path, mode: int) -> None:
    key_file.chmod(mode)
    told: list[str] = []
    guard_key_file(key_file, told.append)
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
        guard_key_file(key_file, lambda line: None)
    finally:
        logger.removeHandler(handler)
    (line,) = logged
    assert "run chmod 600 on it" in line
