"""The arrows between the rooms, beyond what import-linter's contracts in pyproject.toml can say."""

import ast
import tomllib
from pathlib import Path

import pytest

from tests.house.tree import ROOT, tracked

WRITING = {"save", "create", "bulk_create", "bulk_update", "update_or_create", "get_or_create", "delete"}
EDGES = tracked("licensing/web/*.py", "licensing/api/*.py", "licensing/management/*.py", "licensing/tasks.py")


def imported(path: Path) -> set[str]:
    """Return the modules of the project that a file names in its imports."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module)
    return names


def test_layers_are_checked_by_contracts() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    assert {contract["type"] for contract in contracts} == {"layers", "forbidden"}


@pytest.mark.parametrize("path", tracked("authority/*.py"), ids=lambda path: path.name)
def test_the_authority_knows_of_the_portal_only_the_protocol(path: Path) -> None:
    ours = {name for name in imported(path) if name.split(".")[0] in ("licensing", "keymanager")}
    assert {name for name in ours if not name.startswith("licensing.protocol")} == set()


@pytest.mark.parametrize("path", EDGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_only_operations_write(path: Path) -> None:
    calls = [node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    attributes = [call for call in calls if isinstance(call, ast.Attribute)]
    written = [
        ast.unparse(call)
        for call in attributes
        if call.attr in WRITING and ".objects" in ast.unparse(call.value)
    ]
    assert written == []


@pytest.mark.parametrize(
    "path", tracked("licensing/operations/*.py"), ids=lambda path: str(path.relative_to(ROOT))
)
def test_operations_are_given_the_time(path: Path) -> None:
    asking = {"datetime.now", "timezone.now", "datetime.datetime.now", "time.time", "datetime.utcnow"}
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    asked = [ast.unparse(call.func) for call in calls if ast.unparse(call.func) in asking]
    assert asked == [] or path.name == "clock.py"
