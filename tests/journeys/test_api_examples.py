"""What docs/api.md shows to developers of ERP programs, run as it is written there."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.authority_process import module
from tests.journeys.portal import Portal
from tests.portal_process import ROOT

PAGE = (ROOT / "docs/api.md").read_text(encoding="utf-8")
MODULES = ("HANDEL", "KASA")
# What the page asks of curl, which a computer may lack.
CURL = """
import argparse, sys, requests
reader = argparse.ArgumentParser()
reader.add_argument("url")
for option in "si":
    reader.add_argument("-" + option, action="store_true")
reader.add_argument("-X")
reader.add_argument("-H", action="append")
reader.add_argument("-d")
said = reader.parse_args()
headers = dict(line.split(": ", 1) for line in said.H)
session = requests.Session()
session.trust_env = False
body = said.d and said.d.encode()
answer = session.request(said.X or "POST", said.url, headers=headers, data=body, timeout=30)
print(f"HTTP/1.1 {answer.status_code}\\n\\n" * said.i + answer.text)
"""


def blocks(kind: str, heading: str) -> list[str]:
    """The blocks of code below a heading."""
    part = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", part, re.DOTALL | re.MULTILINE)
    return [code for written, code in fenced if written == kind]


class Shell:
    """A developer's shell at the root of the project."""

    def __init__(self, folder: Path, portal: Portal) -> None:
        self._folder = folder
        self.known = {"PORTAL": portal.demo.url, "TOKEN": portal.token}
        (folder / "docs").symlink_to(ROOT / "docs")
        (folder / "var").symlink_to(portal.demo.data)
        (folder / "curl.py").write_text(CURL)
        for program, before in (("bin/curl", folder / "curl.py"), (".venv/bin/python", "")):
            path = folder / program
            path.parent.mkdir(parents=True)
            path.write_text(f'#!/bin/sh\nexec {sys.executable} {before} "$@"\n')
            path.chmod(0o755)

    def run(self, block: str) -> str:
        """What a block prints."""
        path = f"{self._folder / 'bin'}:{os.environ['PATH']}"
        return subprocess.run(
            ["bash", "-euc", block],
            cwd=self._folder,
            env={**os.environ, **self.known, "PATH": path},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        ).stdout


@pytest.fixture(scope="module")
def bought(portal: Portal) -> str:
    """A key with the modules that the page names."""
    return portal.new_key(*[module(code, 5) for code in MODULES], module("CRM", 1))


@pytest.fixture
def shell(tmp_path: Path, portal: Portal, bought: str) -> Shell:
    return Shell(tmp_path, portal)


def test_calls_answer_with_the_members_that_the_page_shows(shell: Shell) -> None:
    (call,) = blocks("sh", "Log-in: take a lease")
    (shown,) = blocks("json", "Log-in: take a lease")
    head, _, body = shell.run(call).partition("\n\n")
    lease = json.loads(body)
    assert (head, lease.keys()) == ("HTTP/1.1 201", json.loads(shown).keys())
    assert lease["modules"][0].keys() == json.loads(shown)["modules"][0].keys()
    shell.known["ID"] = lease["id"]
    (call,) = blocks("sh", "While it runs: heartbeat")
    (shown,) = blocks("json", "While it runs: heartbeat")
    assert json.loads(shell.run(call)).keys() == json.loads(shown).keys()
    (call,) = blocks("sh", "Log-out: return")
    assert shell.run(call).strip() == "HTTP/1.1 204"


def test_whole_program_takes_a_lease_keeps_and_returns_it(shell: Shell, tmp_path: Path) -> None:
    (program,) = blocks("python", "A whole program")
    (tmp_path / "program.py").write_text(program, encoding="utf-8")
    told = shell.run(".venv/bin/python program.py $PORTAL $TOKEN").splitlines()
    assert told[0].startswith("seats: {'HANDEL': ")
    assert told[1:] == ["again in 600 s", "returned"]


def test_lease_is_checked_by_the_vendor_s_words(shell: Shell) -> None:
    (calls,) = blocks("sh", "Checking the grants yourself")
    (shown,) = blocks("", "Checking the grants yourself")
    assert shape(shell.run(calls)) == shape(shown)


def shape(told: str) -> str:
    """What the checker tells, but for the numbers of a day."""
    return re.sub(r"\d+", "0", told)
