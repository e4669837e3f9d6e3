"""The whole product as it is started: `serve --demo` in its own processes, driven from outside."""

import os
import signal
import smtplib
import socket
import ssl
import stat
import time
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
import trustme

from licensing.serving.ports import free_port
from tests.portal_process import STOP_SECONDS, Demo, Serve, alive, manage, wait_until


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """A demo that runs as long as this module's tests; each uses a key, a client or a child of its own."""
    with Demo(tmp_path_factory.mktemp("demo") / "var") as running:
        yield running.wait_until_ready()


def api(demo: Demo, method: str, path: str, **options: Any) -> requests.Response:
    headers = {"Authorization": f"Bearer {demo.told['erp_client_token']}"}
    return requests.request(method, f"{demo.url}/api/v1{path}", headers=headers, timeout=10, **options)


def module_rows(demo: Demo) -> dict[tuple[str, str], dict[str, Any]]:
    rows = api(demo, "GET", "/modules").json()["modules"]
    return {(row["key"], row["code"]): row for row in rows}


def today(days: int) -> str:
    return (datetime.now(UTC).date() + timedelta(days=days)).isoformat()


def mails(demo: Demo) -> list[str]:
    paths = sorted(Path(demo.told["outbox"]).glob("*.eml"))
    return [message_from_bytes(path.read_bytes()).as_string() for path in paths]


def test_demo_json_tells_everything_as_promised(demo: Demo) -> None:
    told = demo.told
    assert told["portal"] == demo.url
    assert told["authority"] == f"http://127.0.0.1:{demo.authority_port}"
    assert Path(told["authority_jwks"]).is_absolute()
    assert Path(told["authority_jwks"]).is_file()
    assert told["admin"]["username"] == "admin"
    assert len(told["admin"]["password"]) >= 12
    assert told["erp_client_token"].startswith("km_")
    assert told["mailbox"]["address"] == "mk@comarch.pl"
    assert told["mailbox"]["host"] == "127.0.0.1"
    assert Path(told["outbox"]).is_dir()
    assert told["keys"] == [
        {"number": "5000006622", "customer": "123456", "pin": "0427"},
        {"number": "5000006623", "customer": "123456", "pin": "1111"},
        {"number": "5000006624", "customer": "654321", "pin": "2222"},
    ]


def test_what_to_type_is_printed(demo: Demo) -> None:
    for word in (demo.url, demo.told["admin"]["password"], demo.told["erp_client_token"]):
        assert word in demo.output()


def test_only_the_owner_reads_the_data_folder(demo: Demo) -> None:
    for name in ("keymanager.key", "keymanager.sqlite3", "keymanager.env", "demo.json", "demo-state.json"):
        assert stat.S_IMODE((demo.data / name).stat().st_mode) == 0o600, name


def test_no_key_is_there_at_first_and_an_added_one_brings_its_modules(demo: Demo) -> None:
    added = demo.manage("add_key", "--number", "5000006622", "--customer", "123456", "--pin", "0427")
    assert added.stdout.splitlines() == ["Key 5000006622 added.", "5000006622 granted"]
    seats = {code: row["seats"] for (key, code), row in module_rows(demo).items() if key == "5000006622"}
    assert seats == {"HANDEL": 5, "KASA": 5, "FAKTURY": 3, "CRM": 1, "SRODKI_TRWALE": None}
    rows = [row for (key, _), row in module_rows(demo).items() if key == "5000006622"]
    assert all(row["available"] and row["warranty_until"] > today(30) for row in rows)
    assert demo.manage("contact").returncode == 0
    lease = {"workstation": "PC-017", "user": "anna", "program": {"name": "ERP", "version": "1"}}
    taken = api(demo, "POST", "/leases", json={"modules": ["HANDEL", "KASA"], **lease})
    assert taken.status_code == 201
    released = demo.manage("release", "--user", "anna")
    assert released.stdout == "Leases released: 1\n"
    ended = api(demo, "POST", f"/leases/{taken.json()['id']}/heartbeat")
    assert (ended.status_code, ended.json()["ended_reason"]) == (410, "released_by_admin")
    assert demo.manage("check_invariants").returncode == 0


def test_the_second_key_is_out_of_warranty_since_a_month(demo: Demo) -> None:
    added = demo.manage("add_key", "--number", "5000006623", "--customer", "123456", "--pin", "1111")
    assert added.stdout.splitlines()[-1] == "5000006623 granted"
    rows = {code: row for (key, code), row in module_rows(demo).items() if key == "5000006623"}
    assert {code: row["seats"] for code, row in rows.items()} == {"HANDEL": 2, "KADRY": 2}
    assert all(today(-32) <= row["warranty_until"] <= today(-28) for row in rows.values())


def test_the_third_key_expired_yesterday(demo: Demo) -> None:
    added = demo.manage("add_key", "--number", "5000006624", "--customer", "654321", "--pin", "2222")
    assert added.stdout.splitlines()[-1] == "5000006624 granted"
    row = module_rows(demo)["5000006624", "BI"]
    assert (row["seats"], row["available"], row["reason"]) == (1, False, "module_expired")


def test_status_by_command_is_that_of_the_api(demo: Demo) -> None:
    by_command = demo.manage("status", "--json")
    by_api = api(demo, "GET", "/status").json()
    assert by_command.returncode == 0
    assert {**requests.models.complexjson.loads(by_command.stdout), "server_time": ""} == {
        **by_api,
        "server_time": "",
    }


def test_a_mail_to_the_mailbox_reaches_the_authority_and_its_answer_the_outbox(demo: Demo) -> None:
    with smtplib.SMTP("127.0.0.1", _sink_port(demo), timeout=10) as smtp:
        text = "From: anna@firma.example\nTo: mk@comarch.pl\nSubject: x\n\nERP PL 0000-0000-0000-0000\n"
        smtp.sendmail("anna@firma.example", ["mk@comarch.pl"], text)
    wait_until(lambda: len([mail for mail in mails(demo) if "anna@firma.example" in mail]) >= 2, 15)


def _sink_port(demo: Demo) -> int:
    command = demo.child("licensing.serving.mail_sink").cmdline()
    return int(command[command.index("--port") + 1])


def test_a_second_serve_on_the_folder_is_refused_in_one_line(demo: Demo) -> None:
    told = manage(demo.data, "serve", "--port", "1")
    assert told.returncode == 1
    assert told.stdout == ""
    assert told.stderr == f"already_running: another serve is at work on {demo.data}\n"
    assert (demo.data / "demo.json").exists()


def test_pages_and_worker_give_way_to_lease_calls(demo: Demo) -> None:
    ours = psutil.Process().nice()
    assert all(process.nice() == ours for process in family_of(demo.child("licensing.front")))
    for name in ("licensing.serving.pages", "worker"):
        assert all(process.nice() > ours for process in family_of(demo.child(name)))


def family_of(leader: psutil.Process) -> list[psutil.Process]:
    return [leader, *leader.children(recursive=True)]


def test_a_port_that_is_taken_is_refused_in_one_line(demo: Demo, tmp_path: Path) -> None:
    told = manage(tmp_path / "var", "serve", "--port", str(demo.port))
    assert told.returncode == 1
    expected = f"port_taken: nothing can listen on 127.0.0.1 port {demo.port}; choose another by --port\n"
    assert told.stderr == expected


@pytest.mark.parametrize("host", ["300.1.1.1", "192.0.2.1", "2001:db8::1", "no such host"])
def test_a_host_that_is_none_of_this_computers_is_refused_by_its_name(tmp_path: Path, host: str) -> None:
    told = manage(tmp_path / "var", "serve", "--host", host, "--port", str(free_port()))
    assert told.returncode == 1
    assert told.stderr.startswith(f"host_unusable: {host} is no address of this computer; ")
    assert len(told.stderr.splitlines()) == 1


def test_a_demo_with_one_port_for_two_is_refused_before_anything_starts(tmp_path: Path) -> None:
    port = str(free_port())
    told = manage(tmp_path / "var", "serve", "--demo", "--port", port, "--authority-port", port)
    assert told.returncode == 1
    expected = f"ports_equal: --port and --authority-port are both {port}; choose another for one of them\n"
    assert told.stderr == expected
    assert not (tmp_path / "var").exists()


@pytest.mark.parametrize("module", ["licensing.front", "licensing.serving.pages", "worker", "authority"])
def test_a_child_that_is_killed_is_started_again(demo: Demo, module: str) -> None:
    killed = demo.child(module)
    family = family_of(killed)
    killed.kill()
    wait_until(lambda: module in " ".join(_commands(demo, killed)), 15, demo.output)
    assert not any(alive(process) for process in family)
    wait_until(lambda: _answers(demo), 30, demo.output)


def test_a_worker_that_is_signalled_from_all_sides_ends_and_is_started_again(demo: Demo) -> None:
    """django-q2's own stop hangs when the signal comes twice, or to the whole process group."""
    worker = demo.child("worker")
    family = family_of(worker)
    for _ in range(2):
        os.killpg(worker.pid, signal.SIGTERM)
        worker.send_signal(signal.SIGTERM)
    # That it ends is the point; how soon, where others use the machine too, is not.
    wait_until(lambda: not any(alive(process) for process in family), 30, demo.output)
    wait_until(lambda: "worker" in " ".join(_commands(demo, worker)), 15, demo.output)


@pytest.mark.full
def test_a_worker_that_hangs_is_ended_and_started_again(demo: Demo) -> None:
    worker = demo.child("worker")
    family = family_of(worker)
    assert len(family) == 5
    family[-1].suspend()
    family[-2].suspend()
    family[-3].suspend()
    wait_until(lambda: "worker has shown no sign of life for 180 s" in demo.output(), 260, demo.output)
    assert not any(alive(process) for process in family)


def _commands(demo: Demo, killed: psutil.Process) -> list[str]:
    children = psutil.Process(demo.process.pid).children()
    return [word for child in children if child != killed and alive(child) for word in child.cmdline()]


def _answers(demo: Demo) -> bool:
    try:
        return requests.get(f"{demo.url}/accounts/login/", timeout=2).ok
    except requests.RequestException:
        return False


def test_it_stops_within_ten_seconds_and_the_next_start_finds_everything(
    tmp_path: Path,
) -> None:
    data = tmp_path / "var"
    with Demo(data) as first:
        first.wait_until_ready()
        manage(data, "add_key", "--number", "5000006622", "--customer", "123456", "--pin", "0427")
        assert first.stop() < STOP_SECONDS
        assert first.process.returncode == 0
        assert first.left() == []
        assert not (data / "demo.json").exists()
        before = first.told
    with Demo(data) as second:
        second.wait_until_ready()
        assert second.told["admin"] == before["admin"]
        assert second.told["erp_client_token"] == before["erp_client_token"]
        assert second.told["mailbox"] == before["mailbox"]
        assert manage(data, "status").stdout.startswith("green")
        second.processes()
        second.process.kill()
        wait_until(lambda: second.left() == [], STOP_SECONDS, lambda: str(second.left()))


@pytest.mark.both_databases
def test_without_the_demo_a_token_for_the_first_run_page_is_printed(
    tmp_path: Path, machine_id_file: Path, database_url: str
) -> None:
    settings = {
        "KEYMANAGER_MACHINE_ID_FILE": str(machine_id_file),
        "KEYMANAGER_DATABASE_URL": database_url,
    }
    with Serve(tmp_path / "var", **settings) as portal:
        portal.wait_until_ready()
        assert "one-time token for the first-run page: " in portal.output()
        assert not (tmp_path / "var" / "demo.json").exists()
        made = manage(tmp_path / "var", "create_admin", stdin="a long password\n", **settings)
        assert made.stdout == "Administrator admin created.\n"
        # Ctrl+C in a terminal goes to the whole group of the foreground.
        portal.processes()
        began = time.monotonic()
        os.killpg(portal.process.pid, signal.SIGINT)
        portal.process.wait(STOP_SECONDS)
        assert time.monotonic() - began < STOP_SECONDS
        assert portal.process.returncode == 0
        assert portal.left() == []


def test_a_stop_during_the_start_leaves_nothing_behind(tmp_path: Path) -> None:
    with Demo(tmp_path / "var") as early:
        wait_until(lambda: "Preparing the database" in early.output(), what=early.output)
        assert early.stop() < STOP_SECONDS
        assert early.process.returncode == 0
        assert early.left() == []


def test_where_there_is_no_machine_id_the_start_names_the_setting(tmp_path: Path) -> None:
    told = manage(tmp_path / "var", "serve", KEYMANAGER_MACHINE_ID_FILE=str(tmp_path / "none"))
    assert told.returncode == 1
    assert told.stderr.startswith("KEYMANAGER_MACHINE_ID_FILE: found ")


def test_a_certificate_makes_the_portal_speak_tls(tmp_path: Path, machine_id_file: Path) -> None:
    authority = trustme.CA()
    issued = authority.issue_cert("localhost", "127.0.0.1")
    certificate, key, trusted = (tmp_path / name for name in ("cert.pem", "key.pem", "ca.pem"))
    issued.private_key_pem.write_to_path(key)
    issued.cert_chain_pems[0].write_to_path(certificate)
    authority.cert_pem.write_to_path(trusted)
    settings = {
        "KEYMANAGER_MACHINE_ID_FILE": str(machine_id_file),
        "KEYMANAGER_TLS_CERT": str(certificate),
        "KEYMANAGER_TLS_KEY": str(key),
    }
    with Serve(tmp_path / "var", **settings) as portal:
        portal.wait_until_ready()
        url = f"https://127.0.0.1:{portal.port}"
        assert f"ready at {url}" in portal.output()
        page = requests.get(f"{url}/accounts/login/", verify=str(trusted), timeout=10)
        assert page.status_code == 200
        assert page.headers["Strict-Transport-Security"] == "max-age=31536000"
        assert all("Secure" in cookie for cookie in page.raw.headers.getlist("Set-Cookie"))
        assert requests.get(f"{url}/livez", verify=str(trusted), timeout=10).ok
        with pytest.raises(ssl.SSLError):
            _shake_hands(portal.port, trusted, ssl.TLSVersion.TLSv1_1)
        _shake_hands(portal.port, trusted, ssl.TLSVersion.TLSv1_2)


def _shake_hands(port: int, trusted: Path, newest: ssl.TLSVersion) -> None:
    context = ssl.create_default_context(cafile=str(trusted))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, newest
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
        context.wrap_socket(plain, server_hostname="127.0.0.1").close()


def test_a_database_that_cannot_be_reached_is_told_in_one_line_without_its_password(tmp_path: Path) -> None:
    url = f"postgres://portal:geheim@127.0.0.1:{free_port()}/portal"
    told = manage(tmp_path / "var", "status", KEYMANAGER_DATABASE_URL=url)
    assert (told.returncode, told.stdout) == (1, "")
    assert told.stderr.startswith("unavailable: ")
    assert len(told.stderr.splitlines()) == 1
    assert "geheim" not in told.stderr
