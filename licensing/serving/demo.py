"""The demo: authority, mailbox and mail sink beside the portal, an administrator and an ERP client in it."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings

from keymanager import deployment
from licensing.models import ErpClient, Role, User
from licensing.operations.actors import Actor
from licensing.operations.clients import add_erp_client
from licensing.operations.configuration import change_configuration, configuration
from licensing.operations.users import create_user

from .data_folder import READY_FILE
from .demo_keys import demo_keys, make_missing
from .demo_settings import MAILBOX, Demo, change_environment_file, keep, make_machine_id, write_private
from .supervisor import Child

DEMO = Actor("demo", Role.ADMINISTRATOR)
SENDER = "keymanager@demo.example"
ADMINISTRATOR = "administrator@demo.example"


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
    host: Path = settings.KEYMANAGER.machine_id_file
    if sys.platform != "win32" and not (host.is_file() and host.read_bytes().strip()):
        path = demo.folder / "machine-id"
        make_machine_id(path)
        _settle(demo, {"KEYMANAGER_MACHINE_ID_FILE": str(path)})


def trust_authority(demo: Demo) -> None:
    """Let the portal, and every command on this data folder, speak with the demo's authority."""
    _settle(
        demo,
        {
            "KEYMANAGER_AUTHORITY_URL": demo.authority_url,
            "KEYMANAGER_AUTHORITY_JWKS": str(demo.authority_jwks),
        },
    )


def _settle(demo: Demo, values: dict[str, str]) -> None:
    change_environment_file(demo.folder / "keymanager.env", values)
    settings.KEYMANAGER = deployment.read()


def furnish(demo: Demo, now: datetime) -> Demo:
    """Make in the portal and at the authority what the demo needs and does not have yet."""
    make_missing(demo.authority_url, demo_keys(now.date()))
    _send_mail_to_sink(demo, now)
    if not User.objects.filter(username=demo.username).exists():
        name = _unused("admin", set(User.objects.values_list("username", flat=True)))
        create_user(now, DEMO, name, demo.password, Role.ADMINISTRATOR, ADMINISTRATOR)
        demo = replace(demo, username=name)
        keep(demo)
    if not demo.token:
        name = _unused("Demo ERP", set(ErpClient.objects.values_list("name", flat=True)))
        demo = replace(demo, token=add_erp_client(now, DEMO, name)[1])
    keep(demo)
    return demo


def _send_mail_to_sink(demo: Demo, now: datetime) -> None:
    """Set the portal's mail server, unless an administrator has chosen another."""
    row = configuration()
    if row.smtp_host and row.mail_sender != SENDER:
        return
    change_configuration(
        now,
        DEMO,
        smtp_host="127.0.0.1",
        smtp_port=demo.sink_port,
        smtp_security="none",
        mail_sender=SENDER,
        admin_email=row.admin_email or ADMINISTRATOR,
    )


def _unused(name: str, taken: set[str]) -> str:
    names = [name, *(f"{name}-{number}" for number in range(2, len(taken) + 3))]
    return next(candidate for candidate in names if candidate not in taken)


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
