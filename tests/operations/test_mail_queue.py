"""Mail: queued with its fact, sent once, never lost."""

import contextlib
import dataclasses
import itertools
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme
from django.db import connection
from django_q.timeout import TimeoutException

from licensing import mail
from licensing.models import Configuration, MailSecurity, MailState, OutgoingMail, Role
from licensing.operations.actors import COMMAND, Actor
from licensing.operations.errors import Refused
from licensing.operations.health import mail_failing
from licensing.operations.mail_queue import (
    LEAST_ATTEMPTS,
    ROUND,
    error_sentence,
    queue_mail,
    send_queued_mail,
    send_test_mail,
    sentence,
)
from licensing.operations.recipients import Recipient
from licensing.schedules import seconds_of
from licensing.serving.ports import free_port
from tests.smtp import MailBox, smtp_server

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
CONTEXT: dict[str, object] = {
    "number": "5000006622",
    "customer": "123456",
    "contact_deadline": NOW + timedelta(hours=72),
    "was_lost": True,
}


@pytest.fixture
def server() -> Iterator[MailBox]:
    with smtp_server() as box:
        yield box


def configure(port: int, **fields: object) -> None:
    values = {
        "smtp_host": "127.0.0.1",
        "smtp_port": port,
        "smtp_security": MailSecurity.NONE,
        "mail_sender": "klucze@firma.example",
        **fields,
    }
    Configuration.objects.update_or_create(pk=1, defaults=values)


def queue(fact: str = "contact_lost:5000006622:1", recipient: str = "it@firma.example") -> int:
    return queue_mail(NOW, fact, "contact_back", [Recipient(recipient, "pl")], CONTEXT)


@pytest.mark.django_db
def test_a_queued_mail_is_sent_as_text_and_html_with_its_stable_message_id(server: MailBox) -> None:
    configure(server.port)
    queue()
    row = OutgoingMail.objects.get()
    assert send_queued_mail(lambda: NOW) == 1
    (received,) = server.mails
    assert received["Message-ID"] == row.message_id
    assert received["To"] == "it@firma.example"
    assert "5000006622" in received["Subject"]
    text, html = received.get_body(("plain",)), received.get_body(("html",))
    assert text is not None
    assert html is not None
    assert "5000006622" in text.get_content()
    row.refresh_from_db()
    assert (row.state, row.sent_at) == (MailState.SENT, NOW)


@pytest.mark.django_db
def test_a_server_whose_address_stands_in_brackets_is_reached(server: MailBox) -> None:
    # As an IPv6 address does in the address of a page; not every computer that tests has one.
    configure(server.port, smtp_host="[127.0.0.1]")
    queue()
    assert send_queued_mail(lambda: NOW) == 1


@pytest.mark.django_db
def test_one_fact_is_queued_once_per_recipient() -> None:
    assert queue() == 1
    assert queue() == 0
    assert queue(recipient="drugi@firma.example") == 1
    assert OutgoingMail.objects.count() == 2


@pytest.mark.django_db
def test_a_mail_already_sent_is_not_sent_again(server: MailBox) -> None:
    configure(server.port)
    queue()
    assert send_queued_mail(lambda: NOW) == 1
    assert send_queued_mail(lambda: NOW + timedelta(hours=1)) == 0
    assert len(server.mails) == 1


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("answer", "code"), [("550 no such user", "smtp_refused"), ("451 later", "smtp_refused")]
)
def test_a_refused_mail_stays_queued_with_what_the_server_said(
    server: MailBox, answer: str, code: str
) -> None:
    configure(server.port)
    server.answer = answer
    queue()
    assert send_queued_mail(lambda: NOW) == 0
    row = OutgoingMail.objects.get()
    assert row.state == MailState.QUEUED
    assert row.last_error == f"{code} {answer}"
    assert row.next_attempt_at == NOW + timedelta(minutes=1)
    server.answer = "250 OK"
    assert send_queued_mail(lambda: NOW) == 0, "not before its time"
    assert send_queued_mail(lambda: NOW + timedelta(minutes=1)) == 1


@pytest.mark.django_db
def test_a_mail_dropped_after_data_goes_again_under_the_same_message_id(server: MailBox) -> None:
    configure(server.port)
    server.drop_after_data = True
    queue()
    assert send_queued_mail(lambda: NOW) == 0
    assert OutgoingMail.objects.get().last_error.startswith("smtp_dropped")
    server.drop_after_data = False
    assert send_queued_mail(lambda: NOW + timedelta(minutes=1)) == 1
    assert len({mail["Message-ID"] for mail in server.mails}) == 1


@pytest.mark.django_db
def test_pauses_grow_to_half_an_hour_and_after_a_day_the_mail_has_failed() -> None:
    configure(free_port())
    queue()
    now, pauses = NOW, []
    while (row := OutgoingMail.objects.get()).state == MailState.QUEUED:
        now = row.next_attempt_at
        send_queued_mail(lambda moment=now: moment)  # type: ignore[misc]
        row.refresh_from_db()
        pauses.append((row.next_attempt_at - now) // timedelta(minutes=1))
    assert pauses[:7] == [1, 2, 4, 8, 16, 30, 30]
    assert timedelta(hours=24) <= now - NOW < timedelta(hours=24, minutes=30)
    assert row.last_error.startswith("smtp_unreachable")


@pytest.mark.django_db
def test_a_mail_that_was_not_tried_for_a_day_is_tried_before_it_has_failed(server: MailBox) -> None:
    """The portal was switched off over the weekend, and is up again before the mail server."""
    configure(free_port())
    queue()
    monday = NOW + timedelta(hours=64)
    for minutes in (0, 1, 3, 7, 15, 31):
        at = monday + timedelta(minutes=minutes)
        assert send_queued_mail(lambda moment=at: moment) == 0  # type: ignore[misc]
        assert OutgoingMail.objects.get().state == MailState.QUEUED
    configure(server.port)
    assert send_queued_mail(lambda: monday + timedelta(hours=2)) == 1


@pytest.mark.django_db
def test_a_mail_queued_by_a_clock_that_was_ahead_fails_a_day_after_that_was_corrected() -> None:
    configure(free_port())
    queue()
    OutgoingMail.objects.update(created_at=NOW + timedelta(days=5000))
    for hour in range(24):
        at = NOW + timedelta(hours=hour)
        send_queued_mail(lambda moment=at: moment)  # type: ignore[misc]
        assert OutgoingMail.objects.get().state == MailState.QUEUED
        assert mail_failing(at) == (hour > 0)
    send_queued_mail(lambda: NOW + timedelta(hours=24))
    assert OutgoingMail.objects.get().state == MailState.FAILED


@pytest.mark.django_db
def test_without_a_server_a_mail_waits_until_one_is_configured(server: MailBox) -> None:
    queue()
    assert send_queued_mail(lambda: NOW) == 0
    assert OutgoingMail.objects.get().last_error == "mail_not_configured"
    configure(server.port)
    assert send_queued_mail(lambda: NOW + timedelta(minutes=1)) == 1


@pytest.mark.django_db
def test_a_claimed_mail_is_left_to_its_worker_until_the_claim_ends(server: MailBox) -> None:
    configure(server.port)
    queue()
    OutgoingMail.objects.update(claimed_until=NOW + timedelta(minutes=2))
    assert send_queued_mail(lambda: NOW) == 0
    assert send_queued_mail(lambda: NOW + timedelta(minutes=2)) == 1


@contextmanager
def hanging_server() -> Iterator[int]:
    """A server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield int(listener.getsockname()[1])


@pytest.mark.django_db
def test_a_server_that_hangs_loses_nothing_and_holds_up_one_mail_a_round(
    server: MailBox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mail, "STEP_SECONDS", 0.2)
    for number in range(3):
        queue(f"contact_lost:{number}")
    with hanging_server() as port:
        configure(port)
        assert send_queued_mail(lambda: NOW) == 0
    assert sorted(OutgoingMail.objects.values_list("attempts", flat=True)) == [0, 0, 1]
    assert OutgoingMail.objects.get(attempts=1).last_error.startswith("smtp_timeout")
    configure(server.port)
    assert send_queued_mail(lambda: NOW + timedelta(minutes=2)) == 3


@contextmanager
def slow_server(pause: float, says_farewell: bool = True) -> Iterator[tuple[int, list[str]]]:
    """A server that thinks before each answer; it notes the mails that it took."""
    taken: list[str] = []

    def answer(line: socket.socket) -> None:
        with line, line.makefile("rb") as lines, contextlib.suppress(OSError):
            line.sendall(b"220 hello\r\n")
            in_text = False
            for word in (each.strip().upper() for each in lines):
                if in_text and word != b".":
                    continue
                if word == b"QUIT" and not says_farewell:
                    gone.wait(10)
                gone.wait(pause)
                in_text = word == b"DATA"
                taken.extend(["taken"] if word == b"." else [])
                line.sendall(b"354 go on\r\n" if in_text else b"250 OK\r\n")

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=answer, args=listener.accept()[:1], daemon=True).start()

    gone = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        yield int(listener.getsockname()[1]), taken
        gone.set()


@pytest.mark.django_db
def test_a_server_that_is_slow_at_every_step_is_given_up_when_the_letter_has_had_its_time(
    server: MailBox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mail, "LETTER_SECONDS", 0.6)
    queue()
    with slow_server(0.4) as (port, taken):
        configure(port)
        assert send_queued_mail(lambda: NOW) == 0
    assert taken == []
    row = OutgoingMail.objects.get()
    assert (row.last_error, row.next_attempt_at) == ("smtp_timeout 0.6 s", NOW + timedelta(minutes=1))
    assert row.claimed_until is None
    configure(server.port)
    assert send_queued_mail(lambda: NOW + timedelta(minutes=1)) == 1


@pytest.mark.django_db
def test_a_mail_is_sent_when_the_server_has_taken_it_and_no_farewell_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mail, "LETTER_SECONDS", 5)
    queue()
    with slow_server(0, says_farewell=False) as (port, taken):
        configure(port)
        began = time.monotonic()
        assert send_queued_mail(lambda: NOW) == 1
        assert time.monotonic() - began < 4
    assert taken == ["taken"]


def test_two_letters_that_take_all_their_time_end_before_the_task_does() -> None:
    assert ROUND.total_seconds() + mail.LETTER_SECONDS < seconds_of("send_mail")


@pytest.mark.django_db
def test_a_round_begins_no_letter_when_its_time_is_over(server: MailBox) -> None:
    configure(server.port)
    for number in range(5):
        queue(f"contact_lost:{number}")
    moments = (NOW + number * timedelta(seconds=4) for number in itertools.count())
    assert 0 < send_queued_mail(lambda: next(moments)) < 5


@pytest.mark.django_db
@pytest.mark.parametrize(
    "end", [TimeoutException("Task exceeded maximum timeout"), SystemExit(1), ValueError()]
)
def test_whatever_ends_a_sending_its_mail_is_put_off_and_fails_after_a_day(
    monkeypatch: pytest.MonkeyPatch, end: BaseException
) -> None:
    def ended(letter: mail.Letter, server: mail.MailServer) -> None:
        raise end

    configure(free_port())
    queue()
    monkeypatch.setattr(mail, "send", ended)
    name = type(end).__name__
    for at, state in ((NOW, MailState.QUEUED), (NOW + timedelta(hours=25), MailState.FAILED)):
        with pytest.raises(type(end)):
            send_queued_mail(lambda moment=at: moment)  # type: ignore[misc]
        row = OutgoingMail.objects.get()
        assert (row.state, row.last_error, row.claimed_until) == (state, f"mail_broken_off {name}", None)
        OutgoingMail.objects.update(attempts=LEAST_ATTEMPTS)
        assert row.next_attempt_at > at
    assert name in error_sentence(row.last_error)


@pytest.mark.django_db
def test_a_mail_that_the_server_refuses_does_not_hold_up_the_others(server: MailBox) -> None:
    configure(server.port)
    queue("contact_lost:1", "nobody@firma.example")
    queue("contact_lost:2")
    server.refused = "nobody@firma.example"
    assert send_queued_mail(lambda: NOW) == 1
    assert OutgoingMail.objects.get(state=MailState.QUEUED).last_error.startswith("smtp_refused 550")


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_send_each_mail_once(server: MailBox) -> None:
    configure(server.port)
    for number in range(12):
        queue(f"contact_lost:{number}")
    start = threading.Barrier(2)

    def work() -> None:
        start.wait()
        try:
            send_queued_mail(lambda: NOW)
        finally:
            connection.close()

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(server.mails) == 12
    assert len({mail["Message-ID"] for mail in server.mails}) == 12


@pytest.mark.django_db
@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
def test_the_test_mail_is_sent_at_once_with_log_in() -> None:
    with smtp_server(login=("klucze", "hasło-ąę")) as box:
        configure(box.port, smtp_login="klucze", smtp_password="hasło-ąę")
        send_test_mail(NOW, COMMAND, "it@firma.example", "pl")
        assert len(box.mails) == 1


@pytest.mark.django_db
@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
def test_the_test_mail_says_what_the_server_refused() -> None:
    with smtp_server(login=("klucze", "dobre")) as box:
        configure(box.port, smtp_login="klucze", smtp_password="tajne-haslo")
        with pytest.raises(Refused) as refused:
            send_test_mail(NOW, COMMAND, "it@firma.example", "en")
    assert refused.value.code == "smtp_login"
    assert "127.0.0.1" in str(refused.value.detail)
    assert "tajne-haslo" not in repr(refused.value.data) + str(refused.value.detail)


@pytest.mark.django_db
@pytest.mark.parametrize("by", ["file", "page"])
def test_a_mail_server_whose_certificate_is_of_the_companys_ca_is_trusted(
    settings: Any, tmp_path: Path, by: str
) -> None:
    authority = trustme.CA()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    with smtp_server(tls=tls) as box:
        configure(box.port, smtp_security=MailSecurity.TLS)
        with pytest.raises(Refused, match="smtp_tls"):
            send_test_mail(NOW, COMMAND, "it@firma.example", "pl")
        if by == "file":
            authority.cert_pem.write_to_path(tmp_path / "ca.pem")
            settings.KEYMANAGER = dataclasses.replace(settings.KEYMANAGER, ca_file=tmp_path / "ca.pem")
        else:
            Configuration.objects.update(company_ca=authority.cert_pem.bytes().decode())
        send_test_mail(NOW, COMMAND, "it@firma.example", "pl")
        assert len(box.mails) == 1


@pytest.mark.django_db
def test_a_handshake_that_never_ends_ends_with_the_letters_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail, "LETTER_SECONDS", 0.4)
    with hanging_server() as port:
        configure(port, smtp_security=MailSecurity.TLS)
        with pytest.raises(Refused, match="smtp_timeout"):
            send_test_mail(NOW, COMMAND, "it@firma.example", "pl")


@pytest.mark.django_db
def test_only_an_administrator_sends_the_test_mail() -> None:
    with pytest.raises(Refused, match="not_permitted"):
        send_test_mail(NOW, Actor("ola", Role.OPERATOR), "it@firma.example", "pl")


@pytest.mark.parametrize(
    "code", ["smtp_unreachable", "smtp_tls", "smtp_login", "smtp_refused", "smtp_dropped", "smtp_timeout"]
)
def test_every_cause_has_a_sentence_that_names_the_server(code: str) -> None:
    assert "mail.firma.example" in sentence(code, {"host": "mail.firma.example", "port": 25, "said": "x"})
