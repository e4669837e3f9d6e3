"""The settings of a deployment that tell of a company's LDAP or Active Directory."""

import re
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from licensing.directory import Directory, Server

from .wrong import WrongSetting

PATHS = ("KEYMANAGER_LDAP_BIND_PASSWORD_FILE",)
# By role, the highest first.
GROUPS = {
    "administrator": "KEYMANAGER_LDAP_ADMINISTRATORS",
    "operator": "KEYMANAGER_LDAP_OPERATORS",
    "viewer": "KEYMANAGER_LDAP_VIEWERS",
}
NAMES = (
    "KEYMANAGER_LDAP_URL",
    "KEYMANAGER_LDAP_BASE_DN",
    "KEYMANAGER_LDAP_BIND_DN",
    "KEYMANAGER_LDAP_BIND_PASSWORD",
    *PATHS,
    "KEYMANAGER_LDAP_USER_ATTRIBUTE",
    "KEYMANAGER_LDAP_MEMBER_FILTER",
    *GROUPS.values(),
)
_PORTS = {"ldap": 389, "ldaps": 636}
_DN = re.compile(r"[A-Za-z0-9.-]+\s*=.+")
_ATTRIBUTE = re.compile(r"[A-Za-z][A-Za-z0-9-]*")


def read_directory(given: Mapping[str, str], ca_file: Path | None) -> Directory | None:
    """The company's directory; None where no setting tells of one.

    Raises:
        WrongSetting: a value cannot be used, or one that belongs to it is missing.
    """
    told = sorted(name for name in NAMES if name in given)
    if not told:
        return None
    servers = _servers(given)
    if find_spec("ldap3") is None:
        raise WrongSetting(
            "KEYMANAGER_LDAP_URL", given["KEYMANAGER_LDAP_URL"], "requirements-ldap.txt to be installed"
        )
    groups = {role: _dn(given, name) for role, name in GROUPS.items() if name in given}
    if not groups:
        raise WrongSetting(GROUPS["administrator"], "", "the DN of a group, here or for another role")
    bind_dn, bind_password = _bind(given)
    usual = Directory((), "", {})
    return Directory(
        servers=servers,
        base_dn=_dn(given, "KEYMANAGER_LDAP_BASE_DN"),
        groups=groups,
        user_attribute=_user_attribute(given, usual.user_attribute),
        member_filter=_member_filter(given, usual.member_filter),
        bind_dn=bind_dn,
        bind_password=bind_password,
        ca_file=ca_file,
    )


def _servers(given: Mapping[str, str]) -> tuple[Server, ...]:
    name = "KEYMANAGER_LDAP_URL"
    expected = "ldaps://HOST[:PORT] or ldap://HOST[:PORT], several separated by commas"
    return tuple(_server(name, url.strip(), expected) for url in given.get(name, "").split(","))


def _server(name: str, url: str, expected: str) -> Server:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise WrongSetting(name, url, expected) from None
    if parts.username or parts.password:
        raise WrongSetting(name, f"{parts.scheme}://…", "an address without a name or password in it")
    if parts.scheme not in _PORTS or not host or port == 0 or parts.path.strip("/") or parts.query:
        raise WrongSetting(name, url, expected)
    return Server(host, port or _PORTS[parts.scheme], parts.scheme == "ldaps")


def _dn(given: Mapping[str, str], name: str) -> str:
    value = given.get(name, "")
    if not _DN.fullmatch(value):
        raise WrongSetting(name, value, "a DN such as ou=people,dc=firma,dc=example")
    return value


def _bind(given: Mapping[str, str]) -> tuple[str, str]:
    """Name and password with which the portal itself asks; both empty where anybody may ask."""
    name, file = "KEYMANAGER_LDAP_BIND_PASSWORD", "KEYMANAGER_LDAP_BIND_PASSWORD_FILE"
    password = given.get(name, "")
    if file in given:
        try:
            password = Path(given[file]).expanduser().read_text(encoding="utf-8").strip("\r\n")
        except (OSError, UnicodeDecodeError):
            raise WrongSetting(file, given[file], "a UTF-8 file that this user may read") from None
    dn = _dn(given, "KEYMANAGER_LDAP_BIND_DN") if "KEYMANAGER_LDAP_BIND_DN" in given else ""
    if bool(dn) != bool(password):
        missing = name if dn else "KEYMANAGER_LDAP_BIND_DN"
        raise WrongSetting(missing, "", "a value, as the other half of the portal's own log-in is set")
    return dn, password


def _user_attribute(given: Mapping[str, str], usual: str) -> str:
    value = given.get("KEYMANAGER_LDAP_USER_ATTRIBUTE", usual)
    if not _ATTRIBUTE.fullmatch(value):
        raise WrongSetting("KEYMANAGER_LDAP_USER_ATTRIBUTE", value, "an attribute such as uid")
    return value


def _member_filter(given: Mapping[str, str], usual: str) -> str:
    value = given.get("KEYMANAGER_LDAP_MEMBER_FILTER", usual)
    whole = value.startswith("(") and value.endswith(")") and value.count("(") == value.count(")")
    if not whole or not ("{dn}" in value or "{user}" in value):
        raise WrongSetting("KEYMANAGER_LDAP_MEMBER_FILTER", value, "a filter such as (member={dn})")
    return value
