"""The installation: made once at the first start, sealed by its key file, begun anew when that is lost."""

import dataclasses
import stat
import threading
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.db import connection

from licensing.models import (
    Configuration,
    ContactState,
    Event,
    HeldCodePack,
    Installation,
    OpenRequest,
    Role,
    VirtualKey,
)
from licensing.models.sealed import SealBroken
from licensing.operations.actors import Actor
from licensing.operations.entitlements import entitlements
from licensing.operations.errors import Refused
from licensing.operations.installation import (
    bump_version,
    ensure_installation,
    installation_key,
    new_installation,
)
from licensing.operations.keys import add_key
from licensing.operations.machine import installation_name, machine
from licensing.protocol.keys import machine_id_digest
from tests.factories import KEY, NOW, Portal, make_client, module, take

ADMIN = Actor("anna", Role.ADMINISTRATOR)


@pytest.fixture
def folder(db: None, settings: Any, tmp_path: Path) -> Path:
    """An empty data folder with a machine id: a portal before its first start."""
    path = tmp_path / "machine-id"
    path.write_text("fedcba9876543210fedcba9876543210\n")
    settings.KEYMANAGER = dataclasses.replace(
        settings.KEYMANAGER, key_file=tmp_path / "data" / "keymanager.key", machine_id_file=path
    )
    return tmp_path


def use(settings: Any, **changes: Any) -> None:
    settings.KEYMANAGER = dataclasses.replace(settings.KEYMANAGER, **changes)


def refusal(call: Any, *args: Any) -> Refused:
    with pytest.raises(Refused) as refused:
        call(*args)
    return refused.value


def test_the_first_start_makes_key_file_key_pair_and_rows(folder: Path) -> None:
    ensure_installation(NOW)
    installation = Installation.objects.get()
    assert installation.thumbprint == installation_key().id
    assert machine() == machine_id_digest("fedcba9876543210fedcba9876543210")
    assert (Configuration.objects.count(), ContactState.objects.count()) == (1, 1)
    assert Event.objects.get().kind == "installation_made"


def test_the_key_file_is_readable_by_its_owner_alone(folder: Path) -> None:
    ensure_installation(NOW)
    path = folder / "data" / "keymanager.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["keymanager.key"]


def test_a_key_file_that_is_there_already_is_used(folder: Path) -> None:
    path = folder / "data" / "keymanager.key"
    path.parent.mkdir()
    path.write_bytes(Fernet.generate_key())
    before = path.read_bytes()
    ensure_installation(NOW)
    assert path.read_bytes() == before


def test_the_key_file_may_be_on_a_file_system_without_links(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(source: object, target: object) -> None:
        raise PermissionError

    monkeypatch.setattr("os.link", no_links)
    ensure_installation(NOW)
    assert (folder / "data" / "keymanager.key").is_file()


def test_every_later_start_changes_nothing(folder: Path) -> None:
    ensure_installation(NOW)
    before = Installation.objects.get().thumbprint
    ensure_installation(NOW)
    assert Installation.objects.get().thumbprint == before
    assert Event.objects.count() == 1


def test_the_private_key_is_sealed(folder: Path) -> None:
    ensure_installation(NOW)
    with connection.cursor() as cursor:
        cursor.execute("SELECT private_key FROM licensing_installation")
        sealed = cursor.fetchone()[0]
    assert '"d"' not in sealed
    assert installation_key().to_json() not in sealed


def test_a_missing_key_file_stops_the_start_and_is_not_made_anew(folder: Path) -> None:
    ensure_installation(NOW)
    path = folder / "data" / "keymanager.key"
    path.unlink()
    refused = refusal(ensure_installation, NOW)
    assert refused.code == "key_file_missing"
    assert "KEYMANAGER_KEY_FILE" in str(refused.detail)
    assert "\n" not in str(refused.detail)
    assert not path.exists()


@pytest.mark.parametrize(
    "content", [Fernet.generate_key(), b"no key", b""], ids=["another key", "no key", "nothing"]
)
def test_a_wrong_key_file_stops_the_start(folder: Path, settings: Any, content: bytes) -> None:
    ensure_installation(NOW)
    other = folder / "other.key"
    other.write_bytes(content)
    use(settings, key_file=other)
    refused = refusal(ensure_installation, NOW)
    assert refused.code == "key_file_wrong"
    assert "KEYMANAGER_KEY_FILE" in str(refused.detail)


def test_a_key_file_that_is_no_key_file_stops_the_first_start(folder: Path) -> None:
    path = folder / "data" / "keymanager.key"
    path.parent.mkdir()
    path.write_text("no key")
    assert refusal(ensure_installation, NOW).code == "key_file_wrong"
    assert not Installation.objects.exists()


def test_an_id_edited_by_hand_stops_the_start(folder: Path) -> None:
    ensure_installation(NOW)
    Installation.objects.update(thumbprint="A" * 43)
    assert refusal(ensure_installation, NOW).code == "key_file_wrong"


@pytest.mark.parametrize("content", [None, "", " \n"])
def test_a_missing_machine_id_stops_the_start_and_names_the_setting(
    folder: Path, settings: Any, content: str | None
) -> None:
    path = folder / "no-machine-id"
    if content is not None:
        path.write_text(content)
    use(settings, machine_id_file=path)
    refused = refusal(ensure_installation, NOW)
    assert refused.code == "machine_id_missing"
    assert "KEYMANAGER_MACHINE_ID_FILE" in str(refused.detail)
    assert not Installation.objects.exists()


def test_a_clustered_installation_reports_its_clusters_name(folder: Path) -> None:
    ensure_installation(NOW)
    Configuration.objects.update(clustered=True, cluster_name=" Sql-Klaster ")
    assert machine() == "cluster:SQL-KLASTER"
    assert installation_name() == "Sql-Klaster"
    Configuration.objects.update(clustered=False)
    assert machine().startswith("sha256:")


def test_the_installations_name_is_the_hosts_without_strange_characters(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "SRV\n" + "x" * 100)
    assert installation_name() == ("SRV" + "x" * 100)[:64]
    monkeypatch.setattr("socket.gethostname", lambda: "\n")
    assert installation_name() == "key-manager"


def test_the_version_rises(folder: Path) -> None:
    ensure_installation(NOW)
    bump_version()
    bump_version()
    assert Installation.objects.get().version == 2


@pytest.mark.django_db(transaction=True)
def test_two_processes_that_start_at_once_make_one_installation(folder: Path) -> None:
    errors: list[Exception] = []

    def start() -> None:
        try:
            ensure_installation(NOW)
        except Exception as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=start) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert Installation.objects.get().thumbprint == installation_key().id
    assert Event.objects.filter(kind="installation_made").count() == 1


# --- after a lost key file -------------------------------------------------------------------------------


def test_a_new_installation_begins_without_the_old_secrets(
    portal: Portal, settings: Any, tmp_path: Path
) -> None:
    portal.accept(KEY, [module()])
    add_key(NOW, ADMIN, "5000006623", "123456", "1111")
    client = make_client()
    take(client)
    Configuration.objects.update(proxy_password="geheim", smtp_password="geheim")
    OpenRequest.objects.create(request_id="0" * 32, jws="x", made_at=NOW)
    HeldCodePack.objects.create(pack=3, jws="x", received_at=NOW)
    use(settings, key_file=tmp_path / "new.key")
    new_installation(NOW, ADMIN)
    ensure_installation(NOW)
    assert Installation.objects.get().thumbprint != portal.installation
    assert {key.state for key in VirtualKey.objects.all()} == {"inactive"}
    assert not VirtualKey.objects.filter(pin__isnull=False).exists()
    assert entitlements() == {}
    assert client.leases.get().ended_reason == "key_inactive"
    assert not OpenRequest.objects.exists()
    assert not HeldCodePack.objects.exists()
    assert Configuration.objects.get().proxy_password is None


def test_version_goes_on_where_an_installation_begins_anew(portal: Portal) -> None:
    portal.accept(KEY, [module()])
    before = Installation.objects.get().version
    new_installation(NOW, ADMIN)
    assert Installation.objects.get().version > before


def test_only_an_administrator_begins_anew(portal: Portal) -> None:
    assert refusal(new_installation, NOW, Actor("olga", Role.OPERATOR)).code == "not_permitted"


def test_what_was_sealed_with_another_key_file_does_not_open(
    portal: Portal, settings: Any, tmp_path: Path
) -> None:
    Configuration.objects.update(proxy_password="geheim")
    other = tmp_path / "other.key"
    other.write_bytes(Fernet.generate_key())
    use(settings, key_file=other)
    with pytest.raises(SealBroken):
        Configuration.objects.get()
