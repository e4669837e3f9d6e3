"""The settings of a company's directory: read together, refused in one line, the password shown nowhere."""

import importlib.util
from pathlib import Path

import pytest

from keymanager import deployment
from keymanager.directory import read_directory
from keymanager.wrong import WrongSetting
from licensing.directory import Server

LDAP = "KEYMANAGER_LDAP_"
ENOUGH = {
    f"{LDAP}URL": "ldaps://dc1.firma.example, ldap://dc2.firma.example:3890",
    f"{LDAP}BASE_DN": "ou=people,dc=firma,dc=example",
    f"{LDAP}OPERATORS": "cn=operators,dc=firma,dc=example",
}
BIND = {f"{LDAP}BIND_DN": "cn=portal,dc=firma", f"{LDAP}BIND_PASSWORD": "geheim"}


def test_without_settings_there_is_no_directory() -> None:
    assert read_directory({}, None) is None


def test_what_is_left_out_is_as_openldap_has_it() -> None:
    found = read_directory(ENOUGH, None)
    assert found is not None
    assert found.servers == (Server("dc1.firma.example", 636, True), Server("dc2.firma.example", 3890, False))
    assert found.groups == {"operator": "cn=operators,dc=firma,dc=example"}
    assert (found.user_attribute, found.bind_dn) == ("uid", "")
    assert "{dn}" in found.member_filter


def test_the_highest_role_is_looked_for_first() -> None:
    every = {f"{LDAP}{role}": f"cn={role},dc=firma" for role in ("VIEWERS", "OPERATORS", "ADMINISTRATORS")}
    found = read_directory(ENOUGH | every, None)
    assert found is not None
    assert list(found.groups) == ["administrator", "operator", "viewer"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("URL", "firma.example"),
        ("URL", "http://firma.example"),
        ("URL", "ldap://firma.example/dc=firma"),
        ("URL", "ldaps://firma.example:0"),
        ("URL", "ldaps://firma.example:port"),
        ("URL", "ldaps://firma.example,"),
        ("BASE_DN", "firma"),
        ("OPERATORS", "operators"),
        ("USER_ATTRIBUTE", "uid)(x"),
        ("MEMBER_FILTER", "member={dn}"),
        ("MEMBER_FILTER", "(member={dn}"),
        ("MEMBER_FILTER", "(member=*)"),
        ("BIND_PASSWORD_FILE", "/no/such/file"),
    ],
)
def test_a_value_that_cannot_be_used_is_named(name: str, value: str) -> None:
    with pytest.raises(WrongSetting, match=f"^{LDAP}{name}: found .*, expected "):
        read_directory(ENOUGH | {f"{LDAP}{name}": value}, None)


@pytest.mark.parametrize(
    ("without", "named"), [("URL", "URL"), ("BASE_DN", "BASE_DN"), ("OPERATORS", "ADMINISTRATORS")]
)
def test_what_is_missing_is_named(without: str, named: str) -> None:
    given = {name: value for name, value in ENOUGH.items() if name != f"{LDAP}{without}"}
    with pytest.raises(WrongSetting, match=f"^{LDAP}{named}: found '', expected "):
        read_directory(given, None)


@pytest.mark.parametrize(("half", "other"), [("BIND_DN", "BIND_PASSWORD"), ("BIND_PASSWORD", "BIND_DN")])
def test_half_of_the_portals_own_log_in_names_the_other_half(half: str, other: str) -> None:
    with pytest.raises(WrongSetting, match=f"^{LDAP}{other}: ") as wrong:
        read_directory(ENOUGH | {f"{LDAP}{half}": BIND[f"{LDAP}{half}"]}, None)
    assert "geheim" not in str(wrong.value)


def test_an_address_with_a_password_in_it_is_refused_without_repeating_it() -> None:
    with pytest.raises(WrongSetting, match="without a name or password") as wrong:
        read_directory(ENOUGH | {f"{LDAP}URL": "ldaps://portal:geheim@firma.example"}, None)
    assert "geheim" not in str(wrong.value)


def test_the_password_may_lie_in_a_file_and_is_in_no_repr(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ldap-password").write_text("geheim\n")
    lines = [f"{name}={value}" for name, value in ENOUGH.items()]
    lines += [f"{LDAP}BIND_DN=cn=portal,dc=firma", f"{LDAP}BIND_PASSWORD_FILE=ldap-password"]
    (tmp_path / "keymanager.env").write_text("\n".join(lines))
    monkeypatch.setenv("KEYMANAGER_DATA", str(tmp_path))
    read = deployment.read()
    assert read.directory is not None
    assert read.directory.bind_password == "geheim"
    assert "geheim" not in repr(read)


def test_where_the_extra_is_not_installed_the_start_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keymanager.directory.find_spec", lambda _name: None)
    assert importlib.util.find_spec("ldap3") is not None
    with pytest.raises(WrongSetting, match=r"expected requirements-ldap\.txt to be installed"):
        read_directory(ENOUGH, None)
