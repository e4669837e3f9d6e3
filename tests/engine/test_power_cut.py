"""A power cut at any moment loses nothing that was acknowledged."""

from pathlib import Path

import pytest

from tests.engine.power_cut import Recording, losses, make_data, record

LEASES = 60
MANY_LEASES = 1500


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_data(tmp_path_factory.mktemp("portal") / "data")


@pytest.fixture(scope="module")
def recording(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Recording:
    return record(data, LEASES, tmp_path_factory.mktemp("recording"))


def test_recording_has_every_acknowledgement_and_flush(recording: Recording) -> None:
    lines = b"".join(entry.data for entry in recording.entries if entry.path == "acknowledged").splitlines()
    assert sum(line.startswith(b"T ") for line in lines) == LEASES
    assert sum(line.startswith(b"R ") for line in lines) == LEASES - LEASES // 3
    flushed = [
        entry for entry in recording.entries if (entry.kind, entry.path) == ("S", "keymanager.sqlite3-wal")
    ]
    assert len(flushed) > LEASES / 16


def test_power_cut_loses_no_acknowledged_lease(recording: Recording, tmp_path: Path) -> None:
    assert losses(recording, tmp_path) == []


def test_power_cut_that_tears_writes_loses_no_acknowledged_lease(
    recording: Recording, tmp_path: Path
) -> None:
    assert losses(recording, tmp_path, every=3, torn=True) == []


@pytest.mark.parametrize("fault", ["synchronous_normal", "answer_before_the_commit"])
def test_power_cut_shows_the_fault(data: Path, tmp_path: Path, fault: str) -> None:
    assert any("missing" in loss for loss in losses(record(data, LEASES, tmp_path, fault), tmp_path))


@pytest.mark.full
def test_power_cut_loses_no_acknowledged_lease_in_a_long_run(data: Path, tmp_path: Path) -> None:
    assert losses(record(data, MANY_LEASES, tmp_path), tmp_path, torn=True) == []
