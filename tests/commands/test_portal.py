"""Commands about the portal itself."""

import dataclasses
import errno
import json
import re
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.core.management.base import CommandError

from licensing.management.portal_command import language
from licensing.models import Configuration, ErpClient, Installation, Lease, Role, Seat, User
from licensing.operations.actors import COMMAND
from licensing.operations.clients import token_sha256
from licensing.operations.users import create_user
from licensing.serving.data_folder import file_unusable
from licensing.serving.ports import free_port
from tests.commands.conftest import Ran
from tests.factories import KEY, NOW, Portal, make_client, module, take
from tests.portal_process import manage
from tests.vendor_link import Link

Command = Callable[..., Ran]


def now() -> datetime:
    return datetime.now(UTC)


def test_a_token_stands_alone_on_the_last_line(portal: Portal, command: Command) -> None:
    ran = command("add_erp_client", "ERP Optima", "--network", "10.0.0.0/8")
    token = ran.lines[-1]
    assert re.fullmatch(r"km_[A-Za-z0-9_-]{40,}", token)
    client = ErpClient.objects.get(name="ERP Optima")
    assert (client.token_sha256, client.networks) == (token_sha256(token), ["10.0.0.0/8"])


def test_a_second_client_of_the_name_is_refused(portal: Portal, command: Command) -> None:
    command("add_erp_client", "ERP")
    ran = command("add_erp_client", "ERP")
    assert (ran.out, ran.status) == ("", 1)
    assert ran.err.startswith("name_taken: ")


@pytest.fixture
def leases(portal: Portal) -> list[Lease]:
    """Two leases of Anna's and one of Jan's."""
    portal.accept(KEY, [module("HANDEL", 5)], now())
    client = make_client()
    seats = [("anna", "PC-1"), ("anna", "PC-2"), ("jan", "PC-2")]
    held = [take(client, "HANDEL", now=now(), user=user, workstation=pc) for user, pc in seats]
    return [Lease.objects.get(id=lease.id) for lease in held]


@pytest.mark.parametrize(
    ("option", "value", "released"),
    [("--user", "anna", [0, 1]), ("--user", " anna ", [0, 1]), ("--workstation", "PC-2", [1, 2])],
)
def test_release_ends_the_leases_asked_for(
    leases: list[Lease], command: Command, option: str, value: str, released: list[int]
) -> None:
    assert command("release", option, value) == Ran(f"Leases released: {len(released)}\n", "", 0)
    for number, lease in enumerate(leases):
        lease.refresh_from_db()
        assert lease.ended_reason == ("released_by_admin" if number in released else "")


def test_release_ends_one_lease(leases: list[Lease], command: Command) -> None:
    assert command("release", "--lease", str(leases[0].id)).out == "Leases released: 1\n"
    again = command("release", "--lease", str(leases[0].id))
    assert (again.out, again.status) == ("", 1)
    assert again.err.startswith("lease_not_found: ")


def test_release_of_nobody_releases_nothing(leases: list[Lease], command: Command) -> None:
    assert command("release", "--user", "ewa") == Ran("Leases released: 0\n", "", 0)


@pytest.mark.parametrize("arguments", [[], ["--user", "anna", "--workstation", "PC-1"], ["--lease", "x"]])
def test_release_needs_to_be_told_which(portal: Portal, command: Command, arguments: list[str]) -> None:
    with pytest.raises(CommandError):
        command("release", *arguments)


def test_check_invariants_finds_nothing_in_a_sound_portal(leases: list[Lease], command: Command) -> None:
    ran = command("check_invariants")
    assert (ran.status, ran.err) == (0, "")


def test_check_invariants_prints_what_is_wrong(leases: list[Lease], command: Command) -> None:
    Seat.objects.filter(lease=leases[0]).delete()
    ran = command("check_invariants")
    assert ran.status == 1
    assert str(leases[0].id) in ran.out
    assert re.fullmatch(r"invariants_broken: \d+ findings?\n", ran.err)


def test_create_admin_takes_the_password_from_standard_input(portal: Portal, command: Command) -> None:
    ran = command(
        "create_admin", "--username", "ewa", "--email", "ewa@firma.example", stdin="long enough 1\n"
    )
    assert ran == Ran("Administrator ewa created.\n", "", 0)
    user = User.objects.get(username="ewa")
    assert (user.role, user.email) == (Role.ADMINISTRATOR, "ewa@firma.example")
    assert user.check_password("long enough 1")


def test_create_admin_makes_a_password_where_none_is_given(portal: Portal, command: Command) -> None:
    ran = command("create_admin")
    assert User.objects.get(username="admin").check_password(ran.lines[-1])


def test_create_admin_refuses_a_weak_password_and_a_taken_name(portal: Portal, command: Command) -> None:
    assert command("create_admin", stdin="short\n").err.startswith("validation_failed: ")
    command("create_admin", stdin="long enough 1\n")
    assert command("create_admin", stdin="long enough 1\n").err.startswith("username_taken: ")


def test_new_installation_asks_for_the_words(portal: Portal, command: Command) -> None:
    before = Installation.objects.get().thumbprint
    for typed in ("", "yes\n"):
        ran = command("new_installation", stdin=typed)
        assert (ran.status, ran.err) == (1, "not_confirmed: Nothing was changed.\n")
    assert Installation.objects.get().thumbprint == before
    assert command("new_installation", stdin="New installation\n").status == 0
    assert Installation.objects.get().thumbprint != before


@pytest.mark.parametrize(
    ("host", "cause"), [("127.0.0.1", "Connection refused"), ("no.such.host.invalid", "no.such.host.invalid")]
)
def test_a_database_that_cannot_be_reached_is_told_with_its_setting_and_cause(
    tmp_path: Path, host: str, cause: str
) -> None:
    url = f"postgres://user:geheim@{host}:{free_port()}/km"
    told = manage(tmp_path / "var", "status", KEYMANAGER_DATABASE_URL=url)
    assert told.returncode == 1
    (line,) = told.stderr.splitlines()
    assert line.startswith("unavailable: KEYMANAGER_DATABASE_URL: ")
    assert cause in line
    assert "geheim" not in line


def test_a_file_that_cannot_be_written_is_told_in_one_line(
    portal: Portal, command: Command, settings: Any, tmp_path: Path
) -> None:
    settings.KEYMANAGER = dataclasses.replace(settings.KEYMANAGER, data=tmp_path)
    (tmp_path / "packs").touch()
    assert command("pack_logs") == Ran("", f"file_unusable: {tmp_path / 'packs'}: File exists\n", 1)


def test_a_full_disk_names_the_data_folder(tmp_path: Path) -> None:
    full = OSError(errno.ENOSPC, "No space left on device")
    assert str(file_unusable(full, tmp_path)) == f"file_unusable: {tmp_path}: No space left on device"


def test_a_start_that_cannot_write_a_file_tells_it_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "serve.lock").mkdir()
    told = manage(tmp_path, "serve", "--port", str(free_port()))
    assert (told.returncode, told.stdout) == (1, "")
    assert told.stderr == f"file_unusable: {tmp_path / 'serve.lock'}: Is a directory\n"


def test_a_lost_key_file_is_told_and_healed_by_a_new_installation(
    portal: Portal, command: Command, settings: Any, tmp_path: Path
) -> None:
    Configuration.objects.filter(pk=1).update(proxy_password="geheim")
    lost = dataclasses.replace(settings.KEYMANAGER, key_file=tmp_path / "lost.key")
    settings.KEYMANAGER = lost
    assert command("new_installation", stdin="new installation\n").status == 0
    assert (tmp_path / "lost.key").stat().st_mode & 0o777 == 0o600
    assert Configuration.objects.get().proxy_password is None


@pytest.mark.parametrize(("content", "code"), [(None, "key_file_missing"), ("x" * 44, "key_file_wrong")])
def test_status_tells_of_the_key_file_without_which_no_key_seems_active(
    portal: Portal, command: Command, settings: Any, tmp_path: Path, content: str | None, code: str
) -> None:
    portal.accept(KEY, [module("HANDEL", 5)], now())
    other = tmp_path / "other.key"
    if content is not None:
        other.write_text(content)
    settings.KEYMANAGER = dataclasses.replace(settings.KEYMANAGER, key_file=other)
    ran = command("status", "--json")
    assert (ran.out, ran.status) == ("", 1)
    assert ran.err.startswith(f"{code}: KEYMANAGER_KEY_FILE: ")


def test_a_new_installation_tells_whose_second_factors_are_gone(
    portal: Portal, command: Command, settings: Any, tmp_path: Path
) -> None:
    from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret

    ewa = create_user(NOW, COMMAND, "ewa", "a good long password", Role.VIEWER)
    TOTP.activate(ewa, generate_totp_secret())
    settings.KEYMANAGER = dataclasses.replace(settings.KEYMANAGER, key_file=tmp_path / "lost.key")
    ran = command("new_installation", stdin="new installation\n")
    assert (ran.status, ran.lines[-1].endswith("may set up others: ewa.")) == (0, True)


def test_packed_logs_hold_everything_but_secrets(
    link: Link, command: Command, settings: Any, tmp_path: Path
) -> None:
    command("add_key", "--number", "5000006622", "--customer", "123456", "--pin", "0427")
    Configuration.objects.filter(pk=1).update(proxy_password="kanarek-1", smtp_password="kanarek-2")
    logs = settings.KEYMANAGER.data / "logs"
    logs.mkdir(exist_ok=True)
    (logs / "keymanager.log").write_text("a line\n")
    ran = command("pack_logs", "--to", str(tmp_path / "pack.zip"))
    assert ran.lines[-1] == f"Logs packed into {tmp_path / 'pack.zip'}."
    with zipfile.ZipFile(tmp_path / "pack.zip") as archive:
        parts = {name: archive.read(name).decode() for name in archive.namelist()}
    assert parts["logs/keymanager.log"] == "a line\n"
    assert json.loads(parts["versions.json"])["packages"]["Django"].startswith("5.2")
    assert json.loads(parts["configuration.json"])["proxy_password"] == "(stored)"
    assert json.loads(parts["contacts.json"])[0]["outcome"] == "ok"
    assert "licensing.0001_initial" in json.loads(parts["schema.json"])["migrations"]
    everything = "".join(parts.values())
    assert not any(secret in everything for secret in ("kanarek-1", "kanarek-2", "0427"))


def test_packed_logs_are_kept_in_the_data_folder(portal: Portal, command: Command) -> None:
    path = Path(command("pack_logs").lines[-1].removeprefix("Logs packed into ").removesuffix("."))
    assert path.parent.name == "packs"
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_polish_shell_is_spoken_to_in_polish(
    portal: Portal, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "pl_PL.UTF-8")
    assert command("offline_challenge").err.startswith("no_pack: ")
    portal.accept(KEY, [module("HANDEL", 5)], now())
    monkeypatch.setenv("LC_ALL", "")
    monkeypatch.setenv("LC_MESSAGES", "")
    monkeypatch.setenv("LANG", "pl_PL")
    assert language() == "pl"
