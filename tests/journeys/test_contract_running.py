"""Starting, driving and stopping the product, judged by its contract from outside."""

import re
import stat
import subprocess
from pathlib import Path

import pytest
import requests

from tests.authority_process import module
from tests.journeys.portal import Portal, token_of
from tests.portal_process import ROOT, STOP_SECONDS, Demo, manage, wait_until

CODE = re.compile(r"[a-z_]+: .+")


# Commands


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("add_key", "--number", "123", "--customer", "1", "--pin", "1234"), "validation_failed"),
        (("add_key", "--number", "5000091234", "--customer", "x", "--pin", "1234"), "validation_failed"),
        (("add_key", "--number", "5000091234", "--customer", "1" * 21, "--pin", "1234"), "validation_failed"),
        (("add_key", "--number", "5000091234", "--customer", "1", "--pin", "12345"), "validation_failed"),
        (("edit_key", "5000099999", "--pin", "1234"), "key_unknown"),
        (("remove_key", "5000099999"), "key_unknown"),
        (("import_answer", "/nowhere/answer.kmans"), ""),
        (("export_request", "/nowhere/request.kmreq"), ""),
        (("new_installation",), ""),
    ],
)
def test_a_refusal_is_one_line_that_begins_with_its_code(
    portal: Portal, arguments: tuple[str, ...], code: str
) -> None:
    ran = portal.run(*arguments)
    assert ran.status == 1, ran
    assert len(ran.err) == 1
    assert CODE.fullmatch(ran.err[0])
    assert not code or ran.err[0].startswith(f"{code}: ")


@pytest.mark.parametrize(
    "arguments",
    [
        ("add_key",), ("add_key", "--number", "5000091234"), ("edit_key",), ("remove_key",),
        ("activate_offline",), ("export_request",), ("import_answer",), ("add_erp_client",), ("release",),
        ("contact", "--nonsense"),
        ("status", "x"), ("release", "--user", "a", "--workstation", "b"), ("pack_logs", "--to"),
        ("foo",), ("help", "foo"), ("status", "--data"), ("serve", "--port", "0"),
    ],
)  # fmt: skip
def test_wrong_usage_exits_2(portal: Portal, arguments: tuple[str, ...]) -> None:
    assert portal.run(*arguments).status == 2


def test_a_command_that_does_not_exist_is_told_in_one_line_with_a_code(portal: Portal) -> None:
    ran = portal.run("foo")
    assert ran.err == ["unknown_command: there is no command 'foo'; manage.py help lists them all"]


def test_a_key_that_is_here_is_refused_and_a_refused_one_stays_stored(portal: Portal) -> None:
    number = portal.new_key(module("R_KEY", 1))
    again = portal.add(number)
    assert (again.status, len(again.err)) == (1, 1)
    assert again.err[0].startswith("key_exists: ")
    edited = portal.run("edit_key", number, "--pin", "1234")
    assert (edited.status, len(edited.err)) == (1, 1)
    assert portal.run("contact").status == 0
    portal.vendor(f"/_control/keys/{number}/suspend", suspended=True)
    contact = portal.run("contact")
    assert (contact.status, f"{number} refused suspended" in contact.out) == (1, True)
    portal.vendor(f"/_control/keys/{number}/suspend", suspended=False)
    removed = portal.run("remove_key", number)
    assert (removed.status, removed.out[-1]) == (0, f"{number} released")


def test_a_token_stands_alone_on_the_last_line(portal: Portal) -> None:
    token = token_of(portal.run("add_erp_client", "an application"))
    assert re.fullmatch(r"km_[A-Za-z0-9_-]{40,}", token)
    assert portal.api("GET", "/status", token=token).status_code == 200
    assert portal.run("add_erp_client", "an application").status == 1


def test_status_as_json_is_that_of_the_api(portal: Portal) -> None:
    ran = portal.run("status", "--json")
    told = requests.models.complexjson.loads("\n".join(ran.out))
    assert {**told, "server_time": ""} == {**portal.status(), "server_time": ""}


def test_releasing_nobody_is_no_mistake(portal: Portal) -> None:
    assert portal.run("release", "--user", "nobody").status == 0


def test_logs_are_packed_where_asked(portal: Portal, tmp_path: Path) -> None:
    packed = tmp_path / "logs.zip"
    assert portal.run("pack_logs", "--to", str(packed)).status == 0
    assert packed.stat().st_size > 0


def test_the_data_folder_is_named_by_option_or_environment(portal: Portal) -> None:
    for data in (("--data", str(portal.demo.data)), ()):
        ran = manage(portal.demo.data if not data else Path("/nowhere"), "status", *data)
        assert ran.returncode == 0, ran.stderr


# Settings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("KEYMANAGER_DATABASE_URL", "mysql://localhost/x"),
        ("KEYMANAGER_DATABASE_URL", "nonsense"),
        ("KEYMANAGER_AUTHORITY_URL", "http://licences.example"),
        ("KEYMANAGER_AUTHORITY_URL", "ftp://127.0.0.1"),
        ("KEYMANAGER_AUTHORITY_JWKS", "/nowhere/jwks.json"),
        ("KEYMANAGER_CA_FILE", "/nowhere/ca.pem"),
        ("KEYMANAGER_TLS_CERT", "/nowhere/cert.pem"),
        ("KEYMANAGER_TIME_ZONE", "Europe/Nowhere"),
        ("KEYMANAGER_MACHINE_ID_FILE", "/nowhere/machine-id"),
        ("KEYMANAGER_ALLOWED_HOSTS", "http://x/"),
    ],
)
def test_a_bad_setting_stops_the_start_with_one_line_that_names_it(
    tmp_path: Path, name: str, value: str
) -> None:
    ran = manage(tmp_path / "var", "serve", "--port", "1", **{name: value})
    assert ran.returncode == 1
    assert ran.stdout == ""
    (line,) = ran.stderr.splitlines()
    assert line.startswith(name)
    assert "found" in line
    assert "expected" in line


def test_the_environment_beats_the_file(tmp_path: Path) -> None:
    data = tmp_path / "var"
    data.mkdir()
    (data / "keymanager.env").write_text("KEYMANAGER_TIME_ZONE=Europe/Nowhere\n")
    assert manage(data, "status").stderr.startswith("KEYMANAGER_TIME_ZONE")
    machine = tmp_path / "machine"
    machine.write_text("a" * 32)
    settings = {"KEYMANAGER_TIME_ZONE": "Europe/Warsaw", "KEYMANAGER_MACHINE_ID_FILE": str(machine)}
    assert manage(data, "status", **settings).returncode == 0


# The data folder


def test_nothing_is_written_outside_the_data_folder(portal: Portal) -> None:
    folder = portal.demo.data
    assert {"keymanager.sqlite3", "keymanager.env", "demo.json"} <= {path.name for path in folder.iterdir()}
    keys = [path for path in folder.rglob("*.key") if path.is_file()]
    assert keys
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in keys)
    left = subprocess.run(
        ["git", "status", "--short", "--ignored", "--", "var"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "demo.json" not in left.stdout


@pytest.mark.full
def test_the_demo_file_is_whole_as_soon_as_it_is_there(tmp_path: Path) -> None:
    data = tmp_path / "var"
    data.mkdir()
    (data / "demo.json").write_text("{}")
    with Demo(data) as starting:
        wait_until(lambda: not (data / "demo.json").exists(), 20)
        wait_until((data / "demo.json").exists)
        told = requests.models.complexjson.loads((data / "demo.json").read_text())
        assert requests.get(f"{told['portal']}/readyz", timeout=5).status_code == 200
        assert requests.get(f"{told['authority']}/_control/state", timeout=5).status_code == 200
        headers = {"Authorization": f"Bearer {told['erp_client_token']}"}
        assert (
            requests.get(f"{told['portal']}/api/v1/modules", headers=headers, timeout=5).json()["modules"]
            == []
        )
        assert starting.stop() < STOP_SECONDS
        assert starting.left() == []


@pytest.mark.full
def test_what_was_acknowledged_survives_a_kill_of_everything(tmp_path: Path) -> None:
    with Demo(tmp_path / "var") as first:
        portal = Portal(first.wait_until_ready())
        portal.new_key(module("R_KILLED", 5))
        lease = portal.lease("R_KILLED")
        returned = portal.lease("R_KILLED")
        portal.give_back(returned)
        portal.close()
    with Demo(tmp_path / "var") as second:
        portal = Portal(second.wait_until_ready())
        assert portal.heartbeat(lease).status_code == 200
        assert portal.heartbeat(returned).status_code == 410
        assert portal.run("check_invariants").status == 0
        portal.close()


def test_another_key_file_stops_the_start_in_one_line(tmp_path: Path) -> None:
    machine = tmp_path / "machine"
    machine.write_text("a" * 32)
    settings = {"KEYMANAGER_MACHINE_ID_FILE": str(machine)}
    data = tmp_path / "var"
    assert manage(data, "status", **settings).returncode == 0
    (key,) = data.glob("*.key")
    kept = key.read_text()
    key.write_text("x" * 43 + "=\n")
    wrong = manage(data, "serve", "--port", "1", **settings)
    assert (wrong.returncode, len(wrong.stderr.splitlines())) == (1, 1), wrong.stderr
    assert wrong.stderr.startswith("key_file_wrong: ") or "KEYMANAGER_KEY_FILE" in wrong.stderr
    key.unlink()
    missing = manage(data, "serve", "--port", "1", **settings)
    assert (missing.returncode, len(missing.stderr.splitlines())) == (1, 1), missing.stderr
    assert missing.stderr.startswith("key_file_missing: ")
    key.write_text(kept)
    assert manage(data, "status", **settings).returncode == 0
