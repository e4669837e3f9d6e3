"""Several portals, each with a data folder of its own, and one vendor: a key lives in one place at a time."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.authority_process import RunningAuthority, running_authority

ROOT = Path(__file__).parents[2]
KEY, PIN = "5000006622", "0427"


@dataclass
class Folder:
    """A portal that is driven by commands alone."""

    data: Path
    machine: str
    authority: RunningAuthority

    def run(self, *arguments: str) -> tuple[int, list[str]]:
        """Exit status and lines printed by a command."""
        machine_id = self.data.parent / f"{self.data.name}-machine-id"
        machine_id.write_text(self.machine)
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("KEYMANAGER_")},
            "KEYMANAGER_DATA": str(self.data),
            "KEYMANAGER_MACHINE_ID_FILE": str(machine_id),
            "KEYMANAGER_AUTHORITY_URL": self.authority.url,
            "KEYMANAGER_AUTHORITY_JWKS": str(self.authority.jwks_path),
            "LANG": "C.UTF-8",
        }
        ran = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return ran.returncode, (ran.stdout + ran.stderr).splitlines()

    def copy(self, name: str, machine: str) -> "Folder":
        """A copy of the whole data folder, on a computer with that machine id."""
        data = self.data.with_name(name)
        shutil.copytree(self.data, data)
        return Folder(data, machine, self.authority)


@pytest.fixture
def authority(tmp_path: Path) -> Iterator[RunningAuthority]:
    with running_authority(tmp_path) as running:
        running.add_key()
        yield running


def test_a_key_is_active_in_one_portal_and_moves_by_removal(
    tmp_path: Path, authority: RunningAuthority
) -> None:
    first = Folder(tmp_path / "first", "machine one", authority)
    second = Folder(tmp_path / "second", "machine two", authority)
    credentials = ("--number", KEY, "--customer", "123456", "--pin", PIN)
    assert first.run("add_key", *credentials)[1][-1] == f"{KEY} granted"
    status, lines = second.run("add_key", *credentials)
    assert (status, lines[-1].split()[:3]) == (0, [KEY, "refused", "active_elsewhere"])
    assert f"{KEY} released" in first.run("remove_key", KEY)[1]
    assert second.run("contact") == (0, [f"{KEY} granted"])


def test_a_copied_data_folder_is_noticed_and_healed_by_the_pin(
    tmp_path: Path, authority: RunningAuthority
) -> None:
    original = Folder(tmp_path / "original", "machine one", authority)
    original.run("add_key", "--number", KEY, "--customer", "123456", "--pin", PIN)
    moved = original.copy("moved", "machine two")
    twin = original.copy("twin", "machine one")
    assert moved.run("contact")[1][0] == f"{KEY} refused machine_changed"
    # The same machine id: told apart by the serials at the second contact of the less busy one.
    assert twin.run("contact") == (0, [f"{KEY} granted"])
    assert original.run("contact") == (0, [f"{KEY} granted"])
    assert twin.run("contact")[1][0] == f"{KEY} refused clone_suspected"
    assert moved.run("edit_key", KEY, "--pin", PIN)[1][-1] == f"{KEY} granted"
    assert original.run("contact")[1][0] == f"{KEY} refused machine_changed"
