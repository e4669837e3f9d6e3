"""The ladder of mails about contact: an outage told as a story, time passed in."""

import threading
from datetime import timedelta

import pytest
from django.db import connection

from licensing.models import Configuration, ContactAttempt, MailState, OutgoingMail, VirtualKey
from licensing.operations.alerts import raise_alerts
from licensing.operations.configuration import change_configuration
from tests.factories import KEY, NOW, OTHER_KEY, Portal, module
from tests.operations.alerting import ADMIN, facts, hours, mails, settings_for_mail, tick_until

OUTAGE_HOURS = [4, 24, 48, 66, 72]


@pytest.fixture
def outage(portal: Portal) -> Portal:
    """A key granted at NOW, and an administrator who wants mails."""
    settings_for_mail(admin_email="it@firma.example:en")
    portal.accept(KEY, [module("HANDEL", 5)])
    return portal


def test_an_outage_of_80_hours_brings_exactly_the_ladder_in_order(outage: Portal) -> None:
    queued = tick_until(NOW, NOW + hours(80), minutes=10)
    assert [(at - NOW) / hours(1) for at, _ in queued] == OUTAGE_HOURS
    assert [mail.subject for _, mail in queued] == [
        f"Key {KEY}: no contact with the vendor for 4 h, 68 h left",
        f"Key {KEY}: no contact with the vendor for 24 h, 48 h left",
        f"Key {KEY}: no contact with the vendor for 48 h, 24 h left",
        f"Key {KEY}: no contact with the vendor for 66 h, 6 h left",
        f"Key {KEY}: no contact with the vendor for 72 hours, its modules have stopped",
    ]


def test_each_mail_is_one_page_of_help(outage: Portal) -> None:
    change_configuration(NOW, ADMIN, portal_url="https://klucze.firma.example")
    for minute in (30, 60, 90):
        ContactAttempt.objects.create(
            started_at=NOW + timedelta(minutes=minute),
            finished_at=NOW + timedelta(minutes=minute, seconds=1),
            trigger="schedule",
            outcome="connect_refused",
            params={"host": "licences.comarch.example", "port": 443},
        )
    ((_, mail),) = tick_until(NOW, NOW + hours(5))
    for words in (
        f"about the key {KEY} (customer 123456) for 4 h",
        "work for another 68 h, until 2026-11-27 09:00:00 CET",
        "Why: licences.comarch.example refused the connection to port 443.",
        "Open outgoing connections from this server to licences.comarch.example, port 443 (TCP)",
        "https://klucze.firma.example/configuration/offline",
        "https://klucze.firma.example/configuration/diagnosis",
        "(3 attempts)",
        "- 3 × 2026-11-24 09:30:00 CET – 2026-11-24 10:30:00 CET: licences.comarch.example refused",
        "HANDEL",
    ):
        assert words in mail.text, words
    assert '<a href="https://klucze.firma.example/configuration/offline"' in mail.html


def test_a_worker_that_was_away_tells_only_the_step_that_is_reached(outage: Portal) -> None:
    assert raise_alerts(NOW + hours(3)) == 0
    assert raise_alerts(NOW + hours(50)) == 1
    assert OutgoingMail.objects.get().subject.endswith("for 50 h, 22 h left")
    assert raise_alerts(NOW + hours(51)) == 0


def test_lost_back_lost_again_begins_a_new_ladder(outage: Portal) -> None:
    tick_until(NOW, NOW + hours(80))
    back = NOW + hours(80)
    outage.accept(KEY, [module("HANDEL", 5)], back)
    tick_until(back, back + hours(80))
    kinds = [fact.split(":")[0] for fact in facts()]
    once = ["contact_step"] * 4 + ["contact_lost"]
    assert kinds == [*once, "contact_back", *once]


def test_flapping_every_ten_minutes_for_a_day_makes_one_warning_and_one_recovery(outage: Portal) -> None:
    now = NOW + hours(5)
    raise_alerts(now)
    for minute in range(0, 24 * 60, 10):
        at = now + timedelta(minutes=minute)
        if minute % 20:
            outage.accept(KEY, [module("HANDEL", 5)], at)
        raise_alerts(at)
    assert [fact.split(":")[0] for fact in facts()] == ["contact_step", "contact_back"]


def test_contact_that_fails_less_than_four_hours_is_no_mail(outage: Portal) -> None:
    assert tick_until(NOW, NOW + hours(4) - timedelta(minutes=1)) == []


def test_back_is_not_told_where_nothing_was_told_before(outage: Portal) -> None:
    raise_alerts(NOW + hours(3))
    outage.accept(KEY, [module("HANDEL", 5)], NOW + hours(3))
    raise_alerts(NOW + hours(3))
    assert facts() == []


def test_the_steps_are_a_setting_and_the_mail_at_72_hours_stays(outage: Portal) -> None:
    change_configuration(NOW, ADMIN, contact_warning_hours="10")
    tick_until(NOW, NOW + hours(80))
    assert [fact.split(":")[0] for fact in facts()] == ["contact_step", "contact_lost"]
    change_configuration(NOW, ADMIN, contact_warning_hours="")
    assert Configuration.objects.get().notify_contact_lost


def test_the_mail_at_72_hours_has_a_switch_of_its_own(outage: Portal) -> None:
    change_configuration(NOW, ADMIN, notify_contact_lost=False)
    tick_until(NOW, NOW + hours(80))
    assert [fact.split(":")[0] for fact in facts()] == ["contact_step"] * 4


def test_each_key_has_a_ladder_of_its_own(outage: Portal) -> None:
    outage.accept(OTHER_KEY, [module("KADRY", 2)], NOW + hours(1))
    tick_until(NOW, NOW + hours(5))
    assert [fact.split(":")[1] for fact in facts()] == [KEY, OTHER_KEY]


def test_each_recipient_is_told_in_his_language(outage: Portal) -> None:
    change_configuration(NOW, ADMIN, admin_email="it@firma.example, boss@firma.example:en")
    tick_until(NOW, NOW + hours(5))
    by_recipient = {mail.recipient: mail for mail in mails()}
    assert set(by_recipient) == {"it@firma.example", "boss@firma.example"}
    assert '<html lang="pl">' in by_recipient["it@firma.example"].html
    assert '<html lang="en">' in by_recipient["boss@firma.example"].html
    assert by_recipient["it@firma.example"].message_id != by_recipient["boss@firma.example"].message_id


def test_without_an_administrators_address_the_keys_own_is_told(outage: Portal) -> None:
    change_configuration(NOW, ADMIN, admin_email="")
    assert raise_alerts(NOW + hours(5)) == 0
    VirtualKey.objects.update(email="klucz@firma.example")
    raise_alerts(NOW + hours(5))
    assert [mail.recipient for mail in mails()] == ["klucz@firma.example"]


def test_the_vendors_refusal_of_the_key_is_the_cause_told(outage: Portal) -> None:
    VirtualKey.objects.update(refusal="suspended")
    raise_alerts(NOW + hours(5))
    assert (
        "The vendor has suspended this key." in OutgoingMail.objects.get(fact__startswith="contact_step").text
    )


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_tell_the_same_set(outage: Portal) -> None:
    start = threading.Barrier(2)

    def work() -> None:
        try:
            for hour in range(81):
                start.wait()
                raise_alerts(NOW + hours(hour))
        finally:
            connection.close()

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(facts()) == len(OUTAGE_HOURS)
    assert {mail.state for mail in mails()} == {MailState.QUEUED}


class Killed(BaseException):
    """The worker was killed."""


@pytest.mark.parametrize("step", OUTAGE_HOURS)
def test_a_worker_killed_at_any_step_leaves_the_same_set(
    outage: Portal, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    before = tick_until(NOW, NOW + hours(step) - timedelta(minutes=1))
    with monkeypatch.context() as patch:
        patch.setattr(OutgoingMail.objects, "bulk_create", _kill)
        with pytest.raises(Killed):
            raise_alerts(NOW + hours(step))
    after = tick_until(NOW + hours(step), NOW + hours(80))
    assert len(before) + len(after) == len(OUTAGE_HOURS)
    assert len(facts()) == len(OUTAGE_HOURS)


def _kill(*rows: object, **options: object) -> None:
    raise Killed
