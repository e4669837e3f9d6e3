"""Mails about everything but contact: what expires, full modules, refused keys, worker, database, clock."""

from datetime import datetime, timedelta

import pytest
import time_machine
from django.db import DatabaseError

from licensing import tasks
from licensing.models import (
    ErpClient,
    Event,
    Installation,
    Lease,
    MailState,
    OutgoingMail,
    QueueHeartbeat,
    Refusal,
    VirtualKey,
)
from licensing.operations.alerts import raise_alerts
from licensing.operations.clock import UNKNOWN, learn_offset
from licensing.operations.configuration import addresses, change_configuration, configuration
from licensing.operations.errors import Refused
from licensing.operations.health import worker_silent
from licensing.operations.leases import checkout
from licensing.operations.mail_queue import LEAST_ATTEMPTS, forget_mails, send_again, send_queued_mail
from licensing.operations.queue_heartbeat import beat, rest
from licensing.operations.recipients import Recipient, administrators
from licensing.operations.trouble_alerts import tell_of_worker
from licensing.operations.usage import start_of_day
from licensing.serving import watchman
from licensing.serving.ports import free_port
from tests.factories import KEY, NOW, OTHER_KEY, Portal, make_client, module, request, take
from tests.operations.alerting import ADMIN, facts, hours, mails, settings_for_mail

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@pytest.fixture(autouse=True)
def _mail(portal: Portal) -> None:
    settings_for_mail(admin_email="it@firma.example:en")


def test_expiring_modules_are_told_30_7_and_1_days_before(portal: Portal) -> None:
    last_day = NOW.date() + 40 * DAY
    told = []
    for days in range(42):
        now = NOW + days * DAY
        portal.accept(KEY, [module("HANDEL", expires_on=last_day), module("CRM", expires_on=last_day)], now)
        told += [days] * raise_alerts(now)
    assert told == [11, 34, 40]
    assert [mail.subject for mail in mails()] == [
        f"Key {KEY}: modules expire in 30 days",
        f"Key {KEY}: modules expire in 7 days",
        f"Key {KEY}: modules expire in 1 day",
    ]
    assert "- HANDEL (HANDEL en)\n- CRM (CRM en)" in mails()[0].text


def test_warranties_are_told_apart_from_modules(portal: Portal) -> None:
    portal.accept(KEY, [module("HANDEL", warranty_until=NOW.date() + 5 * DAY)], NOW)
    assert raise_alerts(NOW) == 1
    assert mails()[0].subject == f"Key {KEY}: the warranty ends in 6 days"
    assert raise_alerts(NOW + hours(1)) == 0


def test_what_has_expired_already_is_not_told_as_expiring(portal: Portal) -> None:
    portal.accept(KEY, [module("HANDEL", expires_on=NOW.date() - DAY)], NOW)
    assert raise_alerts(NOW) == 0


def test_a_full_module_is_told_once_a_day_with_who_was_refused(portal: Portal) -> None:
    portal.accept(KEY, [module("HANDEL", 1), module("CRM", 1)], NOW)
    client = make_client()
    take(client, "HANDEL", "CRM")
    for day in (0, 1):
        for minute in (1, 2):
            now = NOW + day * DAY + timedelta(minutes=minute)
            _refuse(client, "HANDEL", now)
            raise_alerts(now)
    full = [fact for fact in facts() if fact.startswith("seats_full")]
    assert full == ["seats_full:HANDEL:2026-11-24", "seats_full:HANDEL:2026-11-25"]
    assert "- jan.kowalski – PC-099, 2026-11-24 09:01:00 CET" in mails()[0].text


def test_a_refusal_after_the_days_last_look_is_told_after_midnight_of_its_own_day(portal: Portal) -> None:
    midnight = start_of_day(NOW.date() + DAY)
    portal.accept(KEY, [module("HANDEL", 1)], midnight - hours(1))
    client = make_client()
    take(client, "HANDEL", now=midnight - hours(0.1))
    raise_alerts(midnight - timedelta(seconds=20))
    _refuse(client, "HANDEL", midnight - timedelta(seconds=1))
    for minute in range(3):
        raise_alerts(midnight + timedelta(seconds=40, minutes=minute))
    assert facts() == ["seats_full:HANDEL:2026-11-24"]
    assert "were taken on 2026-11-24" in mails()[0].text
    assert "2026-11-24 23:59:59" in mails()[0].text


def test_a_full_module_names_who_was_refused_however_many_were_refused_another(portal: Portal) -> None:
    portal.accept(KEY, [module("HANDEL", 1), module("CRM", 1), module("CRM2", 1)], NOW)
    client = make_client()
    take(client, "HANDEL", "CRM", "CRM2")
    _refuse(client, "CRM", NOW)
    row = Refusal.objects.get()
    others = [("HANDEL", f"user-{number}") for number in range(600)] + [("CRM2", "of-another-module")]
    Refusal.objects.bulk_create(
        Refusal(
            at=NOW + timedelta(seconds=1),
            client=client,
            user=user,
            workstation=row.workstation,
            program_name=row.program_name,
            program_version=row.program_version,
            modules=[code],
            causes=[code],
            code=row.code,
        )
        for code, user in others
    )
    raise_alerts(NOW + timedelta(seconds=50))
    (text,) = [mail.text for mail in mails() if mail.fact.startswith("seats_full:CRM:")]
    assert "- jan.kowalski – PC-099" in text
    assert "of-another-module" not in text


def _refuse(client: ErpClient, code: str, now: datetime) -> None:
    Lease.objects.update(expires_at=now + hours(1))
    (outcome,) = checkout([request(client, code, user="jan.kowalski", workstation="PC-099")], now)
    assert isinstance(outcome, Refused)
    assert outcome.code == "no_free_seat"


@pytest.mark.parametrize("reason", ["suspended", "clone_suspected", "machine_changed", "active_elsewhere"])
def test_a_refused_key_is_told_once(portal: Portal, reason: str) -> None:
    portal.accept(KEY, [module()], NOW)
    VirtualKey.objects.update(refusal=reason)
    Event.objects.create(at=NOW, kind="key_refused", subject=KEY, data={"reason": reason})
    assert raise_alerts(NOW) == 1
    assert raise_alerts(NOW + hours(1)) == 0
    assert KEY in mails()[0].subject


def test_a_key_that_is_good_again_is_not_told_as_refused(portal: Portal) -> None:
    portal.accept(KEY, [module()], NOW)
    Event.objects.create(at=NOW, kind="key_refused", subject=KEY, data={"reason": "suspended"})
    assert raise_alerts(NOW) == 0


@pytest.mark.parametrize(
    "kind", ["clock_set_forward", "clock_set_back", "clock_was_ahead", "clock_was_behind"]
)
def test_a_clock_that_was_set_is_told_once(portal: Portal, kind: str) -> None:
    Event.objects.create(at=NOW, kind=kind, data={"by_seconds": 3 * 86400})
    assert raise_alerts(NOW) == 1
    assert raise_alerts(NOW) == 0
    assert "by 72 h" in mails()[0].text


def test_while_portal_time_is_unknown_nothing_is_told(portal: Portal) -> None:
    portal.accept(KEY, [module()], NOW)
    assert raise_alerts(UNKNOWN) == 0


# --- worker and database -------------------------------------------------------------------------------


def test_a_worker_that_was_away_is_told_once_when_it_is_back() -> None:
    beat(NOW)
    beat(NOW + timedelta(minutes=2))
    assert facts() == []
    beat(NOW + timedelta(minutes=8))
    beat(NOW + timedelta(minutes=9))
    assert [fact.split(":")[0] for fact in facts()] == ["worker_silent"]
    assert "again since 2026-11-24 09:08:00 CET" in mails()[0].text


def test_while_portal_time_is_unknown_nobody_can_say_how_long_the_worker_was_silent() -> None:
    beat(NOW)
    beat(UNKNOWN)
    beat(NOW + timedelta(minutes=2))
    assert facts() == []


def test_while_portal_time_is_unknown_a_mail_is_tried_by_local_time() -> None:
    settings_for_mail(port=free_port())
    tell_of_worker(NOW, NOW, NOW)
    Installation.objects.update(clock_offset="edited")
    with time_machine.travel(NOW + timedelta(minutes=3), tick=False):
        tasks.send_mail()
    (mail,) = mails()
    assert (mail.state, mail.attempts) == (MailState.QUEUED, 1)
    assert mail.next_attempt_at == NOW + timedelta(minutes=4)


@pytest.mark.parametrize("ahead", [-5 * HOUR, -4 * MINUTE, 4 * MINUTE, HOUR, 80 * HOUR])
def test_a_clock_that_the_vendor_sets_right_makes_no_silence_of_the_worker(ahead: timedelta) -> None:
    beat(NOW)
    learn_offset(NOW + MINUTE + ahead, NOW + MINUTE)
    assert not worker_silent(NOW + MINUTE + ahead)
    beat(NOW + 2 * MINUTE + ahead)
    assert facts() == []
    beat(NOW + 8 * MINUTE + ahead)
    assert [fact.split(":")[0] for fact in facts()] == ["worker_silent"]


def test_a_worker_that_is_silent_is_told_once_however_often_the_vendor_answers() -> None:
    beat(NOW)
    for minute in (5, 10):
        answered_at = NOW + minute * MINUTE + timedelta(seconds=1)
        learn_offset(answered_at, NOW + minute * MINUTE)
        tell_of_worker(answered_at, QueueHeartbeat.objects.get().at, None)
    assert len(facts()) == 1


def test_a_worker_that_was_asked_to_stop_alarms_nobody() -> None:
    beat(NOW)
    rest()
    beat(NOW + hours(10))
    assert facts() == []


def test_the_watchman_tells_of_a_worker_that_stands_still(
    portal: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    QueueHeartbeat.objects.create(at=NOW)
    monkeypatch.setattr(watchman, "portal_now", lambda: NOW + timedelta(minutes=10))
    guard = watchman.Watchman()
    guard.look()
    guard.look()
    assert [fact.split(":")[0] for fact in facts()] == ["worker_silent"]
    assert mails()[0].attempts == 1, "it was tried at once, as the worker would not"
    assert tell_of_worker(NOW + hours(1), NOW, NOW + hours(1)) == 0, "one fact, whoever finds it"


def test_the_watchman_tells_how_long_the_database_was_away(
    portal: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    guard = watchman.Watchman()
    for minute, well in ((0, True), (1, False), (5, False), (9, True)):
        monkeypatch.setattr(watchman, "portal_now", lambda minute=minute: NOW + timedelta(minutes=minute))
        monkeypatch.setattr(watchman, "keep_time", (lambda: None) if well else _away)
        guard.look()
    assert [fact.split(":")[0] for fact in facts()] == ["database_trouble"]
    assert "from 2026-11-24 09:00:00 CET to 2026-11-24 09:09:00 CET" in mails()[0].text
    assert "server closed the connection" in mails()[0].text


def _away() -> None:
    raise DatabaseError("server closed the connection")


# --- recipients and the queue --------------------------------------------------------------------------


def test_recipients_have_a_language_each() -> None:
    change_configuration(
        NOW, ADMIN, admin_email="it@firma.example; boss@firma.example:en, x@firma.example:pl"
    )
    assert administrators() == [
        Recipient("it@firma.example", "pl"),
        Recipient("boss@firma.example", "en"),
        Recipient("x@firma.example", "pl"),
    ]
    assert addresses(configuration().admin_email)[1] == "boss@firma.example"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("admin_email", "it@firma.example:de"),
        ("admin_email", "it"),
        ("contact_warning_hours", "4, 72"),
        ("contact_warning_hours", "0"),
        ("contact_warning_hours", "four"),
        ("metrics_networks", "10.0.0.0/33"),
        ("portal_url", "klucze"),
    ],
)
def test_what_cannot_be_is_refused_at_its_field(name: str, value: str) -> None:
    with pytest.raises(Refused) as refused:
        change_configuration(NOW, ADMIN, **{name: value})
    assert list(refused.value.data["errors"]) == [name]


def test_a_mail_that_failed_can_be_sent_once_more(portal: Portal) -> None:
    settings_for_mail(free_port())
    beat(NOW)
    beat(NOW + timedelta(minutes=10))
    later = NOW + timedelta(hours=25)
    OutgoingMail.objects.update(attempts=LEAST_ATTEMPTS)
    send_queued_mail(lambda: later)
    (mail,) = mails()
    assert mail.state == MailState.FAILED
    send_again(later, ADMIN, mail.pk)
    mail.refresh_from_db()
    assert (mail.state, mail.attempts) == (MailState.QUEUED, 0)
    with pytest.raises(Refused, match="not_found"):
        send_again(later, ADMIN, mail.pk)


def test_a_mail_planned_by_a_clock_that_was_wrong_is_not_forgotten() -> None:
    settings_for_mail(free_port())
    beat(NOW)
    beat(NOW + timedelta(minutes=10))
    OutgoingMail.objects.update(next_attempt_at=NOW + 365 * DAY)
    send_queued_mail(lambda: NOW + timedelta(minutes=11))
    assert mails()[0].attempts == 1


def test_mails_are_kept_for_90_days() -> None:
    beat(NOW)
    beat(NOW + timedelta(minutes=10))
    assert forget_mails(NOW + 90 * DAY) == 0
    assert forget_mails(NOW + 91 * DAY) == 1


def test_keys_that_end_on_one_day_have_a_mail_each(portal: Portal) -> None:
    for number in (KEY, OTHER_KEY):
        portal.accept(number, [module("HANDEL", expires_on=NOW.date())], NOW)
    assert raise_alerts(NOW) == 2
