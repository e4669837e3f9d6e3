"""What others made and we ship: each in a folder of its own under static/vendor."""

import re

from tests.house.tree import ROOT

VENDORED = ROOT / "static" / "vendor"
FOLDERS = sorted(path for path in VENDORED.glob("*") if path.is_dir())


def test_something_is_vendored_and_each_in_its_own_folder() -> None:
    assert FOLDERS
    assert [path.name for path in VENDORED.glob("*") if path.is_file()] == ["README.md"]


def test_every_vendored_asset_stands_in_the_list_with_its_version() -> None:
    lines = (VENDORED / "README.md").read_text(encoding="utf-8").splitlines()
    listed = {folder.name: [line for line in lines if folder.name in line.lower()] for folder in FOLDERS}
    assert {name for name, found in listed.items() if not re.search(r"\d+\.\d+", " ".join(found))} == set()


def test_every_vendored_asset_carries_its_licence() -> None:
    licences = {path.name: [*path.glob("LICENSE*"), *path.glob("LICENCE*")] for path in FOLDERS}
    assert {name for name, files in licences.items() if not any(file.read_text() for file in files)} == set()


def test_no_vendored_asset_names_a_source_map_that_is_not_there() -> None:
    texts = [path for folder in FOLDERS for path in [*folder.rglob("*.css"), *folder.rglob("*.js")]]
    assert [path for path in texts if "sourceMappingURL" in path.read_text(encoding="utf-8")] == []
