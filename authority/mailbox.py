"""The activation mailbox: a mail with a message is answered with the code, or with the reason against it.

No loop is possible: what a program sent is never answered, answers say that they are automatic, leave with
an empty sender, quote nothing of the mail, and one address gets a bounded number of them.
"""

import asyncio
import logging
import sqlite3
import time
from collections import deque
from collections.abc import Callable
from datetime import datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from typing import Any

from .desk import Desk, NoCode
from .mail_reading import ANSWERED_BY, find_message, is_automatic, reply_address
from .outbox import Outbox
from .refusals import language_of, refusal_sentence
from .store import StoreBusy

_LOG = logging.getLogger(__name__)
MOST_MAIL_BYTES = 512 * 1024
MOST_RECIPIENTS = 10
MOST_ANSWERS_AN_HOUR = 60
_HOUR = 3600

_SUBJECTS = {"PL": "Kod aktywacyjny", "EN": "Activation code"}
_CODES = {
    "PL": "Twój kod: {code}\n\nWpisz go w programie jeszcze dziś (dzień liczony według czasu UTC).\n",
    "EN": "Your code: {code}\n\nEnter it in the program today (the day is counted in UTC).\n",
}
_REFUSALS = {
    "PL": "Nie można wydać kodu.\n\n{sentence}\n\nPrzyczyna: {reason}\n",
    "EN": "No code can be given.\n\n{sentence}\n\nReason: {reason}\n",
}


class Mailbox:
    """Reads mails and queues answers."""

    def __init__(self, desk: Desk, outbox: Outbox, now: Callable[[], datetime]) -> None:
        self._desk = desk
        self._outbox = outbox
        self._now = now
        self._answers: dict[str, deque[float]] = {}

    def receive(self, data: bytes, envelope_sender: str | None, own_addresses: list[str]) -> bool:
        """Queues the answer to a mail, durably; False where the mail is none to answer."""
        mail = message_from_bytes(data, _class=EmailMessage, policy=policy.default)
        recipient = reply_address(mail)
        if recipient is None or is_automatic(mail, envelope_sender, own_addresses):
            return False
        message = find_message(mail)
        if message is None or not self._may_answer(recipient.lower()):
            return False
        now = self._now()
        text = self._text(message, now)
        answer = _compose(mail, own_addresses[0], recipient, language_of(message), text, now)
        self._outbox.put(recipient, answer.as_bytes(policy=policy.SMTP))
        return True

    def _text(self, message: str, now: datetime) -> str:
        language = language_of(message)
        try:
            code = self._desk.answer(message, now, "mail")
        except NoCode as refusal:
            sentence = refusal_sentence(refusal, language)
            return _REFUSALS[language].format(sentence=sentence, reason=refusal.reason)
        return _CODES[language].format(code=code)

    def _may_answer(self, recipient: str) -> bool:
        """Counts the answers to one address within the last hour."""
        since = time.monotonic() - _HOUR
        for address in [address for address, times in self._answers.items() if times[-1] < since]:
            del self._answers[address]
        times = self._answers.setdefault(recipient, deque(maxlen=MOST_ANSWERS_AN_HOUR))
        if len(times) == MOST_ANSWERS_AN_HOUR and times[0] > since:
            return False
        times.append(time.monotonic())
        return True


def _compose(
    mail: EmailMessage, own: str, recipient: str, language: str, text: str, now: datetime
) -> EmailMessage:
    answer = EmailMessage(policy=policy.SMTP)
    answer["From"] = own
    answer["To"] = recipient
    answer["Subject"] = _SUBJECTS[language]
    answer["Date"] = format_datetime(now)
    answer["Message-ID"] = make_msgid(domain=own.rpartition("@")[2] or "authority")
    answer["Auto-Submitted"] = "auto-replied"
    answer[ANSWERED_BY] = "1"
    asked = str(mail.get("Message-ID", "")).strip()
    if asked.isascii() and asked.isprintable() and 0 < len(asked) <= 250:
        answer["In-Reply-To"] = asked
        answer["References"] = asked
    answer.set_content(text, cte="quoted-printable")
    return answer


class MailHandler:
    """The door for SMTP: aiosmtpd calls these, one mail at a time goes on to the mailbox."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox
        self._lock = asyncio.Lock()

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        """Takes any address: which ones lead here is the mail system's affair."""
        if len(envelope.rcpt_tos) >= MOST_RECIPIENTS:
            return "452 4.5.3 Too many recipients"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        """Takes responsibility for a mail only once its answer is on the disk."""
        receive = self._mailbox.receive
        try:
            async with self._lock:
                answered = await asyncio.to_thread(
                    receive, envelope.content, envelope.mail_from, list(envelope.rcpt_tos)
                )
        except (StoreBusy, sqlite3.Error):
            return "451 4.3.0 Try again later"
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            _LOG.warning("a mail could not be read", exc_info=True)
            return "250 2.0.0 OK, not understood"
        _LOG.info("mail %s", "answered" if answered else "not answered")
        return "250 2.0.0 OK"
