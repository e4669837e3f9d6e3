"""The pages that watch: contacts, testing the connection, mails, logs, the cluster's switch."""

import os
import uuid
import zipfile
from collections.abc import Callable
from datetime import timedelta
from io import BytesIO

import pytest
from django.conf import settings
from django.urls import reverse

from licensing.models import (
    ClusterNode,
    Configuration,
    ContactAttempt,
    Installation,
    MailState,
    OutgoingMail,
    VirtualKey,
)
from licensing.operations import database
from licensing.operations.actors import COMMAND
from licensing.operations.log_pack import forget_old, pack_logs
from licensing.operations.machine import machine
from licensing.operations.queue_heartbeat import beat
from tests.factories import KEY, NOW, OTHER_KEY, Portal, module

from .visitors import Visitor, foreign_marks, words


@pytest.fixture(autouse=True)
def _keys(portal: Portal) -> None:
    portal.accept(KEY, [module()], NOW)
    VirtualKey.objects.update(added_at=NOW - timedelta(days=29))


def attempt(hours: float, outcome: str = "connect_refused", **fields: object) -> ContactAttempt:
    values: dict[str, object] = {
        "started_at": NOW - timedelta(hours=hours),
        "finished_at": NOW - timedelta(hours=hours) + timedelta(seconds=2),
        "trigger": "schedule",
        "actor": "portal",
        "outcome": outcome,
        "params": {"host": "licences.example", "port": 443},
        **fields,
    }
    return ContactAttempt.objects.create(**values)


def test_contacts_are_listed_with_their_causes_and_a_picture_per_key(viewer: Visitor) -> None:
    attempt(1)
    attempt(30, "ok", results=[{"number": KEY, "result": "granted", "reason": None, "active_on": None}])
    attempt(24 * 31)
    response = viewer.get("attempts")
    text = words(response)
    assert "licences.example refused the connection to port 443." in text
    assert text.count("by itself") == 2, "not those of more than 30 days ago"
    picture = response.content.decode()
    assert picture.count('<rect class="good"') == 1
    assert picture.count('<rect class="bad"') == 1
    assert picture.count("<rect") == 120
    assert "granted 1 times, failed or refused 1 times" in picture
    assert foreign_marks(response) == []


def test_the_picture_of_a_key_shows_nothing_of_before_it_was_there(viewer: Visitor) -> None:
    VirtualKey.objects.update(added_at=NOW - timedelta(hours=12))
    attempt(30)
    assert '<rect class="bad"' not in viewer.get("attempts").content.decode()


def test_contacts_can_be_narrowed_to_those_that_failed(viewer: Visitor) -> None:
    attempt(1)
    attempt(2, "ok")
    assert "The vendor has answered." not in viewer.reads("attempts", outcome="failed")
    assert "refused the connection" not in viewer.reads("attempts", outcome="ok")


def test_a_diagnosis_shows_each_step_and_where_the_way_ended(operator: Visitor) -> None:
    steps = [
        {"name": "configuration", "ok": True, "seconds": 0.01, "code": None, "params": {}},
        {"name": "dns", "ok": True, "seconds": 0.02, "code": None, "params": {}},
        {
            "name": "tcp",
            "ok": False,
            "seconds": 0.3,
            "code": "connect_refused",
            "params": {"host": "licences.example", "port": 443},
        },
    ]
    row = attempt(0, trigger="diagnosis", steps=steps)
    text = operator.reads("diagnosis_progress", row.pk)
    assert "Allow outgoing connections to licences.example:443" in text
    assert "Name look-up (DNS) 0.02 s" in text
    assert "The way ended at: Vendor's server reached (TCP)" in operator.reads("attempts")


def test_a_diagnosis_under_way_shows_what_lies_ahead_and_asks_again(operator: Visitor) -> None:
    steps = [{"name": "configuration", "ok": True, "seconds": 0.01, "code": None, "params": {}}]
    row = attempt(0, "", trigger="diagnosis", finished_at=None, steps=steps)
    response = operator.get("diagnosis_progress", row.pk)
    assert "Answer (HTTP)" in words(response)
    assert 'hx-trigger="every 500ms"' in response.content.decode()
    assert "follows at once" in operator.reads("diagnosis_progress", uuid.uuid4())


def test_starting_a_diagnosis_leads_to_its_steps(operator: Visitor) -> None:
    response = operator.post("diagnosis", follow=False)
    assert response.status_code == 302
    assert "/configuration/diagnosis/" in response["Location"]


def mail(state: str = MailState.FAILED, **fields: object) -> OutgoingMail:
    number = OutgoingMail.objects.count()
    values: dict[str, object] = {
        "fact": f"fact {number}",
        "recipient": "it@firma.example",
        "subject": f"Key {KEY}: no contact",
        "text": "x",
        "message_id": f"<{number}@x>",
        "created_at": NOW - timedelta(hours=30),
        "next_attempt_at": NOW,
        "attempts": 40,
        "state": state,
        "last_error": "smtp_login 535 no",
        **fields,
    }
    return OutgoingMail.objects.create(**values)


def test_a_mail_that_could_not_be_delivered_is_shown_with_its_cause(operator: Visitor) -> None:
    row = mail()
    Configuration.objects.update_or_create(pk=1, defaults={"smtp_host": "mail.firma.example"})
    text = operator.reads("mails")
    assert "not delivered" in text
    assert "The SMTP server mail.firma.example refuses the log-in" in text
    assert "E-mails cannot be delivered" in operator.reads("modules"), "every page tells"
    assert "The mail waits to be sent once more." in words(operator.post("mail_again", row.pk))
    row.refresh_from_db()
    assert (row.state, row.attempts) == (MailState.QUEUED, 0)


def test_mails_can_be_narrowed_by_state(operator: Visitor) -> None:
    mail(MailState.QUEUED, subject="A waiting one")
    mail(subject="A failed one")
    text = operator.reads("mails", state="queued")
    assert "A waiting one" in text
    assert "A failed one" not in text


def test_logs_are_packed_listed_and_fetched(administrator: Visitor) -> None:
    text = administrator.reads("log_packs")
    assert "configuration.json – the Configuration; of passwords only whether they are stored" in text
    path = pack_logs(NOW, COMMAND)
    assert path.name in administrator.reads("log_packs")
    response = administrator.get("log_pack", path.name)
    content = b"".join(response.streaming_content)  # type: ignore[attr-defined]
    with zipfile.ZipFile(BytesIO(content)) as archive:
        assert "versions.json" in archive.namelist()
    path.unlink()


def test_what_a_process_printed_is_packed_without_secrets(portal: Portal) -> None:
    printed = settings.KEYMANAGER.data / "logs" / "worker.out"
    printed.parent.mkdir(exist_ok=True)
    printed.write_bytes(b"OperationalError: password=KANAREK at postgresql://key:KANAREK@db/key \xff")
    path = pack_logs(NOW, COMMAND)
    with zipfile.ZipFile(path) as archive:
        assert "KANAREK" not in archive.read("logs/worker.out").decode()
        assert "OperationalError" in archive.read("logs/worker.out").decode()
    path.unlink()
    printed.unlink()


def test_what_is_left_of_packing_is_forgotten_with_the_packs(portal: Portal) -> None:
    def full(done: int, of: int) -> None:
        raise OSError("No space left on device")

    folder = settings.KEYMANAGER.data / "packs"
    before = {*folder.glob("*")}
    with pytest.raises(OSError, match="No space left"):
        pack_logs(NOW, COMMAND, full)
    assert {*folder.glob("*")} == before
    draft = folder / ".keymanager-logs-20261124T080000.zip.4711"
    draft.touch()
    os.utime(draft, (NOW.timestamp(), NOW.timestamp()))
    forget_old(NOW + timedelta(days=6))
    assert draft.exists()
    forget_old(NOW + timedelta(days=8))
    assert not draft.exists()


@pytest.mark.parametrize("name", ["keymanager.key", "..", "none.zip"])
def test_nothing_but_a_pack_is_fetched(administrator: Visitor, name: str) -> None:
    assert administrator.client.get(f"/configuration/logs/{name}").status_code == 404
    assert settings.KEYMANAGER.key_file.exists()


def test_the_clusters_switch_says_what_it_means_and_asks_for_the_pins(
    portal: Portal, administrator: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "is_shareable", lambda: True)
    portal.accept(OTHER_KEY, [module()], NOW)
    given = {"section": "cluster", "clustered": "on", "cluster_name": "sql-erp"}
    response = administrator.post("advanced", **given)
    text = words(response)
    assert "The keys will be bound to the SQL cluster “sql-erp”" in text
    assert f"PIN of key {KEY}" in text
    assert f"PIN of key {OTHER_KEY}" in text
    assert not Configuration.objects.get().clustered, "nothing has changed yet"
    pins = {KEY: "0427", OTHER_KEY: "1111"}
    administrator.post("cluster_switch", clustered="True", cluster_name="sql-erp", **pins)
    assert machine() == "cluster:SQL-ERP"
    assert VirtualKey.objects.filter(pin__isnull=False).count() == 2
    ClusterNode.objects.create(machine="x", name="SRV-2", seen_at=NOW)
    assert "serves SRV-2" in administrator.reads("advanced")


def test_a_wrong_pin_at_the_switch_is_told_at_its_key(
    administrator: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "is_shareable", lambda: True)
    response = administrator.post("cluster_switch", clustered="True", cluster_name="sql-erp", **{KEY: "ab"})
    assert "A PIN has four digits." in words(response)
    assert not Configuration.objects.get().clustered


def test_the_light_tells_the_runway_of_each_key(portal: Portal, viewer: Visitor) -> None:
    assert "modules work for 72 h of 72 h" in viewer.reads("modules")
    portal.accept(OTHER_KEY, [module()], NOW - timedelta(hours=11))
    text = viewer.reads("modules")
    assert f"{OTHER_KEY}: 61 h of 72 h" in text
    assert f"{KEY}: 72 h" in text


def test_every_page_tells_of_a_servers_clock_that_was_set(
    viewer: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("licensing.web.layout.clock_ahead", lambda record: timedelta(days=-3))
    assert "The server's clock was set back by 72 h" in viewer.reads("modules")


def test_every_page_tells_of_a_portal_time_that_is_not_known(viewer: Visitor) -> None:
    Installation.objects.update(clock_offset="edited")
    text = viewer.reads("modules")
    assert "The portal's time is not known" in text
    assert "No module can be taken" in text


@pytest.mark.parametrize("name", ["attempts", "diagnosis", "mails", "log_packs"])
def test_these_pages_fetch_and_run_nothing_foreign(log_in: Callable[[str], Visitor], name: str) -> None:
    mail()
    attempt(1)
    assert foreign_marks(log_in("administrator").get(name)) == []


def test_a_page_says_plainly_that_the_worker_works(viewer: Visitor) -> None:
    beat(NOW)
    text = viewer.reads("worker")
    assert "The worker works" in text
    assert "What it does next" in text


@pytest.mark.parametrize("minutes", [None, 4])
def test_a_page_says_plainly_that_the_worker_stands_still_and_what_waits(
    minutes: int | None, viewer: Visitor
) -> None:
    if minutes:
        beat(NOW - timedelta(minutes=minutes))
    text = viewer.reads("worker")
    assert "The worker stands still." in text
    assert ("no sign of life yet" in text) == (minutes is None)
    assert "Programs go on taking and returning modules" in text
    assert "ends a worker that gives no sign of life for 3 min" in text
    assert f'href="{reverse("worker")}"' in viewer.get("modules").content.decode()
