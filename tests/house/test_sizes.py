"""Sizes that keep the code readable: no function over 60 lines, half of them 8 or less, no attic file."""

import ast
import statistics
from pathlib import Path

import pytest

from tests.house.tree import ROOT, tracked

SOURCES = [
    path for path in tracked("keymanager/*.py", "licensing/*.py", "authority/*.py") if path.stat().st_size
]
SOURCES = [path for path in SOURCES if "migrations" not in path.parts]
ATTICS = {"utils.py", "helpers.py", "common.py", "misc.py"}


def function_lengths(path: Path) -> dict[str, int]:
    """Return how many lines each function of a module has."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return {node.name: (node.end_lineno or node.lineno) - node.lineno + 1 for node in functions}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_function_is_longer_than_60_lines(path: Path) -> None:
    assert {name: length for name, length in function_lengths(path).items() if length > 60} == {}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_is_longer_than_300_lines(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 300


def test_nine_functions_in_ten_are_under_30_lines() -> None:
    lengths = [length for path in SOURCES for length in function_lengths(path).values()]
    assert statistics.quantiles(lengths, n=10)[-1] < 30


def test_no_module_is_an_attic() -> None:
    assert [path for path in SOURCES if path.name in ATTICS] == []
