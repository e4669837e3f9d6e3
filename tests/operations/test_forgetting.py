"""Users' names are kept as long as the setting says."""

import dataclasses
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.db import connection

from licensing.models import (
    Configuration,
    ErpClient,
    Event,
    Lease,
    MailState,
    OutgoingMail,
    Refusal,
    RollUp,
    UsageQuarter,
)
from licensing.operations import forgetting
from licensing.operations.actors import PORTAL
from licensing.operations.configuration import change_configuration
from licensing.operations.errors import Refused
from licensing.operations.forgetting import ROWS_AT_ONCE, forget_names, forget_quarters, pseudonym
from licensing.operations.leases import checkout, release
from licensing.operations.mail_queue import send_again
from licensing.operations.module_alerts import tell_of_full_modules
from licensing.operations.rollup import roll_up
from tests.factories import KEY, NOW, Portal, give_back, make_client, module, request, take
from tests.operations.alerting import settings_for_mail

pytestmark = pytest.mark.django_db


@pytest.fixture
def client(portal: Portal) -> ErpClient:
    portal.accept(KEY, [module("HANDEL", 2)])
    return make_client()


def keep_names_for(days: int) -> None:
    change_configuration(NOW, PORTAL, names_kept_days=days)


def test_names_in_leases_refusals_and_events_become_one_pseudonym(client: ErpClient) -> None:
    keep_names_for(30)
    released, returned = take(client), take(client, idempotency_key="once", body_sha256="a")
    checkout([request(client)], NOW)
    release([released.id], NOW, PORTAL, "went home")
    give_back(client, returned, NOW)
    late = NOW + timedelta(days=30, seconds=1)
    roll_up(NOW + timedelta(days=1))
    assert forget_names(late) == 4
    other = pseudonym("anna.nowak")
    assert set(Lease.objects.values_list("user", "body_sha256")) == {(other, "")}
    assert Refusal.objects.get().user == other
    event = Event.objects.get(kind="lease_released")
    assert (event.data["user"], event.data["workstation"]) == (other, "PC-017")


def test_names_are_replaced_once(client: ErpClient) -> None:
    keep_names_for(30)
    checkout([request(client, "NOTHING")], NOW)
    roll_up(NOW + timedelta(days=1))
    late = NOW + timedelta(days=31)
    assert forget_names(late) == 1
    assert forget_names(late) == 0
    assert forget_names(late + timedelta(days=100)) == 0
    assert Refusal.objects.get().user == pseudonym("anna.nowak")


def test_names_younger_than_the_setting_and_of_live_leases_stay(client: ErpClient) -> None:
    take(client)
    checkout([request(client, "NOTHING")], NOW + timedelta(minutes=10))
    roll_up(NOW + timedelta(days=1))
    assert forget_names(NOW + timedelta(days=90, minutes=9)) == 0
    assert Lease.objects.get().user == Refusal.objects.get().user == "anna.nowak"
    assert forget_names(NOW + timedelta(days=90, minutes=11)) == 1
    assert Lease.objects.get().user == "anna.nowak"


def test_a_shorter_time_is_made_good_and_a_longer_one_brings_nothing_back(client: ErpClient) -> None:
    checkout([request(client, "NOTHING")], NOW)
    roll_up(NOW + timedelta(days=1))
    late = NOW + timedelta(days=40)
    assert forget_names(late) == 0
    keep_names_for(35)
    assert forget_names(late) == 1
    keep_names_for(365)
    assert forget_names(late) == 0


def test_a_pseudonym_is_the_same_for_the_same_name_and_tells_nothing() -> None:
    assert pseudonym("anna.nowak") == pseudonym("anna.nowak") != pseudonym("jan.lis")
    assert "anna" not in pseudonym("anna.nowak")


@pytest.mark.parametrize("days", [29, 3651])
def test_names_are_kept_for_30_to_3650_days(portal: Portal, days: int) -> None:
    with pytest.raises(Refused, match="validation_failed"):
        keep_names_for(days)
    assert Configuration().names_kept_days == 90


def test_quarters_of_more_than_400_days_ago_are_forgotten(client: ErpClient) -> None:
    give_back(client, take(client), NOW + timedelta(minutes=20))
    roll_up(NOW + timedelta(hours=3))
    assert UsageQuarter.objects.count() == 2
    assert forget_quarters(NOW + timedelta(days=400, minutes=10)) == 1
    assert RollUp.objects.get().since == NOW


def test_names_of_after_a_clock_that_was_ahead_are_forgotten_as_all_others(client: ErpClient) -> None:
    checkout([request(client, "NOTHING", user="old")], NOW)
    roll_up(NOW + timedelta(days=1))
    forget_names(NOW + timedelta(days=365))
    forget_names(NOW + timedelta(days=1))
    checkout([request(client, "NOTHING")], NOW + timedelta(days=10))
    for day in range(0, 110, 5):
        forget_names(NOW + timedelta(days=day))
    assert set(Refusal.objects.values_list("user", flat=True)) == {pseudonym("old"), pseudonym("anna.nowak")}


def test_a_mail_that_names_users_loses_its_text_with_their_names_and_is_told_for_ever(
    client: ErpClient,
) -> None:
    settings_for_mail(admin_email="it@firma.example:en", names_kept_days=30)
    take(client, user="jan"), take(client, user="jan")
    checkout([request(client, user="ewa.kot")], NOW)
    roll_up(NOW + timedelta(hours=1))
    assert tell_of_full_modules(NOW) == 1
    OutgoingMail.objects.update(state=MailState.FAILED)
    forget_names(NOW + timedelta(days=29))
    assert "ewa.kot" in OutgoingMail.objects.get().text
    forget_names(NOW + timedelta(days=31))
    mail = OutgoingMail.objects.get()
    assert (mail.text, mail.html, mail.fact) == ("", "", "seats_full:HANDEL:2026-11-24")
    with pytest.raises(Refused, match="not_found"):
        send_again(NOW + timedelta(days=31), PORTAL, mail.pk)


def test_another_key_put_first_into_the_key_file_changes_no_pseudonym(settings: Any, tmp_path: Path) -> None:
    before = pseudonym("anna.nowak")
    file = tmp_path / "two.key"
    file.write_bytes(Fernet.generate_key() + b"\n" + settings.KEYMANAGER.key_file.read_bytes())
    settings.KEYMANAGER = dataclasses.replace(settings.KEYMANAGER, key_file=file)
    settings.SECRET_KEY = "of the other key"
    assert pseudonym("anna.nowak") == before


@pytest.mark.django_db(transaction=True)
def test_names_are_forgotten_by_short_statements_that_hold_no_lock_together(client: ErpClient) -> None:
    refuse_often(client, 1300)
    roll_up(NOW + timedelta(days=2))
    written: list[tuple[str, int, bool]] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        result = execute(sql, params, many, context)
        if sql.startswith("UPDATE"):
            written.append((sql, context["cursor"].rowcount, connection.in_atomic_block))
        return result

    with connection.execute_wrapper(note):
        assert forget_names(NOW + timedelta(days=200)) == 1300
    assert not any(together for _sql, _rows, together in written)
    assert max(rows for sql, rows, _ in written if "refusal" in sql) <= ROWS_AT_ONCE
    assert "names_from" in written[-1][0]


def test_a_forgetting_that_was_ended_goes_on_and_replaces_no_name_twice(
    client: ErpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_often(client, 6)
    roll_up(NOW + timedelta(days=2))

    def ended(name: str) -> str:
        if name == "user 1":
            raise SystemExit
        return pseudonym(name)

    with monkeypatch.context() as broken:
        broken.setattr(forgetting, "pseudonym", ended)
        with pytest.raises(SystemExit):
            forget_names(NOW + timedelta(days=200))
    assert Refusal.objects.filter(user=pseudonym("user 0")).count() == 2
    assert forget_names(NOW + timedelta(days=200)) == 4
    assert set(Refusal.objects.values_list("user", flat=True)) == {pseudonym(f"user {n}") for n in range(3)}


def refuse_often(client: ErpClient, times: int) -> None:
    """Refusals of one day, of three users in turn."""
    checkout([request(client, "NOTHING", user="user 0")], NOW)
    row = Refusal.objects.get()
    rows = [
        Refusal(
            at=NOW + timedelta(seconds=number),
            client=client,
            user=f"user {number % 3}",
            workstation=row.workstation,
            program_name=row.program_name,
            program_version=row.program_version,
            modules=row.modules,
            causes=row.causes,
            code=row.code,
        )
        for number in range(1, times)
    ]
    Refusal.objects.bulk_create(rows, batch_size=500)
