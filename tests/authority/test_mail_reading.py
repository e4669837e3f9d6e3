"""Finding the message in a mail as mail programs write it, and telling people's mails from programs'."""

import re
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest

from authority.mail_reading import find_message, is_automatic, reply_address

GROUPS = "2JM1-R4BY-FSZM-30E9-QMEV-49D5-36G2"
FOUND = "ERPPL" + GROUPS.replace("-", "")
OWN = ["mk@comarch.pl"]


def mail(text: str = "", html: str | None = None, **headers: str) -> EmailMessage:
    """A mail as it arrives: written out and read again."""
    message = EmailMessage()
    message["From"] = "Anna Nowak <anna@firma.pl>"
    message["To"] = OWN[0]
    for name, value in headers.items():
        del message[name.replace("_", "-")]
        message[name.replace("_", "-")] = value
    message.set_content(text)
    if html is not None:
        message.add_alternative(html, subtype="html")
    return read(message.as_bytes())


def found_in(message: EmailMessage) -> str:
    """The message in a mail without what does not matter."""
    return re.sub(r"[\s-]", "", find_message(message) or "").upper()


def read(data: bytes) -> EmailMessage:
    return message_from_bytes(data, _class=EmailMessage, policy=policy.default)


@pytest.mark.parametrize(
    "text",
    [
        f"ERP PL {GROUPS}",
        f"Dzień dobry,\n\nerp pl {GROUPS.lower()}\n\nPozdrawiam,\nAnna Nowak\ntel. 12 345 67 89",
        f"> ERP PL {GROUPS}\n> Anna",
        f"> ERP PL {GROUPS[:20]}\n>> {GROUPS[20:]}",
        f"Since ERP PL 2026 it is slow. ERP PL 2026 or ERP PL {GROUPS}",
        "ERP  PL\n2JM1-R4BY-FSZM-30E9-\n QMEV-49D5-36G2",
        "ERP PL " + GROUPS.replace("-", " "),
        "ERP PL " + GROUPS.replace("-", ""),
        "ERP\u00a0PL " + GROUPS.replace("-", "\u2011"),
        "ERP PL " + GROUPS.replace("-", " \u2013 "),
        f"Using ERP PL since May. Please: ERP PL {GROUPS}.",
    ],
)
def test_a_message_is_found_in_plain_text(text: str) -> None:
    assert found_in(mail(text)) == FOUND


@pytest.mark.parametrize(
    "html",
    [
        f"<p>ERP PL {GROUPS}</p>",
        f"<style>p {{}}</style><b>ERP</b> <i>PL</i>&nbsp;{GROUPS[:10]}<span>{GROUPS[10:]}</span>",
        f"<div>ERP PL<br>{GROUPS}</div><div>Anna</div>",
        f"<script>ERP PL 1111-1111</script><p>ERP PL {GROUPS.replace('-', '&#8209;')}",
    ],
)
def test_a_message_is_found_in_html(html: str) -> None:
    assert found_in(mail("", html)) == FOUND
    only = EmailMessage()
    only.set_content(html, subtype="html", cte="base64")
    assert found_in(read(only.as_bytes())) == FOUND


@pytest.mark.parametrize("charset", ["utf-8", "iso-8859-2", "windows-1250", "utf-16", "x-unheard-of"])
def test_a_message_is_found_in_any_character_set(charset: str) -> None:
    encoding = "ascii" if charset == "x-unheard-of" else charset
    text = f"Zażółć\nERP PL {GROUPS}" if encoding != "ascii" else f"ERP PL {GROUPS}"
    head = f"Content-Type: text/plain; charset={charset}\nContent-Transfer-Encoding: 8bit\n\n".encode()
    assert found_in(read(head + text.encode(encoding))) == FOUND


def test_a_mistyped_message_is_still_a_message() -> None:
    assert find_message(mail("ERP EN 2JM1-R4BY-FSZM")) == "ERP EN 2JM1-R4BY-FSZM"


@pytest.mark.parametrize(
    "text", ["", "Dzień dobry", "We use ERP PL and like it", GROUPS, f"ERP DE {GROUPS}", f"XERP PL {GROUPS}"]
)
def test_a_mail_without_a_message_has_none(text: str) -> None:
    assert find_message(mail(text)) is None


def test_attachments_are_not_read() -> None:
    message = EmailMessage()
    message.set_content("See the file.")
    message.add_attachment(f"ERP PL {GROUPS}", filename="message.txt")
    assert find_message(read(message.as_bytes())) is None


def test_the_answer_goes_to_reply_to_or_else_to_from() -> None:
    assert reply_address(mail()) == "anna@firma.pl"
    assert reply_address(mail(Reply_To="Biuro <biuro@firma.pl>, b@firma.pl")) == "biuro@firma.pl"
    assert reply_address(mail(From="nobody")) is None
    assert reply_address(read(b"Subject: x\n\nx")) is None
    assert reply_address(read(b"From: a@b.pl\nReply-To: <x y@z.pl>\n\nx")) in (None, "a@b.pl")


def test_a_persons_mail_is_not_automatic() -> None:
    assert not is_automatic(mail(), "anna@firma.pl", OWN)
    assert not is_automatic(mail(Auto_Submitted="no"), "anna@firma.pl", OWN)


@pytest.mark.parametrize(
    "headers",
    [
        {"Auto_Submitted": "auto-replied"},
        {"Auto_Submitted": "auto-generated; owner-email=x"},
        {"Precedence": "Bulk"},
        {"Precedence": "auto_reply"},
        {"X_Autoreply": "yes"},
        {"X_Auto_Response_Suppress": "All"},
        {"List_Id": "<list.firma.pl>"},
        {"X_Licence_Authority": "1"},
        {"From": "MAILER-DAEMON@firma.pl"},
        {"From": "no-reply@firma.pl"},
        {"From": "MK@comarch.pl"},
        {"Reply_To": "mk@comarch.pl"},
    ],
)
def test_a_programs_mail_is_automatic(headers: dict[str, str]) -> None:
    assert is_automatic(mail(**headers), "anna@firma.pl", OWN)


@pytest.mark.parametrize("sender", ["", None, "<>"])
def test_a_mail_from_nobody_is_a_bounce(sender: str | None) -> None:
    assert is_automatic(mail(), sender, OWN)


def test_a_delivery_report_is_automatic() -> None:
    report = read(b"From: a@b.pl\nContent-Type: multipart/report; boundary=b\n\n--b\n\nx\n--b--\n")
    assert is_automatic(report, "a@b.pl", OWN)
