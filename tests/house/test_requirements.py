"""What is installed is what was locked."""

import contextlib
import re
from importlib import metadata

import pytest
from packaging.requirements import Requirement

from tests.house.tree import ROOT

LOCKS = ["requirements.txt", "requirements-ldap.txt", "requirements-dev.txt"]
PINNED = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[a-z0-9, _-]+\])?==(\S+)", re.MULTILINE)


def normal(name: str) -> str:
    """Return a package's name as locks spell it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def blocks(lock: str) -> dict[str, str]:
    """Return what a lock says of each package, by its name."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / lock).read_text(), flags=re.MULTILINE)
    parts = re.split(r"\n(?=\S)", text.strip())
    return {normal(part.split("==")[0].split("[")[0]): part for part in parts}


def wanted(source: str) -> set[str]:
    """Return the names that a .in file asks for."""
    lines = (ROOT / source).read_text().splitlines()
    names = [re.match(r"[A-Za-z0-9._-]+", line) for line in lines if not line.startswith(("#", "-"))]
    return {normal(name.group()) for name in names if name}


@pytest.mark.parametrize("lock", LOCKS)
def test_every_locked_package_is_pinned_and_hashed(lock: str) -> None:
    for name, block in blocks(lock).items():
        assert PINNED.match(block), name
        assert "--hash=sha256:" in block, name


@pytest.mark.parametrize("lock", LOCKS)
def test_every_package_asked_for_is_locked(lock: str) -> None:
    assert wanted(lock.replace(".txt", ".in")) <= set(blocks(lock))


def test_the_locks_agree_on_versions() -> None:
    *product, tests = (dict(PINNED.findall((ROOT / lock).read_text())) for lock in LOCKS)
    for locked in product:
        shared = locked.keys() & tests.keys()
        assert {name: locked[name] for name in shared} == {name: tests[name] for name in shared}


def test_what_another_package_asks_for_with_extras_is_locked_with_them() -> None:
    """Else pip takes it for a second requirement, and refuses it once a newer version is out."""
    locked = blocks("requirements-dev.txt")
    asked = 0
    for name in locked:
        with contextlib.suppress(metadata.PackageNotFoundError):  # of another system
            for text in metadata.requires(name) or ():
                requirement = Requirement(text)
                if requirement.extras and (
                    requirement.marker is None or requirement.marker.evaluate({"extra": ""})
                ):
                    asked += 1
                    extras = re.match(r"[^=]*\[(.*?)\]", locked[normal(requirement.name)])
                    assert extras, requirement
                    assert requirement.extras <= set(re.split(r", ?", extras[1])), requirement
    assert asked
