"""Cutting the power: what a run of the engine did to its files is recorded, and replayed up to every cut.

At a cut a disk has what was flushed; of the rest nothing, or any part, may have reached it. Files that the
run made are taken to be there once they are written to (ext4 and NTFS journal that; SQLite flushes the
folder too).
"""

import os
import random
import shutil
import sqlite3
import struct
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DATABASE = "keymanager.sqlite3"
ACKNOWLEDGED = "acknowledged"
_NUMBERS = struct.Struct("=qqq")
# The index of the WAL is shared memory, and rebuilt at the next start.
_NOT_ON_DISK = (f"{DATABASE}-shm",)


@dataclass(frozen=True)
class Entry:
    """One thing done to a file: W write, T truncate, S flush."""

    kind: str
    path: str
    offset: int
    data: bytes


@dataclass(frozen=True)
class Recording:
    """A run: the database before it, and everything done since."""

    before: bytes
    entries: list[Entry]


def compiled(folder: Path) -> Path:
    """The recorder, as a library to preload."""
    library = folder / "recorder.so"
    source = Path(__file__).with_name("recorder.c")
    command = ["cc", "-shared", "-fPIC", "-O1", "-Wall", "-o", str(library), str(source), "-ldl", "-lpthread"]
    subprocess.run(command, check=True)
    return library


def make_data(folder: Path) -> Path:
    """A portal's data folder with one key of three modules."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("KEYMANAGER_")}
    command = [sys.executable, "-m", "benchmarks.dataset", str(folder), "--modules", "3", "--seats", "1000"]
    subprocess.run(command, cwd=ROOT, env=clean, check=True, capture_output=True)
    return folder


def record(data: Path, leases: int, work: Path, fault: str = "") -> Recording:
    """Run the engine on a copy of a data folder, with a planted fault where one is named."""
    folder, log = work / "data", work / "record"
    shutil.copytree(data, folder)
    before = (folder / DATABASE).read_bytes()
    clean = {name: value for name, value in os.environ.items() if not name.startswith("KEYMANAGER_")}
    preload = {
        "LD_PRELOAD": str(compiled(work)),
        "RECORD_FOLDER": str(folder.resolve()),
        "RECORD_LOG": str(log),
    }
    command = [sys.executable, "-m", "tests.engine.driver", str(folder), str(leases), *filter(None, [fault])]
    subprocess.run(command, cwd=ROOT, env=clean | preload, check=True)
    return Recording(before, list(_read(log.read_bytes())))


def _read(log: bytes) -> Iterator[Entry]:
    at = 0
    while at < len(log):
        kind = chr(log[at])
        path_length, offset, length = _NUMBERS.unpack_from(log, at + 1)
        at += 1 + _NUMBERS.size
        path = log[at : at + path_length].decode()
        at += path_length
        yield Entry(kind, path, offset, log[at : at + length])
        at += length


@dataclass
class Disk:
    """What is on the disk for certain, what is written and not flushed yet, what was acknowledged."""

    files: dict[str, bytearray]
    pending: dict[str, list[Entry]] = field(default_factory=dict)
    acknowledged: list[str] = field(default_factory=list)

    def take(self, entry: Entry) -> bool:
        """Go on by one entry; true where the disk has changed."""
        if entry.path == ACKNOWLEDGED:
            self.acknowledged += entry.data.decode().splitlines()
            return False
        if entry.path in _NOT_ON_DISK or not entry.path.startswith(DATABASE):
            return False
        if entry.kind != "S":
            self.pending.setdefault(entry.path, []).append(entry)
            return False
        for done in self.pending.pop(entry.path, []):
            apply(self.files, done)
        return True

    def with_part_of_the_rest(self, chance: random.Random) -> dict[str, bytearray]:
        """The files with some of what was not flushed, the last write torn."""
        files = {path: bytearray(content) for path, content in self.files.items()}
        for path, entries in self.pending.items():
            kept = [entry for entry in entries if chance.random() < 0.5]
            if kept and kept[-1].kind == "W":
                last = kept.pop()
                kept.append(Entry("W", path, last.offset, last.data[: chance.randrange(len(last.data) + 1)]))
            for entry in kept:
                apply(files, entry)
        return files


def apply(files: dict[str, bytearray], entry: Entry) -> None:
    """Do to a file what was done to it."""
    content = files.setdefault(entry.path, bytearray())
    if entry.kind == "T":
        del content[entry.offset :]
        content.extend(bytes(entry.offset - len(content)))
        return
    content.extend(bytes(max(0, entry.offset + len(entry.data) - len(content))))
    content[entry.offset : entry.offset + len(entry.data)] = entry.data


def losses(recording: Recording, work: Path, *, every: int = 1, torn: bool = False) -> list[str]:
    """What is lost of what was acknowledged, at every cut.

    Cuts between two flushes find the same disk, so one look at the last of them, when most has been
    acknowledged, is a look at all.

    Args:
        every: look only at every n-th of these.
        torn: look also at disks that have some of what was not flushed.
    """
    chance = random.Random(20261124)
    disk = Disk({DATABASE: bytearray(recording.before)})
    found: list[str] = []
    flushes = 0
    for entry in [*recording.entries, Entry("S", DATABASE, 0, b"")]:
        if entry.kind == "S" and entry.path.startswith(DATABASE):
            flushes += 1
            if flushes % every == 0:
                found += _lost(disk.files, disk.acknowledged, work, flushes)
                if torn:
                    found += _lost(disk.with_part_of_the_rest(chance), disk.acknowledged, work, flushes)
        disk.take(entry)
    return found


def _lost(files: dict[str, bytearray], acknowledged: list[str], work: Path, cut: int) -> Iterator[str]:
    """Start the database from what is on the disk, and look for what was acknowledged."""
    folder = work / "after"
    folder.mkdir()
    try:
        for path, content in files.items():
            (folder / path).write_bytes(content)
        database = sqlite3.connect(folder / DATABASE)
        if database.execute("PRAGMA quick_check").fetchone() != ("ok",):
            yield f"cut {cut}: the database is damaged"
        ended = dict(database.execute("SELECT id, ended_reason FROM licensing_lease"))
        database.close()
        for kind, lease_id in (line.split() for line in acknowledged):
            reason = ended.get(lease_id.replace("-", ""))
            if reason is None:
                yield f"cut {cut}: lease {lease_id} is missing"
            elif kind == "R" and reason != "returned":
                yield f"cut {cut}: the return of lease {lease_id} is missing"
    finally:
        shutil.rmtree(folder)
