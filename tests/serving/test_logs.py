"""Logs: bounded, without secrets, as detailed as configured."""

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from licensing import logs
from licensing.logs import LogFile, PlainFormatter, apply_level
from licensing.models import Configuration
from licensing.operations.hiding import without_secrets
from tests.portal_process import ROOT

TOKEN = "km_" + "a1-_" * 11


@pytest.mark.parametrize(
    "text",
    [
        "pin=KANAREK",
        "'pin': 'KANAREK'",
        '{"pin": "KANAREK", "x": 1}',
        "proxy_password='KANAREK with words'",
        '"smtp_password": "KANAREK"',
        "Authorization: Bearer KANAREK",
        "Authorization: Basic KANAREK",
        "token=KANAREK&x=1",
        "postgres://user:KANAREK@db/portal",
        "http://login:KANAREK@proxy:3128",
        '"challenge_key": "KANAREK"',
    ],
)
def test_a_secret_that_is_named_is_taken_out(text: str) -> None:
    assert "KANAREK" not in without_secrets(text)


def test_a_token_is_taken_out_wherever_it_stands() -> None:
    assert TOKEN not in without_secrets(f"asked with {TOKEN}.")


def test_encrypted_credentials_are_taken_out() -> None:
    assert "c3Vy" not in without_secrets("sent eyJhbGciOiJFQ0RILUVTIn0..aXY.c3VyZQ.dGFn to the vendor")


def test_the_link_of_an_invitation_is_taken_out() -> None:
    lines = ("Internal Server Error: /invitations/MQ/c0-ffee", "<WSGIRequest: GET '/invitations/MQ/c0-ffee'>")
    assert [without_secrets(line).replace("/invitations/…", "HERE") for line in lines] == [
        "Internal Server Error: HERE",
        "<WSGIRequest: GET 'HERE'>",
    ]


def test_everything_else_stays() -> None:
    text = "contact of 5000006622 took 0.4 s: proxy_unreachable host=proxy port=3128"
    assert without_secrets(text) == text


def test_secrets_are_taken_out_of_exceptions_too() -> None:
    try:
        raise ValueError("password=KANAREK")
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, "", 1, "failed", (), sys.exc_info())
    assert "KANAREK" not in PlainFormatter().format(record)


@pytest.fixture
def levels() -> Iterator[None]:
    """Put the levels back to how the tests have them."""
    before = {name: logging.getLogger(name).level for name, _, _ in logs.DETAIL}
    yield
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)


@pytest.mark.parametrize(
    ("level", "passing"),
    [
        (0, set()),
        (1, {"licensing.contact"}),
        (2, {"licensing.contact", "licensing.leases"}),
        (3, {"licensing.contact", "licensing.leases", "licensing.messages"}),
    ],
)
def test_each_level_lets_more_pass(levels: None, level: int, passing: set[str]) -> None:
    apply_level(level)
    names = ("licensing.contact", "licensing.leases", "licensing.messages")
    assert {name for name in names if logging.getLogger(name).isEnabledFor(logging.INFO)} == passing
    assert all(logging.getLogger(name).isEnabledFor(logging.ERROR) for name in names)


@pytest.mark.django_db
def test_the_level_is_the_configured_one() -> None:
    Configuration.objects.create(pk=1, log_level=2)
    assert logs.configured_level() == 2


def log_to(folder: Path) -> tuple[logging.Logger, LogFile]:
    handler = LogFile(folder)
    handler.setFormatter(PlainFormatter("%(message)s"))
    logger = logging.Logger("test")  # noqa: LOG001 - of the test's own, not in the tree
    logger.addHandler(handler)
    return logger, handler


def test_the_folder_is_made_at_the_first_line_and_is_its_owners_alone(tmp_path: Path) -> None:
    logger, _ = log_to(tmp_path / "logs")
    assert not (tmp_path / "logs").exists()
    logger.error("first")
    assert (tmp_path / "logs" / "keymanager.log").read_text() == "first\n"
    assert (tmp_path / "logs").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "logs" / "keymanager.log").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("in_the_way", ["logs", "logs/keymanager.log/x"])
def test_a_log_that_cannot_be_written_says_so_once_a_minute(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, in_the_way: str
) -> None:
    (tmp_path / in_the_way).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / in_the_way).touch()
    logger, handler = log_to(tmp_path / "logs")
    for _ in range(50):
        logger.error("nobody hears it")
    assert capsys.readouterr().err.count("--- Logging error ---") == 1
    monkeypatch.setattr(handler, "_tell_at", 0.0)
    logger.error("a minute later")
    assert capsys.readouterr().err.count("--- Logging error ---") == 1


def test_no_line_of_several_processes_is_lost_when_files_are_rotated(tmp_path: Path) -> None:
    code = (
        "import sys, logging, pathlib\n"
        "from licensing import logs\n"
        "logs.LARGEST_BYTES = 20000\n"
        "handler = logs.LogFile(pathlib.Path(sys.argv[1]))\n"
        "handler.setFormatter(logs.PlainFormatter('%(message)s'))\n"
        "logger = logging.getLogger('test'); logger.addHandler(handler)\n"
        "for number in range(300): logger.error(f'{sys.argv[2]} {number} ' + 'x' * 50)\n"
    )
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "keymanager.settings"}
    writers = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path), str(n)], cwd=ROOT, env=environment)
        for n in range(4)
    ]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0, 0]
    files = list(tmp_path.glob("keymanager.log*"))
    lines = [line for path in files for line in path.read_text().splitlines()]
    assert len(files) > 2
    assert len(set(lines)) == len(lines) == 1200


def test_old_files_are_deleted_and_the_present_one_is_kept(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    now = datetime(2026, 11, 24, tzinfo=UTC)
    ages = {"keymanager.log": 40, "keymanager.log.2026-10-01": 40, "keymanager.log.2026-11-20": 4}
    for name, days in ages.items():
        (folder / name).touch()
        then = now.timestamp() - days * 86400
        os.utime(folder / name, (then, then))
    logs.forget_old(tmp_path, now)
    assert {path.name for path in folder.iterdir()} == {"keymanager.log", "keymanager.log.2026-11-20"}
