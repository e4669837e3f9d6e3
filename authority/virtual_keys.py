"""The keys that were sold: what each gives, and to which installation it is bound."""

import json
import sqlite3
from dataclasses import dataclass, field

import msgspec

from licensing.protocol import GrantedModule, InstallationInfo, read_module


@dataclass(slots=True)
class VirtualKey:
    """A key as its row holds it. `serial` is that of the last grant given, 0 for none; `reported` the
    highest that its installation reported since it was last bound, None before the first."""

    number: str
    customer: str
    credentials: str = field(repr=False)
    modules: tuple[GrantedModule, ...]
    suspended: bool = False
    clone_suspected: bool = False
    bound_to: str | None = None
    machine: str | None = None
    serial: int = 0
    reported: int | None = None

    def bind(self, installation: InstallationInfo) -> None:
        """Bound (anew) to an installation and its machine; what was suspected before is over."""
        self.bound_to, self.machine = installation.id, installation.machine
        self.reported = None
        self.clone_suspected = False

    def unbind(self) -> None:
        """Free for the next installation; the serial goes on."""
        self.bound_to = self.machine = self.reported = None
        self.clone_suspected = False

    @property
    def seats(self) -> dict[str, int | None]:
        """The seats of each module by its code; None where they are not counted."""
        return {module.code: module.seats for module in self.modules}


_COLUMNS = (
    "number", "customer", "credentials", "modules", "suspended", "clone_suspected", "bound_to", "machine",
    "serial", "reported",
)  # fmt: skip


def find_key(tx: sqlite3.Connection, number: str) -> VirtualKey | None:
    """The key of this number, or None if none was sold."""
    row = tx.execute("SELECT * FROM virtual_key WHERE number = ?", (number,)).fetchone()
    return None if row is None else _key(row)


def all_keys(tx: sqlite3.Connection) -> list[VirtualKey]:
    """Every key, by number."""
    return [_key(row) for row in tx.execute("SELECT * FROM virtual_key ORDER BY number")]


def save_key(tx: sqlite3.Connection, key: VirtualKey) -> None:
    """Writes a key, new or known."""
    values = [getattr(key, name) for name in _COLUMNS]
    values[_COLUMNS.index("modules")] = msgspec.json.encode(key.modules).decode()
    marks = ", ".join("?" * len(_COLUMNS))
    tx.execute(f"REPLACE INTO virtual_key ({', '.join(_COLUMNS)}) VALUES ({marks})", values)  # noqa: S608


def _key(row: sqlite3.Row) -> VirtualKey:
    values = {name: row[name] for name in _COLUMNS}
    values["modules"] = tuple(read_module(members) for members in json.loads(row["modules"]))
    for name in ("suspended", "clone_suspected"):
        values[name] = bool(row[name])
    return VirtualKey(**values)
