"""A bad deployment setting stops the start with one line: its name, what was found, what is expected."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trustme

from keymanager import deployment, settings
from keymanager.wrong import WrongSetting
from tests.portal_process import manage


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data folder, and an environment without settings."""
    for name in (*deployment.NAMES, "KEYMANAGER_DATA"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "data"
    folder.mkdir()
    monkeypatch.setenv("KEYMANAGER_DATA", str(folder))
    return folder


def write(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


BAD: list[tuple[str, str | Callable[[Path], str]]] = [
    ("KEYMANAGER_DATABASE_URL", "mysql://root:geheim@db/portal"),
    ("KEYMANAGER_DATABASE_URL", "postgres://"),
    ("KEYMANAGER_DATABASE_URL", "postgres://user:geheim@db:99999/portal"),
    ("KEYMANAGER_DATABASE_URL", "postgres://user:geheim@db:x/portal"),
    ("KEYMANAGER_DATABASE_URL", "sqlite://"),
    ("KEYMANAGER_DATABASE_URL", "sqlite:////no/such/folder/x.sqlite3"),
    ("KEYMANAGER_DATABASE_URL", lambda folder: f"sqlite:///{folder}"),
    ("KEYMANAGER_DATABASE_URL", "keymanager.sqlite3"),
    ("KEYMANAGER_KEY_FILE", "/no/such/folder/key"),
    ("KEYMANAGER_KEY_FILE", str),
    ("KEYMANAGER_AUTHORITY_URL", "licences.example"),
    ("KEYMANAGER_AUTHORITY_URL", "ftp://licences.example"),
    ("KEYMANAGER_AUTHORITY_URL", "http://licences.example"),
    ("KEYMANAGER_AUTHORITY_URL", "https://licences.example:0"),
    ("KEYMANAGER_AUTHORITY_URL", "https://licences.example:port"),
    ("KEYMANAGER_AUTHORITY_URL", "https://name:geheim@licences.example"),
    ("KEYMANAGER_AUTHORITY_URL", "https://licences.example/?a=b"),
    ("KEYMANAGER_AUTHORITY_URL", "https://two words.example"),
    ("KEYMANAGER_AUTHORITY_JWKS", "/no/such/file"),
    ("KEYMANAGER_AUTHORITY_JWKS", lambda folder: write(folder / "jwks", "no JSON")),
    ("KEYMANAGER_AUTHORITY_JWKS", lambda folder: write(folder / "jwks", '{"keys": 3}')),
    ("KEYMANAGER_CA_FILE", "/no/such/file"),
    ("KEYMANAGER_CA_FILE", lambda folder: write(folder / "ca.pem", "no certificate")),
    ("KEYMANAGER_ALLOWED_HOSTS", "portal.example:8000"),
    ("KEYMANAGER_ALLOWED_HOSTS", "portal.example, http://other"),
    ("KEYMANAGER_ALLOWED_HOSTS", "two words"),
    ("KEYMANAGER_TLS_CERT", "/no/such/file"),
    ("KEYMANAGER_TLS_KEY", "/no/such/file"),
    ("KEYMANAGER_MACHINE_ID_FILE", "/no/such/file"),
    ("KEYMANAGER_MACHINE_ID_FILE", lambda folder: write(folder / "machine-id", " \n")),
    ("KEYMANAGER_TIME_ZONE", "Europe/Atlantis"),
    ("KEYMANAGER_TIME_ZONE", "../../etc/passwd"),
]


@pytest.mark.parametrize(("name", "value"), BAD)
def test_a_bad_value_is_told_in_one_line(
    data: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str | Callable[[Path], str]
) -> None:
    monkeypatch.setenv(name, value if isinstance(value, str) else value(data))
    with pytest.raises(WrongSetting) as error:
        deployment.read()
    told = str(error.value)
    assert told.startswith(f"{name}: found ")
    assert ", expected " in told
    assert "\n" not in told
    assert "geheim" not in told


def test_the_environment_beats_the_file(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(data / "keymanager.env", "KEYMANAGER_TIME_ZONE=Europe/Paris\nKEYMANAGER_ALLOWED_HOSTS=a.example\n")
    monkeypatch.setenv("KEYMANAGER_TIME_ZONE", "Europe/Berlin")
    read = deployment.read()
    assert read.time_zone == "Europe/Berlin"
    assert read.allowed_hosts[0] == "a.example"


def test_reading_the_file_leaves_the_environment_alone(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(data / "keymanager.env", "KEYMANAGER_TIME_ZONE=Europe/Paris\n")
    assert deployment.read().time_zone == "Europe/Paris"
    write(data / "keymanager.env", "KEYMANAGER_TIME_ZONE=Europe/Berlin\n")
    assert deployment.read().time_zone == "Europe/Berlin"


def test_the_file_may_have_comments_quotes_and_a_byte_order_mark(data: Path) -> None:
    text = '\ufeff# ours\n\nexport KEYMANAGER_TIME_ZONE="Europe/Paris"\nOTHER=1\n'
    (data / "keymanager.env").write_text(text, encoding="utf-8")
    assert deployment.read().time_zone == "Europe/Paris"


def test_an_empty_value_is_no_value(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(data / "keymanager.env", "KEYMANAGER_TIME_ZONE=Europe/Paris\n")
    monkeypatch.setenv("KEYMANAGER_TIME_ZONE", " ")
    assert deployment.read().time_zone == "Europe/Paris"


def test_a_path_in_the_file_is_taken_from_the_data_folder(data: Path) -> None:
    write(data / "id", "0123456789abcdef\n")
    write(data / "keymanager.env", "KEYMANAGER_MACHINE_ID_FILE=id\nKEYMANAGER_KEY_FILE=secret.key\n")
    read = deployment.read()
    assert read.machine_id_file == data / "id"
    assert read.key_file == data / "secret.key"


@pytest.mark.parametrize("line", ["no setting", "KEYMANAGER_TIMEZONE=geheim", "=geheim"])
def test_a_line_of_the_file_that_sets_nothing_is_told_by_its_number(data: Path, line: str) -> None:
    write(data / "keymanager.env", f"# first\n{line}\n")
    with pytest.raises(WrongSetting, match=r"^keymanager.env: found 'line 2', expected NAME=VALUE") as error:
        deployment.read()
    assert "geheim" not in str(error.value)


def test_a_file_that_is_no_text_is_told(data: Path) -> None:
    (data / "keymanager.env").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(WrongSetting, match=r"^keymanager.env: found "):
        deployment.read()


@pytest.mark.parametrize("value", ["", "  "])
def test_a_data_folder_without_a_name_is_told(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("KEYMANAGER_DATA", value)
    with pytest.raises(WrongSetting, match=r"^KEYMANAGER_DATA: found "):
        deployment.read()


def test_a_data_folder_that_is_a_file_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEYMANAGER_DATA", write(tmp_path / "file", ""))
    with pytest.raises(WrongSetting, match=r"^KEYMANAGER_DATA: found "):
        deployment.read()


def test_half_a_tls_pair_names_the_other_half(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEYMANAGER_TLS_CERT", write(data / "cert.pem", ""))
    with pytest.raises(WrongSetting, match=r"^KEYMANAGER_TLS_KEY: found '', expected a file"):
        deployment.read()


def test_a_tls_pair_must_fit(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = trustme.CA()
    mine, other = authority.issue_cert("portal.example"), authority.issue_cert("other.example")
    certificate, key = data / "cert.pem", data / "key.pem"
    mine.cert_chain_pems[0].write_to_path(certificate)
    mine.private_key_pem.write_to_path(key)
    monkeypatch.setenv("KEYMANAGER_TLS_CERT", str(certificate))
    monkeypatch.setenv("KEYMANAGER_TLS_KEY", str(key))
    assert deployment.read().tls
    other.private_key_pem.write_to_path(key)
    with pytest.raises(WrongSetting, match=r"^KEYMANAGER_TLS_CERT: found .*, expected a PEM certificate"):
        deployment.read()


def test_loopback_needs_no_tls_to_the_authority(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEYMANAGER_AUTHORITY_URL", "http://127.0.0.1:9400/")
    assert deployment.read().authority_url == "http://127.0.0.1:9400"


def test_the_password_of_the_database_is_in_no_repr(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEYMANAGER_DATABASE_URL", "postgres://user:geheim@db/portal")
    assert "geheim" not in repr(deployment.read())


def test_a_data_folder_may_have_any_name(tmp_path: Path) -> None:
    folder = "a b#c%20d+e?ąę"
    machine_id = write(tmp_path / "machine-id", "0123456789abcdef\n")
    told = manage(tmp_path / folder, "status", KEYMANAGER_MACHINE_ID_FILE=machine_id)
    assert (told.returncode, told.stderr) == (0, "")
    assert (tmp_path / folder / "keymanager.sqlite3").is_file()


@pytest.mark.parametrize("command", ["serve", "status"])
def test_every_command_stops_at_a_bad_setting_without_a_traceback(tmp_path: Path, command: str) -> None:
    told = manage(tmp_path, command, KEYMANAGER_TIME_ZONE="Europe/Atlantis")
    expected = "KEYMANAGER_TIME_ZONE: found 'Europe/Atlantis', expected a name such as Europe/Warsaw\n"
    assert (told.returncode, told.stdout, told.stderr) == (1, "", expected)


def test_postgresql_that_says_nothing_any_more_is_soon_given_up(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = options_of("postgres://user:geheim@db/portal", monkeypatch)
    assert options["tcp_user_timeout"] == 5000
    assert options["keepalives_idle"] + options["keepalives_interval"] * options["keepalives_count"] <= 15


def test_options_of_postgresql_in_the_url_win(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = "postgres://user:geheim@db/portal?tcp_user_timeout=9000&sslmode=require"
    options = options_of(url, monkeypatch)
    assert (int(options["tcp_user_timeout"]), options["sslmode"]) == (9000, "require")
    assert options["keepalives_idle"] == 5


def options_of(url: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setenv("KEYMANAGER_DATABASE_URL", url)
    monkeypatch.setattr(settings, "KEYMANAGER", deployment.read())
    options: dict[str, Any] = settings._database()["OPTIONS"]
    return options


def test_what_is_sent_in_lies_in_the_data_folder_and_is_its_owners_alone() -> None:
    from django.conf import settings as django_settings
    from django.core.files.uploadedfile import TemporaryUploadedFile

    with TemporaryUploadedFile("answer.kmans", "text/plain", 3, None) as file:
        path = Path(file.temporary_file_path())
        assert path.is_relative_to(django_settings.KEYMANAGER.data)
        assert path.stat().st_mode & 0o077 == 0
