"""What no tracked file may hold."""

import re

import pytest

from tests.house.tree import ROOT, lines_of, tracked

OURS = ("*", ":!static/vendor", ":!requirements*.txt", ":!tests/vectors")
# Each word is put together here, so that this file does not find itself.
UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|NotImplemented" r"Error)\b")
SKIPPED = re.compile(
    r"pytest\.(mark\.)?(sk" r"ip|sk" r"ipif|xf" r"ail|import" r"orskip)\b|unittest\.sk" r"ip"
)
MACHINE_PATH = re.compile(r"(?<![\w./~-])/(wo" r"rk|fa" r"rm|ro" r"ot|home/[a-z]+|tmp/k" r"m)/")
PRIVATE_KEY = re.compile(r"-----BEGIN ([A-Z]+ )?PRIVATE K" r"EY-----")


def found(pattern: re.Pattern[str], *patterns: str) -> list[str]:
    return [f"{place}: {line.strip()}" for place, line in lines_of(*patterns) if pattern.search(line)]


def test_nothing_is_left_unfinished() -> None:
    assert found(UNFINISHED, *OURS) == []


def test_no_test_is_skipped_or_expected_to_fail() -> None:
    assert found(SKIPPED, "tests") == []


def test_no_file_names_a_path_of_one_machine() -> None:
    assert found(MACHINE_PATH, *OURS) == []


def test_no_file_holds_a_private_key() -> None:
    assert found(PRIVATE_KEY, *OURS) == []


def test_locks_name_no_package_index() -> None:
    assert found(re.compile(r"https?://|--(extra-)?index-url|--find-links"), "requirements*") == []


def test_nothing_that_belongs_into_the_data_folder_is_tracked() -> None:
    kinds = {".sqlite3", ".key", ".log", ".env", ".eml"}
    assert [path for path in tracked() if path.suffix in kinds] == []


@pytest.mark.parametrize("name", ["README.md", "CHANGELOG.md", "CONTRIBUTING.md"])
def test_the_house_has_its_papers(name: str) -> None:
    assert (ROOT / name).read_text(encoding="utf-8").strip()


def test_no_line_ends_in_white_space() -> None:
    kinds = ("*.py", "*.html", "*.toml", "Makefile", "tools", ".ci")
    assert found(re.compile(r"\s$"), *kinds) == []
