"""Twelve secrets, and every place where one could sing: logs, packs, pages, mails, metrics, answers."""

import base64
import json
import logging
import re
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.tokens import default_token_generator
from django.urls import get_resolver, reverse

from licensing import logs
from licensing.models import Configuration, ErpClient, Event, Installation, OutgoingMail, Role
from licensing.operations.actors import COMMAND
from licensing.operations.alerts import raise_alerts
from licensing.operations.clients import add_erp_client
from licensing.operations.code_packs import held_pack
from licensing.operations.configuration import change_configuration
from licensing.operations.diagnosis import diagnose
from licensing.operations.errors import Refused
from licensing.operations.keys import add_key, edit_key
from licensing.operations.log_pack import pack_logs
from licensing.operations.mail_queue import send_queued_mail, send_test_mail
from licensing.operations.users import invite_again
from tests.operations.conftest import authority, link
from tests.smtp import smtp_server
from tests.vendor.servers import real_proxy
from tests.vendor_link import KEY, Link
from tests.web.visitors import PASSWORD, Visitor, logged_in

__all__ = ["authority", "link"]

PROXY_PASSWORD = "kanarek-proxy-łąka-9f27"
SMTP_PASSWORD = "kanarek-smtp-źdźbło-51c3"
WRONG_PIN, PIN = "8317", "0427"
OTHER = "5000006625"


@pytest.fixture
def at_level_3() -> Iterator[Path]:
    """Log everything; the files' folder."""
    before = {name: logging.getLogger(name).level for name, _, _ in logs.DETAIL}
    logs.apply_level(3)
    yield logs.folder_of(django_settings.KEYMANAGER.data)
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)


def forms(secret: str) -> set[str]:
    """A secret as it could be written: plain, URL, hex, and base64 at each of three places in a text."""
    raw = secret.encode()
    found = {secret, quote(secret, safe=""), raw.hex(), raw.hex().upper()}
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for lead in range(3):
            text = encode(b"x" * lead + raw).decode().rstrip("=")
            # The first and last characters also depend on what stands beside.
            found.add(text[lead + 1 if lead else 0 : -1])
    return {form for form in found if len(form) >= 6}


def sings(secret: str, text: str) -> bool:
    if secret.isdigit() and len(secret) == 4:
        # So short that any number may hold it: it counts where it stands by itself.
        pattern = rf"(?<![0-9A-Za-z_.+/-]){secret}(?![0-9A-Za-z_+/-])"
        words = {base64.b64encode(secret.encode()).decode(), secret.encode().hex()}
        return bool(re.search(pattern, text)) or any(re.search(rf"\b{word}", text) for word in words)
    return any(form in text for form in forms(secret))


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
def test_no_secret_sings_anywhere(
    link: Link, at_level_3: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = add_erp_client(link.now(), COMMAND, "Optima")[1]
    administrator = logged_in(Role.ADMINISTRATOR)
    invited = invite_again(link.now(), COMMAND, logged_in(Role.VIEWER).user.pk)
    live_through_everything(link, tmp_path)
    private = json.loads(Installation.objects.get().private_key)["d"]
    pack = held_pack()
    assert pack is not None
    secrets = {
        "PIN": PIN,
        "wrong PIN": WRONG_PIN,
        "proxy password": PROXY_PASSWORD,
        "SMTP password": SMTP_PASSWORD,
        "ERP client's token": token,
        "installation's key": private,
        "challenge key": base64.urlsafe_b64encode(pack.pack.challenge_key).decode().rstrip("="),
        "challenge key's bytes": pack.pack.challenge_key.hex(),
        "key file": django_settings.KEYMANAGER.key_file.read_text().strip(),
        "user's password": PASSWORD,
        "password link": default_token_generator.make_token(invited),
        "session": administrator.client.cookies["sessionid"].value,
        "Django's secret key": django_settings.SECRET_KEY,
        "hash of the token": ErpClient.objects.get().token_sha256,
        "hash of the password": administrator.user.password.rsplit("$", 1)[-1],
    }
    assert len(secrets) >= 12
    places = dict(everything_that_is_told(link, administrator, at_level_3))
    assert len(places) > 30
    found = [
        (name, place)
        for name, secret in secrets.items()
        for place, text in places.items()
        if sings(secret, text)
    ]
    assert found == []


def live_through_everything(link: Link, tmp_path: Path) -> None:
    """Use each secret, rightly and wrongly, so that whatever could tell it does."""
    now = link.now()
    add_key(now, COMMAND, OTHER, "123456", WRONG_PIN)
    link.add(pin=PIN)
    with pytest.raises(Refused):
        edit_key(now, COMMAND, KEY, pin="12345")
    proxy = real_proxy(tmp_path, f"jan:{PROXY_PASSWORD}")
    with proxy as port, smtp_server(login=("klucze", SMTP_PASSWORD)) as box:
        change_configuration(
            now,
            COMMAND,
            proxy_host="127.0.0.1",
            proxy_port=port,
            proxy_login="jan",
            proxy_password=PROXY_PASSWORD,
            smtp_host="127.0.0.1",
            smtp_port=box.port,
            smtp_security="none",
            smtp_login="klucze",
            smtp_password=SMTP_PASSWORD,
            mail_sender="klucze@firma.example",
            admin_email="it@firma.example, boss@firma.example:en",
        )
        assert link.contact().is_ok
        diagnose(link.now, COMMAND, lambda step: None)
        for mode in ("truncated", "bad_signature", "html", "error_500"):
            link.authority.mode(mode)
            link.contact()
        link.authority.mode("ok")
        link.authority.suspend(KEY)
        link.contact()
        Configuration.objects.update(proxy_login="ktoś inny")
        assert not link.contact().is_ok
        link.wait(hours=5)
        raise_alerts(link.now())
        assert send_queued_mail(link.now) >= 2
        Configuration.objects.update(smtp_login="ktoś inny")
        with pytest.raises(Refused):
            send_test_mail(link.now(), COMMAND, "it@firma.example", "pl")
        assert box.mails


def everything_that_is_told(
    link: Link, administrator: Visitor, logs_folder: Path
) -> Iterator[tuple[str, str]]:
    for mail in OutgoingMail.objects.all():
        yield (
            f"mail {mail.fact} {mail.recipient}",
            f"{mail.subject}\n{mail.text}\n{mail.html}\n{mail.last_error}",
        )
    for event in Event.objects.all():
        yield f"event {event.pk}", json.dumps([event.kind, event.subject, event.data], ensure_ascii=False)
    yield from pages(administrator)
    for path in ("/metrics", "/readyz", "/api/v1/status", "/api/v1/openapi.json"):
        yield path, administrator.client.get(path).content.decode()
    with zipfile.ZipFile(pack_logs(datetime.now(UTC), COMMAND)) as archive:
        for name in archive.namelist():
            yield f"pack {name}", archive.read(name).decode()
    for path in logs_folder.glob("keymanager.log*"):
        text = path.read_text()
        assert "from the vendor" in text, "the log is at level 3"
        yield f"log {path.name}", text


def pages(administrator: Visitor) -> Iterator[tuple[str, str]]:
    """Every page that needs no argument, without the form's own secret, which is another in each."""
    for pattern in get_resolver().url_patterns:
        for entry in getattr(pattern, "url_patterns", [pattern]):
            name: Any = getattr(entry, "name", None)
            if name and not entry.pattern.converters and "logout" not in name and not name.startswith("mfa"):
                response = administrator.client.get(reverse(name))
                text = b"".join(response) if response.streaming else response.content
                yield f"page {name}", text.decode()


@pytest.mark.parametrize("secret", [PROXY_PASSWORD, "km_" + "aB3-" * 11])
def test_a_canary_is_heard_in_every_form(secret: str) -> None:
    raw = secret.encode()
    basic = base64.b64encode(b"Aladdin:" + raw).decode()
    for text in (secret, quote(secret, safe=""), raw.hex(), base64.urlsafe_b64encode(raw).decode(), basic):
        assert sings(secret, f"before {text} after")
    assert not sings(secret, "nothing of the kind 0427")


def test_a_short_canary_is_heard_where_it_stands_by_itself() -> None:
    assert sings(PIN, '{"pin": "0427"}')
    assert not sings(PIN, "at 05:11:24.042712, serial 10427")
