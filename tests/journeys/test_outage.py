"""An outage of 80 hours against a real authority and a real mail server, as the administrator lives it."""

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest

from licensing.operations.activation import activate_offline
from licensing.operations.actors import COMMAND
from licensing.operations.alerts import raise_alerts
from licensing.operations.mail_queue import send_queued_mail
from licensing.operations.status import status
from tests.operations.alerting import facts, settings_for_mail
from tests.operations.conftest import authority, link
from tests.smtp import MailBox, smtp_server
from tests.vendor_link import KEY, Link

__all__ = ["authority", "link"]


@pytest.fixture
def inbox(link: Link) -> Iterator[MailBox]:
    with smtp_server() as box:
        settings_for_mail(box.port, admin_email="it@firma.example:en")
        yield box


def live(link: Link, hours: float) -> None:
    """The worker's minutes, every half hour of them."""
    for _ in range(int(hours * 2)):
        link.wait(minutes=30)
        link.tick()
        raise_alerts(link.now())
        send_queued_mail(link.now)


def subjects(inbox: MailBox) -> list[str]:
    return [str(mail["Subject"]) for mail in inbox.mails]


def test_nobody_is_surprised_in_the_morning(link: Link, inbox: MailBox) -> None:
    link.add()
    link.authority.mode("refuse")
    live(link, 20)
    inbox.answer = "451 the mail server has troubles of its own"
    live(link, 8)
    inbox.answer = "250 OK"
    live(link, 52)
    lost = f"Key {KEY}: no contact with the vendor for 72 hours, its modules have stopped"
    assert subjects(inbox) == [
        *[f"Key {KEY}: no contact with the vendor for {at} h, {72 - at} h left" for at in (4, 24, 48, 66)],
        lost,
    ]
    assert status(link.now()).light == "red"
    assert len({mail["Message-ID"] for mail in inbox.mails}) == 5

    link.authority.mode("ok")
    live(link, 2)
    assert subjects(inbox)[5:] == [f"Key {KEY}: contact with the vendor is back"]
    assert status(link.now()).light == "green"
    live(link, 10)
    assert len(inbox.mails) == 6, "all is well and nothing is told"


def test_the_warning_holds_what_is_needed_to_go_on_without_a_network(link: Link, inbox: MailBox) -> None:
    link.wait_until(4)
    link.add()
    link.authority.mode("refuse")
    live(link, 7)
    (warning,) = inbox.mails
    body = warning.get_body(("plain",))
    assert body is not None
    text = body.get_content()
    assert "Why: The connection to 127.0.0.1:" in text
    assert "What was tried since the last contact (" in text
    message = re.search(r"ERP EN (?:[0-9A-Z]{4}-){6}[0-9A-Z]{4}", text)
    assert message is not None
    renewal = activate_offline(link.now(), COMMAND, link.code(message[0]), "mail")
    assert renewal.valid_until > link.now() + timedelta(hours=71)
    live(link, 40)
    assert len(inbox.mails) == 1, "whoever has just used a code is not warned of what he knows"
    live(link, 32)
    kinds = [fact.rsplit(":", 1)[-1] for fact in facts()]
    assert kinds == ["4", "48", "66", facts()[-1].rsplit(":", 1)[-1]], facts()
    assert facts()[-1].startswith("contact_lost")
