"""The settings of a deployment: read from the environment or `keymanager.env`, checked, typed.

The environment beats the file. A bad value raises `WrongSetting`, whose one line names the variable,
what was found and what is expected.
"""

import os
import zoneinfo
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import environ

BASE = Path(__file__).resolve().parent.parent
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class WrongSetting(Exception):
    """A deployment setting that cannot be used."""

    def __init__(self, name: str, found: object, expected: str) -> None:
        super().__init__(f"{name}: found {str(found)!r}, expected {expected}")


@dataclass(frozen=True)
class Deployment:
    """What whoever installed the portal decided; an administrator's choices are in `Configuration`."""

    data: Path
    database_url: str
    key_file: Path
    authority_url: str
    authority_jwks: Path | None
    ca_file: Path | None
    allowed_hosts: list[str]
    tls_cert: Path | None
    tls_key: Path | None
    machine_id_file: Path
    time_zone: str

    @property
    def tls(self) -> bool:
        """Whether this portal itself speaks TLS."""
        return self.tls_cert is not None


def data_folder() -> Path:
    """The folder that holds all state: `KEYMANAGER_DATA`, or `var/` beside manage.py."""
    given = os.environ.get("KEYMANAGER_DATA")
    if given == "":
        raise WrongSetting("KEYMANAGER_DATA", given, "the path of a folder")
    folder = Path(given).expanduser().resolve() if given else BASE / "var"
    if folder.exists() and not folder.is_dir():
        raise WrongSetting("KEYMANAGER_DATA", folder, "the path of a folder")
    return folder


def read() -> Deployment:
    """Read and check every deployment setting."""
    data = data_folder()
    # django-environ lets the environment win over the file.
    environ.Env.read_env(str(data / "keymanager.env"), overwrite=False) if (
        data / "keymanager.env"
    ).exists() else None
    tls_cert, tls_key = _file("KEYMANAGER_TLS_CERT"), _file("KEYMANAGER_TLS_KEY")
    if (tls_cert is None) != (tls_key is None):
        missing = "KEYMANAGER_TLS_KEY" if tls_key is None else "KEYMANAGER_TLS_CERT"
        raise WrongSetting(missing, "", "a file, as the other half of the TLS pair is set")
    return Deployment(
        data=data,
        database_url=_database_url(data),
        key_file=Path(_text("KEYMANAGER_KEY_FILE", str(data / "keymanager.key"))).expanduser().resolve(),
        authority_url=_authority_url(),
        authority_jwks=_file("KEYMANAGER_AUTHORITY_JWKS"),
        ca_file=_file("KEYMANAGER_CA_FILE"),
        allowed_hosts=_hosts(),
        tls_cert=tls_cert,
        tls_key=tls_key,
        machine_id_file=Path(_text("KEYMANAGER_MACHINE_ID_FILE", "/etc/machine-id")),
        time_zone=_time_zone(),
    )


def _text(name: str, default: str = "") -> str:
    return os.environ.get(name, "").strip() or default


def _file(name: str) -> Path | None:
    given = _text(name)
    if not given:
        return None
    path = Path(given).expanduser()
    if not path.is_file():
        raise WrongSetting(name, given, "the path of a file that exists")
    return path.resolve()


def _database_url(data: Path) -> str:
    url = _text("KEYMANAGER_DATABASE_URL", f"sqlite:///{data / 'keymanager.sqlite3'}")
    if not url.startswith(("sqlite:///", "postgres://", "postgresql://")):
        # The URL may hold a password, so it is not repeated.
        raise WrongSetting(
            "KEYMANAGER_DATABASE_URL", url.split(":", 1)[0] + ":…", "sqlite:///FILE or postgres://…"
        )
    return url


def _authority_url() -> str:
    url = _text("KEYMANAGER_AUTHORITY_URL", "https://licences.comarch.example")
    parts = urlsplit(url)
    try:
        usable = (
            parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0)
        )
    except ValueError:
        usable = False
    if not usable or parts.username or parts.query or parts.fragment:
        raise WrongSetting("KEYMANAGER_AUTHORITY_URL", url, "https://HOST[:PORT]")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        raise WrongSetting("KEYMANAGER_AUTHORITY_URL", url, "an https address (http only on loopback)")
    return url.rstrip("/")


def _hosts() -> list[str]:
    given = _text("KEYMANAGER_ALLOWED_HOSTS")
    hosts = [host.strip() for host in given.split(",") if host.strip()]
    for host in hosts:
        if "/" in host or " " in host:
            raise WrongSetting("KEYMANAGER_ALLOWED_HOSTS", given, "host names separated by commas")
    return [*hosts, "127.0.0.1", "localhost", "[::1]"]


def _time_zone() -> str:
    name = _text("KEYMANAGER_TIME_ZONE", "Europe/Warsaw")
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise WrongSetting("KEYMANAGER_TIME_ZONE", name, "a name such as Europe/Warsaw") from None
    return name
