"""The settings of a deployment: read from the environment or `keymanager.env`, checked, typed.

The environment beats the file; a path in the file is taken from the data folder. A bad value raises
`WrongSetting`, whose one line names the variable, what was found and what is expected.
"""

import os
import re
import ssl
import zoneinfo
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import environ

from licensing.directory import Directory

from . import directory
from .wrong import WrongSetting

BASE = Path(__file__).resolve().parent.parent
# Set by `serve` for its children: no setting of a deployment.
PORT = "KEYMANAGER_PORT"
LOOPBACK = ("127.0.0.1", "localhost", "::1")
MACHINE_ID = "/etc/machine-id"

PATHS = (
    "KEYMANAGER_KEY_FILE",
    "KEYMANAGER_AUTHORITY_JWKS",
    "KEYMANAGER_CA_FILE",
    "KEYMANAGER_TLS_CERT",
    "KEYMANAGER_TLS_KEY",
    "KEYMANAGER_MACHINE_ID_FILE",
    *directory.PATHS,
)
NAMES = (
    *PATHS,
    *(name for name in directory.NAMES if name not in directory.PATHS),
    "KEYMANAGER_DATABASE_URL",
    "KEYMANAGER_AUTHORITY_URL",
    "KEYMANAGER_ALLOWED_HOSTS",
    "KEYMANAGER_TIME_ZONE",
)

_LINE = re.compile(r"(?:export )?([A-Za-z_0-9]+)=.*")
_HOST = re.compile(r"\*|\.?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?|\[[0-9A-Fa-f:.]+\]")


@dataclass(frozen=True)
class Deployment:
    """What whoever installed the portal decided; an administrator's choices are in `Configuration`."""

    data: Path
    database_url: str = field(repr=False)
    key_file: Path
    authority_url: str
    authority_jwks: Path | None
    ca_file: Path | None
    allowed_hosts: list[str]
    tls_cert: Path | None
    tls_key: Path | None
    machine_id_file: Path
    time_zone: str
    # The company's LDAP or Active Directory, where people log in by it.
    directory: Directory | None = None
    # Which port the portal listens on, where `serve` has told its children.
    port: int | None = None

    @property
    def tls(self) -> bool:
        """Whether this portal itself speaks TLS."""
        return self.tls_cert is not None


def data_folder() -> Path:
    """The folder that holds all state: `KEYMANAGER_DATA`, or `var/` beside manage.py."""
    given = os.environ.get("KEYMANAGER_DATA")
    if given is not None and not given.strip():
        raise WrongSetting("KEYMANAGER_DATA", given, "the path of a folder")
    try:
        folder = Path(given).expanduser().resolve() if given else BASE / "var"
        usable = not folder.exists() or folder.is_dir()
    except (OSError, RuntimeError, ValueError):
        usable = False
    if not usable:
        raise WrongSetting("KEYMANAGER_DATA", given, "the path of a folder that this user may use")
    return folder


def read() -> Deployment:
    """Read and check every deployment setting.

    Raises:
        WrongSetting: the first that cannot be used.
    """
    data = data_folder()
    given = _given(data)
    tls_cert, tls_key = _tls_pair(given)
    ca_file = _ca_file(given)
    return Deployment(
        data=data,
        database_url=_database_url(given, data),
        key_file=_key_file(given, data),
        authority_url=_authority_url(given),
        authority_jwks=_authority_jwks(given),
        ca_file=ca_file,
        allowed_hosts=_hosts(given),
        tls_cert=tls_cert,
        tls_key=tls_key,
        machine_id_file=_machine_id_file(given),
        time_zone=_time_zone(given),
        directory=directory.read_directory(given, ca_file),
        port=int(os.environ.get(PORT) or 0) or None,
    )


def tls_pair(data: Path) -> tuple[Path | None, Path | None]:
    """Certificate and key of this portal, where it speaks TLS itself.

    Raises:
        WrongSetting: they cannot be used, or do not belong together.
    """
    return _tls_pair(_given(data))


def machine_id_file(data: Path) -> Path:
    """The file of this machine's id. Raises WrongSetting where one is named and cannot be used."""
    return _machine_id_file(_given(data))


def allowed_hosts(data: Path) -> list[str]:
    """The names by which the portal may be called. Raises WrongSetting."""
    return _hosts(_given(data))


def read_file(path: Path) -> dict[str, str]:
    """The settings that a `keymanager.env` holds, by name; none where there is no such file."""

    class File(environ.Env):  # type: ignore[misc]
        ENVIRON: dict[str, str] = {}

    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError):
        raise WrongSetting("keymanager.env", path, "a UTF-8 file that this user may read") from None
    for number, line in enumerate(lines, 1):
        if line.strip() and not line.startswith("#") and not _known(line):
            # The line may hold a password, so it is not repeated.
            raise WrongSetting("keymanager.env", f"line {number}", "NAME=VALUE, NAME one of the settings")
    File.read_env(str(path), encoding="utf-8-sig")
    return {name: value.strip() for name, value in File.ENVIRON.items() if value.strip()}


def _known(line: str) -> bool:
    match = _LINE.fullmatch(line)
    return match is not None and (match[1] in NAMES or not match[1].startswith("KEYMANAGER_"))


def _given(data: Path) -> dict[str, str]:
    """Every setting that has a value: the environment's, else the file's."""
    file = read_file(data / "keymanager.env")
    for name in PATHS:
        if name in file:
            file[name] = str(data / Path(file[name]).expanduser())
    own = {name: os.environ.get(name, "").strip() for name in NAMES}
    return {**file, **{name: value for name, value in own.items() if value}}


def _file(given: Mapping[str, str], name: str) -> Path | None:
    if name not in given:
        return None
    path = Path(given[name]).expanduser()
    try:
        path.open("rb").close()
    except (OSError, ValueError):
        raise WrongSetting(name, given[name], "the path of a file that this user may read") from None
    return path.resolve()


def _database_url(given: Mapping[str, str], data: Path) -> str:
    name = "KEYMANAGER_DATABASE_URL"
    url = given.get(name, f"sqlite:///{quote(str(data / 'keymanager.sqlite3'))}")
    try:
        parts = urlsplit(url)
        usable = bool(parts.port is None or parts.port) and len(parts.path) > 1
        usable = usable and (parts.scheme != "sqlite" or not parts.netloc)
    except ValueError:
        usable, parts = False, urlsplit("")
    if not usable or parts.scheme not in ("sqlite", "postgres", "postgresql"):
        # The URL may hold a password, so it is not repeated.
        found = url.split(":", 1)[0][:20] + ":…"
        raise WrongSetting(name, found, "sqlite:///FILE or postgres://USER:PASSWORD@HOST:PORT/DATABASE")
    if parts.scheme == "sqlite":
        _check_sqlite(name, Path(unquote(parts.path[1:])), data)
    return url


def _check_sqlite(name: str, path: Path, data: Path) -> None:
    if path.is_dir() or not (path.parent.is_dir() or path.parent.resolve() == data):
        raise WrongSetting(name, f"sqlite:///{path}", "a file in a folder that exists")


def _key_file(given: Mapping[str, str], data: Path) -> Path:
    name = "KEYMANAGER_KEY_FILE"
    path = Path(given.get(name, str(data / "keymanager.key"))).expanduser().resolve()
    if path.exists():
        return _file({name: str(path)}, name) or path
    if not path.parent.is_dir() and path.parent != data:
        raise WrongSetting(name, path, "a file in a folder that exists")
    return path


def _authority_url(given: Mapping[str, str]) -> str:
    name = "KEYMANAGER_AUTHORITY_URL"
    url = given.get(name, "https://licences.comarch.example")
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        raise WrongSetting(name, url, "https://HOST[:PORT]") from None
    if parts.username or parts.password:
        raise WrongSetting(name, f"{parts.scheme}://…", "an address without a name or password in it")
    if not usable or parts.query or parts.fragment or re.search(r"\s", url):
        raise WrongSetting(name, url, "https://HOST[:PORT]")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        raise WrongSetting(name, url, "an https address (http only on loopback)")
    return url.rstrip("/")


def _authority_jwks(given: Mapping[str, str]) -> Path | None:
    name = "KEYMANAGER_AUTHORITY_JWKS"
    path = _file(given, name)
    if path is not None:
        # What only starts and stops processes does without the libraries behind this.
        from licensing.protocol.errors import ProtocolError
        from licensing.protocol.keys import AuthorityKeys

        try:
            AuthorityKeys.from_json(path.read_bytes())
        except (ProtocolError, OSError):
            raise WrongSetting(name, path, "a JWK Set with the authority's public keys") from None
    return path


def _ca_file(given: Mapping[str, str]) -> Path | None:
    name = "KEYMANAGER_CA_FILE"
    path = _file(given, name)
    if path is not None:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
        except (ssl.SSLError, OSError):
            raise WrongSetting(name, path, "certificates of authorities as PEM") from None
    return path


def _tls_pair(given: Mapping[str, str]) -> tuple[Path | None, Path | None]:
    certificate, key = _file(given, "KEYMANAGER_TLS_CERT"), _file(given, "KEYMANAGER_TLS_KEY")
    if certificate is None and key is None:
        return None, None
    if certificate is None or key is None:
        missing = "KEYMANAGER_TLS_KEY" if key is None else "KEYMANAGER_TLS_CERT"
        raise WrongSetting(missing, "", "a file, as the other half of the TLS pair is set")
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key, password=lambda: "")
    except (ssl.SSLError, OSError, ValueError):
        expected = f"a PEM certificate that fits the unencrypted key in {key}"
        raise WrongSetting("KEYMANAGER_TLS_CERT", certificate, expected) from None
    return certificate, key


def _hosts(given: Mapping[str, str]) -> list[str]:
    name = "KEYMANAGER_ALLOWED_HOSTS"
    hosts = [host.strip() for host in given.get(name, "").split(",") if host.strip()]
    for host in hosts:
        if not _HOST.fullmatch(host):
            raise WrongSetting(name, host, "host names without ports, separated by commas")
    return [*hosts, "127.0.0.1", "localhost", "[::1]"]


def _machine_id_file(given: Mapping[str, str]) -> Path:
    """The file named must be there; where none is named, what needs the machine id tells."""
    name = "KEYMANAGER_MACHINE_ID_FILE"
    path = _file(given, name)
    if path is not None and not path.read_text(encoding="utf-8", errors="replace").strip():
        raise WrongSetting(name, path, "a file that holds the machine's id")
    return path or Path(MACHINE_ID)


def _time_zone(given: Mapping[str, str]) -> str:
    name = given.get("KEYMANAGER_TIME_ZONE", "Europe/Warsaw")
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise WrongSetting("KEYMANAGER_TIME_ZONE", name, "a name such as Europe/Warsaw") from None
    return name
