"""The activation mailbox over real SMTP, both ways."""

import re
import smtplib
import threading
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest

from authority.desk import NoCode
from authority.mailbox import MOST_ANSWERS_AN_HOUR, Mailbox
from authority.outbox import Outbox
from authority.refusals import refusal_sentence
from licensing.protocol import CodePack
from licensing.serving.ports import free_port
from tests.authority.material import NOW, NUMBER, Vendor, bind, message_of
from tests.authority.test_mail_reading import mail
from tests.authority_process import RunningAuthority, running_authority
from tests.smtp import MailBox, smtp_server

OWN = "mk@comarch.pl"
CODE = re.compile(r"(?:[0-9A-Z]{4}-){3}[0-9A-Z]{4}")


@pytest.fixture
def relay() -> Iterator[MailBox]:
    with smtp_server() as box:
        yield box


@pytest.fixture
def pack(vendor: Vendor) -> CodePack:
    portal = vendor.installation()
    return portal.pack(vendor.contact(portal, bind()))


def outbox(vendor: Vendor, port: int) -> Outbox:
    return Outbox(vendor.application.store, ("127.0.0.1", port))


def mailbox(vendor: Vendor, box: Outbox) -> Mailbox:
    return Mailbox(vendor.application.desk, box, lambda: NOW)


def waiting(vendor: Vendor) -> list[dict[str, object]]:
    """The answers that the relay has not taken yet."""
    with vendor.application.store.transaction() as tx:
        return [dict(row) for row in tx.execute("SELECT * FROM answer_mail ORDER BY id")]


def wait_until(condition: Callable[[], object]) -> None:
    """Waits for another thread, at most 10 s."""
    pause = threading.Event()
    for _ in range(1000):
        if condition():
            return
        pause.wait(0.01)
    raise AssertionError("it did not happen within 10 s")


def test_a_mail_is_answered_through_the_relay_with_the_code(
    vendor: Vendor, pack: CodePack, relay: MailBox
) -> None:
    message = message_of(pack, NOW)
    box = outbox(vendor, relay.port)
    assert mailbox(vendor, box).receive(
        mail(f"Witam\n{message}\n-- \nAnna", Message_ID="<1@firma.pl>").as_bytes(), "anna@firma.pl", [OWN]
    )
    box.start()
    wait_until(lambda: relay.mails)
    box.stop()
    (answer,) = relay.mails
    text = answer.get_content()
    assert CODE.findall(text) == [vendor.application.desk.answer(message, NOW, "api")]
    assert (answer["From"], answer["To"]) == (OWN, "anna@firma.pl")
    assert (answer["In-Reply-To"], answer["Auto-Submitted"]) == ("<1@firma.pl>", "auto-replied")
    assert "Twój kod" in text
    assert message.removeprefix("ERP PL ") not in text, "a mail that quotes nothing can start no loop"
    assert waiting(vendor) == []


def test_the_reason_is_told_in_the_messages_language(vendor: Vendor, pack: CodePack) -> None:
    vendor.suspend()
    box = mailbox(vendor, outbox(vendor, 1))
    for language in ("PL", "EN"):
        text = message_of(pack, NOW, language=language)
        assert box.receive(mail(text).as_bytes(), "anna@firma.pl", [OWN])
    polish, english = (str(row["message"]) for row in waiting(vendor))
    assert "Przyczyna: suspended" in polish
    assert "Reason: suspended" in english
    assert NUMBER in english


def test_automatic_mails_bounces_and_mails_without_a_message_are_not_answered(
    vendor: Vendor, pack: CodePack
) -> None:
    box = mailbox(vendor, outbox(vendor, 1))
    text = message_of(pack, NOW)
    for unanswered, sender in [
        (mail(text), ""),
        (mail(text, Auto_Submitted="auto-replied"), "anna@firma.pl"),
        (mail(text, From=OWN), OWN),
        (mail("Dzień dobry"), "anna@firma.pl"),
    ]:
        assert not box.receive(unanswered.as_bytes(), sender, [OWN])
    assert waiting(vendor) == []


def test_our_own_answer_is_never_answered(vendor: Vendor, pack: CodePack) -> None:
    box = mailbox(vendor, outbox(vendor, 1))
    box.receive(mail(message_of(pack, NOW)).as_bytes(), "anna@firma.pl", [OWN])
    answer = bytes(waiting(vendor)[0]["message"])  # type: ignore[call-overload]
    assert not box.receive(answer, "anna@firma.pl", ["other@comarch.pl"])


def test_one_address_gets_a_bounded_number_of_answers_an_hour(vendor: Vendor) -> None:
    box = mailbox(vendor, outbox(vendor, 1))
    answered = [
        box.receive(mail("ERP PL 1").as_bytes(), "anna@firma.pl", [OWN])
        for _ in range(MOST_ANSWERS_AN_HOUR + 5)
    ]
    assert answered == [True] * MOST_ANSWERS_AN_HOUR + [False] * 5
    assert box.receive(mail("ERP PL 1", From="b@firma.pl").as_bytes(), "b@firma.pl", [OWN])


def test_an_answer_waits_for_a_relay_that_is_down_and_is_sent_by_the_next_run(
    vendor: Vendor, pack: CodePack, relay: MailBox
) -> None:
    first = outbox(vendor, free_port())
    first.start()
    mailbox(vendor, first).receive(mail(message_of(pack, NOW)).as_bytes(), "anna@firma.pl", [OWN])
    wait_until(lambda: waiting(vendor)[0]["tries"])
    first.stop()
    with vendor.application.store.transaction() as tx:
        tx.execute("UPDATE answer_mail SET next_at = 0")
    second = outbox(vendor, relay.port)
    second.start()
    wait_until(lambda: relay.mails)
    second.stop()
    assert waiting(vendor) == []


def test_an_answer_refused_for_good_is_dropped_and_one_refused_for_now_is_kept(
    vendor: Vendor, relay: MailBox
) -> None:
    box = outbox(vendor, relay.port)
    box.start()
    relay.answer = "550 no such person"
    box.put("anna@firma.pl", b"Subject: x\r\n\r\nx\r\n")
    wait_until(lambda: waiting(vendor) == [])
    relay.answer = "451 later"
    box.put("anna@firma.pl", b"Subject: x\r\n\r\nx\r\n")
    wait_until(lambda: waiting(vendor) and waiting(vendor)[0]["tries"])
    box.stop()
    assert relay.mails == []


@pytest.fixture
def authority(tmp_path: Path, relay: MailBox) -> Iterator[RunningAuthority]:
    with running_authority(tmp_path, smtp=True, relay_port=relay.port) as authority:
        authority.add_key()
        yield authority


def send(authority: RunningAuthority, message: EmailMessage, sender: str = "anna@firma.pl") -> None:
    assert authority.smtp_port is not None
    with smtplib.SMTP("127.0.0.1", authority.smtp_port, timeout=10) as client:
        client.sendmail(sender, [OWN], message.as_bytes(policy=message.policy.clone(linesep="\r\n")))


def test_a_mail_sent_to_the_running_authority_is_answered(
    authority: RunningAuthority, relay: MailBox
) -> None:
    send(
        authority, mail("", "<p>ERP EN <b>2JM1</b>-R4BY-FSZM-30E9-QMEV-49D5-36G2</p>", Reply_To="it@firma.pl")
    )
    wait_until(lambda: relay.mails)
    assert relay.mails[0]["To"] == "it@firma.pl"
    assert "Reason: unknown_key" in relay.mails[0].get_content()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xfe\x00",
        b'From: a@b.pl\r\nContent-Type: text/plain; charset="\xff"\r\n\r\nERP PL 1',
        b"From: =?utf-8?q?=FF?= <a@b.pl>\r\nReply-To: ,,;:<>\r\n\r\nERP PL 1",
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
        + b"--b\r\nContent-Type: multipart/mixed\r\n\r\n" * 2000,
    ],
)
def test_a_mail_that_cannot_be_read_is_taken_and_the_mailbox_goes_on(
    authority: RunningAuthority, relay: MailBox, data: bytes
) -> None:
    assert authority.smtp_port is not None
    with smtplib.SMTP("127.0.0.1", authority.smtp_port, timeout=10) as client:
        client.sendmail("a@b.pl", [OWN], data)
        client.sendmail("anna@firma.pl", [OWN], mail("ERP PL 1", From="good@firma.pl").as_bytes())
    wait_until(lambda: [answer for answer in relay.mails if answer["To"] == "good@firma.pl"])


@pytest.mark.parametrize(
    "reason",
    [
        "mistyped",
        "unknown_key",
        "not_this_key",
        "wrong_day",
        "suspended",
        "clone_suspected",
        "needs_contact",
        "already_answered",
    ],
)
def test_each_reason_has_a_sentence_in_both_languages(reason: str) -> None:
    polish, english = (refusal_sentence(NoCode(reason, NUMBER), language) for language in ("PL", "EN"))
    assert polish != english
    assert "{" not in polish + english
