"""What the demo has beside the portal: authority, mailbox and mail sink, and the file that tells of all."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from keymanager import deployment

from .data_folder import READY_FILE
from .demo_keys import demo_keys
from .demo_settings import MAILBOX, Demo, change_environment_file, make_machine_id, write_private
from .supervisor import Child


def children(demo: Demo, run: tuple[str, ...]) -> list[Child]:
    """The authority with its mailbox, and the mail server for everyone; `run` starts a module as a child."""
    authority = (
        *(*run, "authority", "--port", str(demo.authority_port), "--data", str(demo.authority_folder)),
        *("--smtp-port", str(demo.mailbox_port), "--relay", f"127.0.0.1:{demo.sink_port}", "--control"),
    )
    sink = (
        *(*run, "licensing.serving.mail_sink", "--port", str(demo.sink_port)),
        *("--outbox", str(demo.outbox), "--mailbox", MAILBOX, "--forward-port", str(demo.mailbox_port)),
    )
    return [Child("mail sink", sink), Child("authority", authority)]


def give_machine_id(demo: Demo) -> None:
    """Where the host has no machine id, make one in the data folder."""
    host = deployment.machine_id_file(demo.folder)
    if sys.platform != "win32" and not (host.is_file() and host.read_bytes().strip()):
        path = demo.folder / "machine-id"
        make_machine_id(path)
        change_environment_file(demo.folder / "keymanager.env", {"KEYMANAGER_MACHINE_ID_FILE": str(path)})


def trust_authority(demo: Demo) -> None:
    """Let the portal, and every command on this data folder, speak with the demo's authority."""
    change_environment_file(
        demo.folder / "keymanager.env",
        {
            "KEYMANAGER_AUTHORITY_URL": demo.authority_url,
            "KEYMANAGER_AUTHORITY_JWKS": str(demo.authority_jwks),
        },
    )


@contextmanager
def not_ready(folder: Path) -> Iterator[None]:
    """See to it that no `demo.json` is there before and after a demo."""
    ready = folder / READY_FILE
    ready.unlink(missing_ok=True)
    try:
        yield
    finally:
        ready.unlink(missing_ok=True)


def announce(demo: Demo, portal_url: str, now: datetime) -> None:
    """Write `demo.json`: everything is ready, and this is where."""
    keys = [{name: key[name] for name in ("number", "customer", "pin")} for key in demo_keys(now.date())]
    told: dict[str, Any] = {
        "portal": portal_url,
        "authority": demo.authority_url,
        "authority_jwks": str(demo.authority_jwks),
        "admin": {"username": demo.username, "password": demo.password},
        "erp_client_token": demo.token,
        "mailbox": {"address": MAILBOX, "host": "127.0.0.1", "port": demo.mailbox_port},
        "outbox": str(demo.outbox),
        "keys": keys,
    }
    write_private(demo.folder / READY_FILE, json.dumps(told, indent=2) + "\n")
