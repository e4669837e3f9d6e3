"""A portal in its own processes whose people log in by a directory, a slapd in its own process."""

import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journeys.administrator import Administrator
from tests.portal_process import Serve, manage
from tests.slapd import PASSWORD, PORTAL_PASSWORD, Slapd

OWN = "a good long password"


@pytest.fixture
def running(tmp_path: Path, machine_id_file: Path, slapd: Slapd) -> Iterator[Serve]:
    """A portal that asks the directory, with an administrator of its own."""
    data = tmp_path / "var"
    data.mkdir(mode=0o700)
    (data / "ldap-password").write_text(PORTAL_PASSWORD)
    settings = slapd.settings(
        KEYMANAGER_MACHINE_ID_FILE=str(machine_id_file),
        KEYMANAGER_CA_FILE=str(slapd.ca_file),
        KEYMANAGER_LDAP_BIND_PASSWORD_FILE="ldap-password",
    )
    del settings["KEYMANAGER_LDAP_BIND_PASSWORD"]
    lines = [f"{name}={value}\n" for name, value in settings.items()]
    (data / "keymanager.env").write_text("".join(lines))
    made = manage(data, "create_admin", "--username", "admin", stdin=OWN)
    assert made.returncode == 0, made.stderr
    with Serve(data) as portal:
        portal.wait_until_ready()
        yield portal


def test_people_of_the_directory_come_in_and_when_it_is_gone_the_portals_own_do(
    running: Serve, slapd: Slapd
) -> None:
    ewa = Administrator(running.url, "ewa", PASSWORD)
    assert ewa.get("/users").status_code == 200
    assert Administrator(running.url, "ola", PASSWORD).get("/users").status_code == 403
    slapd.stop()
    try:
        with pytest.raises(AssertionError, match="Katalog firmowy nie daje użytecznej odpowiedzi"):
            Administrator(running.url, "jan", PASSWORD)
        assert Administrator(running.url, "admin", OWN).get("/users").status_code == 200
    finally:
        slapd.start()
    assert Administrator(running.url, "jan", PASSWORD).get("/leases").status_code == 200


def test_the_directorys_passwords_are_in_no_file_of_the_portal(running: Serve) -> None:
    Administrator(running.url, "ewa", PASSWORD)
    with pytest.raises(AssertionError):
        Administrator(running.url, "jan", f"{PASSWORD}, mistyped")
    packed = manage(running.data, "pack_logs")
    assert packed.returncode == 0, packed.stderr
    ours = (path for path in running.data.rglob("*") if path.is_file() and path.name != "ldap-password")
    written = {path: path.read_bytes() for path in ours}
    for path in list(written):
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as pack:
                written |= {path / name: pack.read(name) for name in pack.namelist()}
    for secret in (PASSWORD, PORTAL_PASSWORD):
        assert [path for path, content in written.items() if secret.encode() in content] == []
    assert running.output().count(PASSWORD) == 0
