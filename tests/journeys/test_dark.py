"""The vendor out of reach for 70 hours: each way to a code, as the administrator goes it, renews."""

import re
import smtplib
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from licensing.models import Role
from licensing.operations.lease_values import LeaseCall
from licensing.operations.leases import HeldLease, checkout, heartbeat
from licensing.protocol.slots import slot_end, slot_of
from tests.authority_process import running_authority
from tests.factories import make_client, request, take
from tests.portal_process import wait_until
from tests.smtp import MailBox, smtp_server
from tests.vendor_link import KEY, Link, link_to
from tests.web.visitors import Visitor, logged_in, words

ADDRESS = "mk@comarch.pl"


@pytest.fixture
def inbox() -> Iterator[MailBox]:
    """Where the administrator's mail arrives."""
    with smtp_server() as box:
        yield box


@pytest.fixture
def dark(
    db: None, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inbox: MailBox
) -> Iterator[Link]:
    """A key whose last contact was 70 hours ago, at noon; portal time passes with the test's clock."""
    from licensing.operations import clock

    settings.KEYMANAGER = settings.KEYMANAGER  # noted, so that it is put back
    with running_authority(tmp_path, smtp=True, relay_port=inbox.port) as authority:
        authority.add_key()
        link = link_to(authority)
        monkeypatch.setattr(clock, "clocks", link.reading)
        link.wait_until(12)
        link.add()
        authority.mode("refuse")
        link.wait(hours=70)
        assert link.contact().outcome == "connection_lost"
        yield link


def by_sms(link: Link, message: str, inbox: MailBox) -> str:
    """The text of the SMS that the vendor's gateway sends back."""
    return f"Twój kod: {link.code(message.lower())}"


def by_telephone(link: Link, message: str, inbox: MailBox) -> str:
    """What the consultant reads out from the desk's page."""
    page = link.authority.request("POST", "/desk", data={"message": message.replace("-", " ")}).text
    boxes = re.findall(r"<span>([0-9A-Z]{4})</span>", page)
    assert len(boxes) == 4, page
    return " ".join(boxes)


def by_mail(link: Link, message: str, inbox: MailBox) -> str:
    """The text of the mail that comes back."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "it@firma.example", ADDRESS, "kod"
    mail.set_content(f"Dzień dobry,\n{message}\n")
    assert link.authority.smtp_port is not None
    with smtplib.SMTP("127.0.0.1", link.authority.smtp_port, timeout=20) as smtp:
        smtp.send_message(mail)
    wait_until(lambda: inbox.mails, 30)
    assert inbox.mails[0]["To"] == "it@firma.example"
    return str(inbox.mails[0].get_content())


def message_on(visitor: Visitor) -> str:
    found = re.search(r'id="message">(ERP EN [0-9A-Z-]+)<', visitor.get("offline").content.decode())
    assert found
    return found[1]


def pasted(visitor: Visitor, text: str, channel: str) -> str:
    """What the page says to the whole answer, pasted into its first box."""
    return words(visitor.post("offline_code", first=text, channel=channel))


def proven(link: Link) -> datetime:
    return min(link.now(), slot_end(slot_of(link.now()))) + timedelta(hours=72)


@pytest.mark.parametrize(
    ("channel", "ask"), [("sms", by_sms), ("mail", by_mail), ("telephone", by_telephone)]
)
def test_each_channel_renews_at_seventy_hours_and_on_the_days_after(
    dark: Link, inbox: MailBox, channel: str, ask: Callable[[Link, str, MailBox], str]
) -> None:
    olga, client = logged_in(Role.OPERATOR, "olga"), make_client()
    lease = take(client, "HANDEL", now=dark.now())
    for _ in range(3):
        inbox.mails.clear()
        assert "The modules work until" in pasted(olga, ask(dark, message_on(olga), inbox), channel)
        assert abs(dark.held(KEY).contact_deadline - proven(dark)) < timedelta(minutes=1)
        dark.wait(days=1)
    dark.wait(hours=47)
    (outcome,) = checkout([request(client, "HANDEL")], dark.now())
    assert not isinstance(outcome, Exception), "on the third day after the last code"
    (ended,) = heartbeat([LeaseCall(client.pk, lease.id)], dark.now())
    assert not isinstance(ended, HeldLease), "no code revives what nobody kept alive"
