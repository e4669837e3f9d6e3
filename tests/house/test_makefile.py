"""The Makefile and its tools."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.house.tree import ROOT

MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z][a-z-]*):", MAKEFILE, re.MULTILINE))
PROMISED = {"install", "demo", "test", "test-full", "lint", "lock", "messages", "bench", "bench-full"}


def test_promised_targets_are_there() -> None:
    assert PROMISED <= TARGETS


@pytest.mark.parametrize("target", sorted(TARGETS))
def test_every_target_says_what_it_does(target: str) -> None:
    listed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert re.search(rf"^{target} ", listed, re.MULTILINE)


@pytest.mark.parametrize("target", sorted(TARGETS - {"clean", "help", "install-dev"}))
def test_every_target_is_explained_to_contributors(target: str) -> None:
    assert f"`make {target}" in (ROOT / "CONTRIBUTING.md").read_text()


@pytest.mark.parametrize("target", ["install", "demo", "test"])
def test_the_portals_own_code_is_compiled_before_it_runs(target: str) -> None:
    command = ["make", "--dry-run", target]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert re.search(r"-m compileall .*\bkeymanager licensing\b", told)


def make_venv_with(folder: Path, python: str) -> subprocess.CompletedProcess[str]:
    """Run the tool where `python3` is a script of the test's own."""
    program = folder / "python3"
    program.write_text(f"#!/bin/sh\n{python}\n")
    program.chmod(0o755)
    command = [str(ROOT / "tools/make_venv")]
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        command, cwd=folder, env={"PATH": path}, capture_output=True, text=True, check=False
    )


def test_where_venv_is_missing_the_one_line_to_type_is_told(tmp_path: Path) -> None:
    told = make_venv_with(tmp_path, 'case "$2" in *ensurepip*) exit 1 ;; esac')
    assert told.returncode == 1
    assert re.fullmatch(
        r".*venv is missing\. Type:  (sudo )?apt-get install -y python3 python3-venv\n", told.stderr
    )


def test_an_old_python_is_refused(tmp_path: Path) -> None:
    told = make_venv_with(tmp_path, "exit 1")
    assert told.returncode == 1
    assert "older than 3.11" in told.stderr


def test_debian_packages_that_are_there_are_left_alone() -> None:
    told = subprocess.run(
        [ROOT / "tools/debian_packages", "lint", "test"], capture_output=True, text=True, check=True
    )
    assert told.stdout + told.stderr == ""
