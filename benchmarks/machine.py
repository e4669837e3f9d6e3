"""What this machine is, as far as it bears on the numbers."""

import os
import platform
import sqlite3
import statistics
import time
from importlib.metadata import version
from pathlib import Path

import psutil

COMMITS = 300


def facts(folder: Path) -> dict[str, str]:
    """Words about the machine, the system and what runs on it."""
    return {
        "processor": f"{_processor()}, {psutil.cpu_count()} logical cores",
        "memory": f"{psutil.virtual_memory().total / 2**30:.1f} GiB",
        "system": f"{_system()}, Linux {platform.release()}, {_file_system(folder)}",
        "software": f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version},"
        f" granian {version('granian')}, Django {version('django')}",
    }


def load_of_others() -> float:
    """How many processes wanted a processor on average during the last minute."""
    return os.getloadavg()[0]


def full_commit(folder: Path) -> float:
    """The median milliseconds of one row committed alone: SQLite, WAL, synchronous=FULL, on this disk."""
    path = folder / "commit.sqlite3"
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    database.execute("CREATE TABLE IF NOT EXISTS rows (id INTEGER PRIMARY KEY, text TEXT)")
    times = []
    for _ in range(COMMITS):
        began = time.perf_counter()
        database.execute("INSERT INTO rows (text) VALUES ('sixteen letters.')")
        times.append(time.perf_counter() - began)
    database.close()
    for file in folder.glob("commit.sqlite3*"):
        file.unlink()
    return 1000 * statistics.median(times)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _system() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    except OSError:
        return platform.system()


def _file_system(folder: Path) -> str:
    mounts = [
        (len(part.mountpoint), part.fstype)
        for part in psutil.disk_partitions(all=True)
        if folder.resolve().is_relative_to(part.mountpoint)
    ]
    return max(mounts)[1] if mounts else "unknown file system"


def pss(pids: list[int]) -> float:
    """The memory of these processes in MiB, what they share being counted once (PSS)."""
    total = 0
    for pid in pids:
        try:
            total += psutil.Process(pid).memory_full_info().pss
        except psutil.NoSuchProcess:
            continue
    return total / 2**20
