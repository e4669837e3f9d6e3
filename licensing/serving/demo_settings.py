"""The demo's own files in the data folder: ports and secrets kept between starts, `keymanager.env`."""

import json
import os
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path

from .ports import free_port

STATE_FILE = "demo-state.json"
MAILBOX = "mk@comarch.pl"


@dataclass(frozen=True)
class Demo:
    """What one data folder's demo keeps from its first start on."""

    folder: Path
    authority_port: int
    mailbox_port: int
    sink_port: int
    username: str = ""
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)

    @property
    def authority_url(self) -> str:
        """Where the authority is reached."""
        return f"http://127.0.0.1:{self.authority_port}"

    @property
    def authority_folder(self) -> Path:
        """The authority's own data folder."""
        return self.folder / "authority"

    @property
    def authority_jwks(self) -> Path:
        """The authority's public keys, written by it at its start."""
        return self.authority_folder / "authority-jwks.json"

    @property
    def outbox(self) -> Path:
        """The folder of all mails sent."""
        return self.folder / "outbox"


def open_demo(folder: Path, authority_port: int) -> Demo:
    """The demo of a data folder, with the SMTP ports that it had before where they are still free."""
    try:
        kept = json.loads((folder / STATE_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        kept = {}
    return Demo(
        folder=folder,
        authority_port=authority_port,
        mailbox_port=free_port(kept.get("mailbox_port")),
        sink_port=free_port(kept.get("sink_port")),
        username=kept.get("username", ""),
        password=kept.get("password", "") or secrets.token_urlsafe(12),
        token=kept.get("token", ""),
    )


def kept_demo(folder: Path) -> Demo:
    """The demo as it was last kept."""
    return Demo(folder=folder, **json.loads((folder / STATE_FILE).read_text(encoding="utf-8")))


def keep(demo: Demo) -> None:
    """Store what the next start begins from."""
    values = {name: value for name, value in asdict(demo).items() if name != "folder"}
    write_private(demo.folder / STATE_FILE, json.dumps(values, indent=1))


def make_machine_id(path: Path) -> None:
    """Give this data folder a machine id, once."""
    if not path.exists():
        write_private(path, secrets.token_hex(16) + "\n")


def change_environment_file(path: Path, values: dict[str, str]) -> None:
    """Set values in a `keymanager.env`; its other lines stay as they are."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    kept = [line for line in lines if line.removeprefix("export ").split("=", 1)[0] not in values]
    write_private(path, "\n".join([*kept, *(f"{name}={value}" for name, value in values.items())]) + "\n")


def write_private(path: Path, text: str) -> None:
    """Write a file that its owner alone may read; it appears whole."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    draft.replace(path)
