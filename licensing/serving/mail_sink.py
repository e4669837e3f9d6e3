"""The demo's mail server: `python -m licensing.serving.mail_sink`.

Every mail is written into a folder as an .eml file; mails to the activation mailbox also go on to the
authority, which stands behind it.
"""

import argparse
import asyncio
import itertools
import logging
import os
import smtplib
import threading
import time
from pathlib import Path

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

log = logging.getLogger(__name__)
FORWARD_SECONDS = 10


class Sink:
    """Takes every mail."""

    def __init__(self, outbox: Path, mailbox: str, forward: tuple[str, int]) -> None:
        self._outbox = outbox
        self._mailbox = mailbox.lower()
        self._forward = forward
        self._numbers = itertools.count(1)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Store a mail before it is acknowledged."""
        content = envelope.content if isinstance(envelope.content, bytes) else b""
        self._store(content)
        if any(recipient.lower() == self._mailbox for recipient in envelope.rcpt_tos):
            loop = asyncio.get_running_loop()
            loop.run_in_executor(None, self._pass_on, envelope.mail_from or "", content)
        return "250 OK"

    def _store(self, content: bytes) -> None:
        name = f"{time.strftime('%Y%m%dT%H%M%S')}-{os.getpid()}-{next(self._numbers):04d}.eml"
        draft = self._outbox / f".{name}"
        draft.write_bytes(content)
        # Whoever watches the folder finds whole mails only.
        draft.replace(self._outbox / name)

    def _pass_on(self, sender: str, content: bytes) -> None:
        try:
            with smtplib.SMTP(*self._forward, timeout=FORWARD_SECONDS) as smtp:
                smtp.sendmail(sender, [self._mailbox], content)
        except (OSError, smtplib.SMTPException) as error:
            log.warning("a mail could not be passed on to the authority's mailbox: %s", type(error).__name__)


def main() -> None:
    """Take mails until a signal."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--outbox", type=Path, required=True)
    parser.add_argument("--mailbox", required=True, help="the address whose mails go on")
    parser.add_argument("--forward-port", type=int, required=True, help="where they go")
    options = parser.parse_args()
    options.outbox.mkdir(parents=True, exist_ok=True)
    sink = Sink(options.outbox, options.mailbox, ("127.0.0.1", options.forward_port))
    Controller(sink, hostname="127.0.0.1", port=options.port, enable_SMTPUTF8=True).start()
    threading.Event().wait()


if __name__ == "__main__":
    main()
