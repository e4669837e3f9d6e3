"""The computer's clock set wrong under a real portal, by libfaketime; the vendor keeps the right time.

Without `FAKETIME_DONT_FAKE_MONOTONIC` every clock is faked, so time itself seems to pass; with it, only the
wall clock is, as when somebody sets it.
"""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.authority_process import RunningAuthority, running_authority
from tests.portal_process import Serve, manage, wait_until

KEY = "5000006622"
LIBRARY = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), Path("/none"))


class FakedPortal:
    """A portal whose clocks a test sets before each start; its data folder goes on."""

    def __init__(self, folder: Path, authority: RunningAuthority) -> None:
        self.folder, self.authority = folder, authority
        machine_id = folder / "machine-id"
        machine_id.write_text("c" * 32)
        self.settings = {
            "KEYMANAGER_AUTHORITY_URL": authority.url,
            "KEYMANAGER_AUTHORITY_JWKS": str(authority.jwks_path),
            "KEYMANAGER_MACHINE_ID_FILE": str(machine_id),
        }

    def clock(self, offset: str, *, wall_only: bool = True) -> None:
        """Set the clocks of every process started from now on: `-3d`, `+1y`, `+0`."""
        self.settings |= {"LD_PRELOAD": str(LIBRARY), "FAKETIME": offset, "FAKETIME_NO_CACHE": "1"}
        self.settings["FAKETIME_DONT_FAKE_MONOTONIC"] = "1" if wall_only else "0"

    def manage(self, *arguments: str) -> str:
        done = manage(self.folder / "var", *arguments, **self.settings)
        assert done.returncode == 0 or arguments[0] == "contact", done.stderr
        return done.stdout

    def status(self) -> dict[str, Any]:
        return dict(json.loads(self.manage("status", "--json")))

    def deadline(self) -> datetime:
        return datetime.fromisoformat(self.status()["keys"][0]["contact_deadline"])

    def left(self) -> timedelta:
        status = self.status()
        deadline = datetime.fromisoformat(status["keys"][0]["contact_deadline"])
        return deadline - datetime.fromisoformat(status["server_time"])

    def events(self) -> str:
        code = (
            "from licensing.models import Event;"
            "print(','.join(Event.objects.filter(kind__startswith='clock').values_list('kind', flat=True)))"
        )
        return self.manage("shell", "-v", "0", "-c", code).strip()

    def keep_time(self) -> None:
        """What the worker does each minute."""
        self.manage("shell", "-v", "0", "-c", "from licensing.operations.clock import keep_time; keep_time()")


@pytest.fixture
def portal(tmp_path: Path) -> Iterator[FakedPortal]:
    assert LIBRARY.exists(), "libfaketime is missing: apt-get install faketime"
    with running_authority(tmp_path) as authority:
        authority.add_key()
        portal = FakedPortal(tmp_path, authority)
        portal.manage("add_key", "--number", KEY, "--customer", "123456", "--pin", "0427")
        yield portal


def test_a_wall_clock_set_back_three_days_lengthens_nothing(portal: FakedPortal) -> None:
    before = portal.left()
    portal.clock("-3d")
    assert timedelta(0) <= before - portal.left() < timedelta(minutes=5)
    portal.keep_time()
    assert portal.events() == "clock_set_back"


@pytest.mark.full
@pytest.mark.parametrize(
    ("offset", "event"), [("-3d", "clock_set_back"), ("-1y", "clock_set_back"), ("+1y", "clock_set_forward")]
)
def test_a_wall_clock_that_is_set_and_set_back_changes_nothing_and_is_told(
    portal: FakedPortal, offset: str, event: str
) -> None:
    before = portal.left()
    portal.clock(offset)
    assert timedelta(0) <= before - portal.left() < timedelta(minutes=5)
    portal.keep_time()
    assert portal.status()["light"] == "green"
    portal.clock("+0")
    assert timedelta(0) <= before - portal.left() < timedelta(minutes=5)
    portal.keep_time()
    assert portal.events().split(",")[-1] == event


@pytest.mark.full
def test_without_contact_modules_stop_after_72_hours_by_every_clock(portal: FakedPortal) -> None:
    portal.authority.mode("refuse")
    portal.clock("+71h", wall_only=False)
    assert portal.status()["keys"][0]["light"] != "red"
    portal.keep_time()
    portal.clock("+73h", wall_only=False)
    assert portal.status()["reasons"][:1] == ["contact_lost"]
    portal.keep_time()
    portal.clock("-3d", wall_only=False)
    assert portal.status()["reasons"][:1] == ["contact_lost"], "what has passed stays passed"
    portal.authority.mode("ok")
    portal.manage("contact")
    assert portal.status()["light"] == "green", "the vendor's time heals it"
    assert portal.left() > timedelta(hours=71, minutes=55)


@pytest.mark.full
def test_a_clock_a_year_ahead_is_healed_by_the_next_contact_and_locks_out_nobody(portal: FakedPortal) -> None:
    portal.clock("+1y", wall_only=False)
    assert portal.status()["light"] == "red"
    portal.keep_time()
    portal.manage("contact")
    assert portal.status()["light"] == "green"
    assert "clock_was_ahead" in portal.events()
    portal.clock("+0", wall_only=False)
    portal.manage("contact")
    assert portal.status()["light"] == "green"
    assert portal.left() > timedelta(hours=71, minutes=55)


@pytest.mark.full
def test_a_running_portal_under_a_clock_set_back_goes_on_with_contacts(portal: FakedPortal) -> None:
    portal.clock("-3d")
    with Serve(portal.folder / "var", **portal.settings) as serve:
        serve.wait_until_ready()
        warnings = requests.get(f"{serve.url}/readyz", timeout=20).json()["warnings"]
        assert set(warnings) <= {"disk_low"}
        first = portal.deadline()
        portal.manage("contact")
        wait_until(lambda: portal.deadline() > first, 60)
        assert serve.stop() < 12
