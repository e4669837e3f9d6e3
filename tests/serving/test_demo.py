"""What the demo is made of."""

import dataclasses
import json
import os
import smtplib
import stat
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from email import message_from_bytes, policy
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from keymanager import deployment
from licensing.models import Configuration, ErpClient, Installation, Role, User
from licensing.operations.configuration import change_configuration
from licensing.operations.errors import Refused
from licensing.operations.users import create_user
from licensing.serving import demo as demos
from licensing.serving import demo_portal
from licensing.serving.data_folder import forget_ready, is_served, lock
from licensing.serving.demo_keys import demo_keys, make_missing
from licensing.serving.demo_settings import (
    MAILBOX,
    Demo,
    change_environment_file,
    keep,
    make_machine_id,
    open_demo,
)
from licensing.serving.ports import free_port
from licensing.serving.supervisor import Child, Supervisor
from tests.authority_process import RunningAuthority, running_authority
from tests.portal_process import wait_until
from tests.smtp import MailBox, smtp_server

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)


def test_the_keys_are_those_of_the_contract() -> None:
    keys = {key["number"]: key for key in demo_keys(date(2026, 11, 24))}
    seats = {
        number: {module["code"]: module["seats"] for module in key["modules"]} for number, key in keys.items()
    }
    assert seats == {
        "5000006622": {"HANDEL": 5, "KASA": 5, "FAKTURY": 3, "CRM": 1, "SRODKI_TRWALE": None},
        "5000006623": {"HANDEL": 2, "KADRY": 2},
        "5000006624": {"BI": 1},
    }
    assert {module["warranty_until"] for module in keys["5000006622"]["modules"]} == {"2027-11-24"}
    assert {module["warranty_until"] for module in keys["5000006623"]["modules"]} == {"2026-10-25"}
    assert keys["5000006624"]["modules"][0]["expires_on"] == "2026-11-23"


def test_keys_that_are_there_stay_as_they_are(tmp_path: Path) -> None:
    with running_authority(tmp_path) as authority:
        authority.add_key("5000006622", pin="9999")
        make_missing(authority.url, demo_keys(date(2026, 11, 24)))
        keys = authority.request("GET", "/_control/state").json()["keys"]
        assert {key["number"] for key in keys} == {"5000006622", "5000006623", "5000006624"}


def test_the_next_start_begins_from_what_was_kept(tmp_path: Path) -> None:
    first = open_demo(tmp_path, 9400)
    keep(first)
    assert open_demo(tmp_path, 9400) == first
    assert stat.S_IMODE((tmp_path / "demo-state.json").stat().st_mode) == 0o600
    assert first.password not in repr(first)


def test_a_port_that_is_taken_meanwhile_is_replaced(tmp_path: Path) -> None:
    first = open_demo(tmp_path, 9400)
    keep(first)
    with smtp_server() as other:
        state = json.loads((tmp_path / "demo-state.json").read_text())
        (tmp_path / "demo-state.json").write_text(json.dumps(state | {"sink_port": other.port}))
        assert open_demo(tmp_path, 9400).sink_port != other.port


def test_the_environment_file_keeps_the_lines_of_others(tmp_path: Path) -> None:
    path = tmp_path / "keymanager.env"
    path.write_text("# ours\nKEYMANAGER_TIME_ZONE=Europe/Paris\nexport KEYMANAGER_AUTHORITY_URL=old\n")
    change_environment_file(path, {"KEYMANAGER_AUTHORITY_URL": "new"})
    assert path.read_text() == "# ours\nKEYMANAGER_TIME_ZONE=Europe/Paris\nKEYMANAGER_AUTHORITY_URL=new\n"


def test_a_machine_id_is_made_once(tmp_path: Path) -> None:
    make_machine_id(tmp_path / "machine-id")
    first = (tmp_path / "machine-id").read_text()
    make_machine_id(tmp_path / "machine-id")
    assert (tmp_path / "machine-id").read_text() == first
    assert len(first.strip()) == 32


@pytest.fixture
def authority(tmp_path: Path) -> Iterator[RunningAuthority]:
    with running_authority(tmp_path) as running:
        yield running


@pytest.fixture
def demo(portal: object, tmp_path: Path, authority: RunningAuthority) -> Demo:
    return open_demo(tmp_path, int(authority.url.rpartition(":")[2]))


def test_a_demo_is_furnished_once(demo: Demo) -> None:
    first = demo_portal.furnish(demo, NOW)
    assert User.objects.get(username="admin").check_password(first.password)
    assert demo_portal.furnish(open_demo(demo.folder, demo.authority_port), NOW) == first
    assert (User.objects.count(), ErpClient.objects.count()) == (1, 1)


def test_names_that_are_taken_are_left_to_their_owners(demo: Demo) -> None:
    create_user(NOW, demo_portal.DEMO, "admin", "a long password", Role.ADMINISTRATOR)
    assert demo_portal.furnish(demo, NOW).username == "admin-2"
    assert User.objects.get(username="admin").check_password("a long password")


def test_a_demo_starts_while_portal_time_is_unknown(demo: Demo, settings: Any) -> None:
    keep(demo)
    settings.KEYMANAGER = dataclasses.replace(settings.KEYMANAGER, data=demo.folder)
    settings.STATIC_ROOT = demo.folder / "static"
    Installation.objects.update(clock_offset="edited")
    umask = os.umask(0o077)
    try:
        call_command("prepare", "--demo", stdout=StringIO())
    finally:
        os.umask(umask)
    assert User.objects.filter(username="admin").exists()


def test_mails_go_to_the_sink(demo: Demo) -> None:
    demo_portal.furnish(demo, NOW)
    row = Configuration.objects.get()
    assert (row.smtp_host, row.smtp_port, row.smtp_security) == ("127.0.0.1", demo.sink_port, "none")
    assert row.admin_email


def test_a_mail_server_that_an_administrator_chose_stays(demo: Demo) -> None:
    change_configuration(NOW, demo_portal.DEMO, smtp_host="mail.example", mail_sender="km@firma.example")
    demo_portal.furnish(demo, NOW)
    assert Configuration.objects.get().smtp_host == "mail.example"


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[tuple[int, Path, MailBox]]:
    """A running mail sink: its port, its outbox, and the mailbox that it passes mails on to."""
    port, outbox = free_port(), tmp_path / "outbox"
    with smtp_server() as mailbox:
        demo = Demo(tmp_path, 1, mailbox.port, port)
        run = (sys.executable, "-m", "licensing.serving.child")
        child = demos.children(demo, run)[0]
        supervisor = Supervisor(print, tmp_path / "logs")
        supervisor.start(Child(child.name, child.command))
        wait_until(lambda: _listens(port), 20)
        yield port, outbox, mailbox
        supervisor.end()


def _listens(port: int) -> bool:
    try:
        smtplib.SMTP("127.0.0.1", port, timeout=2).close()
    except OSError:
        return False
    return True


def send(port: int, recipient: str, subject: str) -> None:
    with smtplib.SMTP("127.0.0.1", port, timeout=10) as smtp:
        text = f"From: a@b.example\r\nTo: {recipient}\r\nSubject: {subject}\r\n\r\nzażółć\r\n"
        smtp.sendmail("a@b.example", [recipient], text.encode())


def subjects(outbox: Path) -> list[str]:
    """The subjects of the mails in a folder."""
    mails = [message_from_bytes(path.read_bytes(), policy=policy.default) for path in outbox.glob("*.eml")]
    return sorted(str(mail["Subject"]) for mail in mails)


def test_every_mail_is_written_to_the_outbox_before_it_is_acknowledged(
    sink: tuple[int, Path, MailBox],
) -> None:
    port, outbox, mailbox = sink
    for number in range(3):
        send(port, "ewa@firma.example", f"mail {number}")
        mails = [
            message_from_bytes(path.read_bytes(), policy=policy.default) for path in outbox.glob("*.eml")
        ]
        assert sorted(mail["Subject"] for mail in mails) == [f"mail {n}" for n in range(number + 1)]
    assert mailbox.mails == []


def test_a_mail_to_the_mailbox_is_passed_on_too(sink: tuple[int, Path, MailBox]) -> None:
    port, outbox, mailbox = sink
    send(port, MAILBOX.upper(), "ERP")
    wait_until(lambda: [mail["Subject"] for mail in mailbox.mails] == ["ERP"], 10)
    assert len(list(outbox.glob("*.eml"))) == 1


def test_a_folder_is_served_once(tmp_path: Path) -> None:
    assert not is_served(tmp_path)
    with lock(tmp_path):
        assert is_served(tmp_path)
        with pytest.raises(Refused, match="already_running"):
            lock(tmp_path)
    assert not is_served(tmp_path)


def test_an_old_word_of_readiness_is_taken_back_unless_its_serve_lives(tmp_path: Path) -> None:
    ready = tmp_path / "demo.json"
    ready.write_text("{}")
    with lock(tmp_path):
        forget_ready(tmp_path)
        assert ready.exists()
    forget_ready(tmp_path)
    assert not ready.exists()
    forget_ready(tmp_path / "no folder")


def test_where_the_host_has_no_machine_id_one_is_made_in_the_data_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KEYMANAGER_MACHINE_ID_FILE")
    monkeypatch.setenv("KEYMANAGER_DATA", str(tmp_path))
    host = tmp_path / "etc-machine-id"
    monkeypatch.setattr(deployment, "MACHINE_ID", str(host))
    demo = open_demo(tmp_path, 9400)
    host.write_text("0123456789abcdef\n")
    demos.give_machine_id(demo)
    assert deployment.read().machine_id_file == host
    host.write_text("\n")
    demos.give_machine_id(demo)
    assert deployment.read().machine_id_file == tmp_path / "machine-id"
    before = (tmp_path / "machine-id").read_text()
    demos.give_machine_id(demo)
    assert (tmp_path / "machine-id").read_text() == before
