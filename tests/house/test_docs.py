"""What the pages of docs/ and the README say is there."""

import re
from pathlib import Path

import pytest
from django.core.management import get_commands

from keymanager import deployment
from licensing.api.problems import PROBLEMS
from tests.house.tree import ROOT, tracked

PAPERS = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")
PAGES = [*(ROOT / paper for paper in PAPERS), *sorted((ROOT / "docs").glob("*.md"))]
LINK = re.compile(r"\]\(([^)\s]+)\)")
COMMAND = re.compile(r"manage\.py ([a-z_]+)")
# In code alone: `make demo`, or a line of a block.
TARGET = re.compile(r"(?:^|`)make ([a-z][a-z-]*)", re.MULTILINE)
SETTING = re.compile(r"KEYMANAGER_[A-Z_]+")
FENCE = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
# Told by one process of ours to another, or to the tests: no settings of a deployment.
BETWEEN_PROCESSES = {
    "KEYMANAGER_PORT",
    "KEYMANAGER_PAGES_PORT",
    "KEYMANAGER_FRONT_SECRET",
    "KEYMANAGER_SUPERVISOR",
}


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and its kin make them."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_within_the_repository_leads_somewhere(page: Path) -> None:
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    lost = []
    for link in LINK.findall(text):
        if link.startswith(("http://", "https://")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            lost.append(link)
    assert lost == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_command_that_is_named_exists(page: Path) -> None:
    named = set(COMMAND.findall(page.read_text(encoding="utf-8")))
    assert named - get_commands().keys() == set()


def test_every_command_of_the_product_is_explained_to_administrators() -> None:
    ours = {command for command, app in get_commands().items() if app == "licensing"} - {"prepare"}
    told = (ROOT / "docs/operate.md").read_text(encoding="utf-8").partition("## Commands")[2]
    assert {command for command in ours if f"`{command}" not in told} == set()


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_make_target_that_is_named_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(TARGET.findall(page.read_text(encoding="utf-8"))) - targets == set()


def test_every_setting_of_a_deployment_is_explained_and_no_other() -> None:
    table = re.findall(r"^\| `(KEYMANAGER_[A-Z_]+)`", (ROOT / "docs/install.md").read_text(), re.MULTILINE)
    assert sorted(table) == sorted({*deployment.NAMES, "KEYMANAGER_DATA"})


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_no_page_names_a_setting_that_is_none(page: Path) -> None:
    known = {*deployment.NAMES, "KEYMANAGER_DATA", "KEYMANAGER_TEST_DATABASE"}
    assert set(SETTING.findall(page.read_text(encoding="utf-8"))) - known == set()


def test_the_code_reads_no_setting_beside_those() -> None:
    sources = tracked("licensing/*.py", "keymanager/*.py", "manage.py")
    read = {setting for path in sources for setting in SETTING.findall(path.read_text(encoding="utf-8"))}
    assert read - {*deployment.NAMES, "KEYMANAGER_DATA"} - BETWEEN_PROCESSES == set()


def test_every_refusal_of_the_api_is_explained_to_developers() -> None:
    table = (ROOT / "docs/api.md").read_text(encoding="utf-8").partition("## Refusals")[2]
    rows = re.findall(r"^\| (\d{3}[\d, ]*) \| ([^|]+) \|", table, re.MULTILINE)
    told = {code: statuses for statuses, codes in rows for code in re.findall(r"`([a-z_]+)`", codes)}
    assert told.keys() == PROBLEMS.keys()
    assert {code for code, kind in PROBLEMS.items() if str(kind.status) not in told[code]} == set()


def test_every_metric_is_explained_to_administrators() -> None:
    source = (ROOT / "licensing/api/metrics.py").read_text(encoding="utf-8")
    metrics = set(re.findall(r'"keymanager_([a-z_]+)"|_gauge\(\s*"([a-z_]+)"', source))
    told = (ROOT / "docs/operate.md").read_text(encoding="utf-8")
    names = {whole or part for whole, part in metrics}
    assert {metric for metric in names if f"`keymanager_{metric}" not in told} == set()
