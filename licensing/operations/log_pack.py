"""Packing what a supporter needs to see into one ZIP: logs, versions, settings without secrets, contacts."""

import contextlib
import json
import os
import platform
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from licensing.models import ContactAttempt, Role

from .actors import Actor
from .configuration import SECRETS, configuration_and_secrets
from .events import record
from .hiding import without_secrets

KEPT = timedelta(days=7)
FOLDER = "packs"
MOST_ATTEMPTS = 1000

Progress = Callable[[int, int], None]

PARTS = {
    "versions.json": gettext_lazy("versions of the portal, of Python, of the system and of each package"),
    "deployment.json": gettext_lazy("settings of the deployment"),
    "configuration.json": gettext_lazy("the Configuration; of passwords only whether they are stored"),
    "contacts.json": gettext_lazy("contacts with the vendor of the last 30 days"),
    "schema.json": gettext_lazy("state of the database: its migrations and how many rows each table has"),
}


@dataclass(frozen=True)
class Part:
    """One file of a pack: its name there, and what it will hold."""

    name: str
    content: Callable[[], bytes]


@dataclass(frozen=True)
class Pack:
    """A pack that is there to be fetched."""

    path: Path
    size_bytes: int
    made_at: datetime


def parts() -> list[Part]:
    """What a pack made now would hold, in order; nothing is read yet."""
    return [
        Part("versions.json", lambda: _json(_versions())),
        Part("deployment.json", lambda: _json(_deployment())),
        Part("configuration.json", lambda: _json(_configuration())),
        Part("contacts.json", lambda: _json(list(_contacts()))),
        Part("schema.json", lambda: _json(_schema())),
        *(Part(f"logs/{path.name}", partial(_log, path)) for path in _log_files()),
    ]


@dataclass(frozen=True)
class PartTold:
    """What the page tells of a part before it is packed; `size_bytes` where it is a file."""

    name: str
    what: str
    size_bytes: int | None


def preview() -> list[PartTold]:
    """What a pack made now would hold, in words."""
    told = [PartTold(name, str(what), None) for name, what in PARTS.items()]
    return told + [PartTold(f"logs/{p.name}", _("log"), p.stat().st_size) for p in _log_files() if p.exists()]


def pack_logs(now: datetime, actor: Actor, progress: Progress | None = None) -> Path:
    """Write a pack into the data folder and tell where it is.

    Args:
        progress: told after each part how many of how many are packed.

    Raises:
        Refused: `not_permitted`.
    """
    actor.require(Role.ADMINISTRATOR)
    folder = _folder()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    target = folder / f"keymanager-logs-{now:%Y%m%dT%H%M%S}.zip"
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    wanted = parts()
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "wb") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for number, part in enumerate(wanted, 1):
                archive.writestr(part.name, _content(part))
                if progress is not None:
                    progress(number, len(wanted))
        # Whoever lists the folder finds whole packs only.
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)
    record("logs_packed", now, actor, target.name, size_bytes=target.stat().st_size)
    return target


def packs() -> list[Pack]:
    """The packs that are there, the newest first; times are local."""
    found = []
    for path in sorted(_folder().glob("*.zip"), reverse=True):
        status = path.stat()
        made_at = datetime.fromtimestamp(status.st_mtime, tz=UTC).astimezone()
        found.append(Pack(path, status.st_size, made_at))
    return found


def forget_old(now: datetime) -> None:
    """Delete packs, and what was left of packing, older than a week; `now` is the local time."""
    for path in (*_folder().glob("*.zip"), *_folder().glob(".*.zip.*")):
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_mtime < (now - KEPT).timestamp():
                path.unlink()


def _folder() -> Path:
    data: Path = settings.KEYMANAGER.data
    return data / FOLDER


def _log_files() -> list[Path]:
    data: Path = settings.KEYMANAGER.data
    names = ("keymanager.log*", "*.out", "*.out.1")
    return sorted(path for name in names for path in (data / "logs").glob(name) if path.is_file())


def _log(path: Path) -> bytes:
    """A log without secrets: what a process prints by itself has passed nobody who takes them out."""
    if path.name.startswith("keymanager.log"):
        return path.read_bytes()
    return without_secrets(path.read_text(encoding="utf-8", errors="replace")).encode()


def _content(part: Part) -> bytes:
    """A log that was rotated away meanwhile is left out rather than the pack."""
    try:
        return part.content()
    except FileNotFoundError:
        return b""


def _json(value: object) -> bytes:
    return json.dumps(value, indent=1, ensure_ascii=False, default=str).encode()


def _versions() -> dict[str, Any]:
    return {
        "portal": settings.VERSION,
        "python": platform.python_version(),
        "system": platform.platform(),
        "packages": {package.name: package.version for package in metadata.distributions()},
    }


def _deployment() -> dict[str, Any]:
    held = settings.KEYMANAGER
    return {
        "database": connection.vendor,
        "authority_url": held.authority_url,
        "authority_jwks": held.authority_jwks,
        "ca_file": held.ca_file,
        "allowed_hosts": held.allowed_hosts,
        "tls": held.tls,
        "machine_id_file": held.machine_id_file,
        "time_zone": held.time_zone,
    }


def _configuration() -> dict[str, Any]:
    row, stored = configuration_and_secrets()
    names = [field.name for field in row._meta.concrete_fields if field.name not in SECRETS]
    return {name: getattr(row, name) for name in names} | {
        name: "(stored)" if name in stored else None for name in SECRETS
    }


def _contacts() -> Iterator[dict[str, Any]]:
    fields = ("started_at", "finished_at", "trigger", "actor", "outcome", "params", "results")
    yield from ContactAttempt.objects.values(*fields)[:MOST_ATTEMPTS]


def _schema() -> dict[str, Any]:
    applied = MigrationRecorder(connection).applied_migrations()
    return {"migrations": sorted(f"{app}.{name}" for app, name in applied), "rows": _row_counts()}


def _row_counts() -> dict[str, int]:
    from django.apps import apps

    models = apps.get_app_config("licensing").get_models()
    return {model._meta.label: model._default_manager.count() for model in models}
