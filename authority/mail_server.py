"""The SMTP listener of the activation mailbox."""

from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP

from .mailbox import MOST_MAIL_BYTES, Mailbox, MailHandler

IDLE_SECONDS = 60


class _MailController(Controller):
    def factory(self) -> Any:
        return SMTP(
            self.handler,
            data_size_limit=MOST_MAIL_BYTES,
            enable_SMTPUTF8=True,
            ident="activation mailbox",
            timeout=IDLE_SECONDS,
        )


def open_mail_server(mailbox: Mailbox, host: str, port: int) -> Controller:
    """Listens in a thread of its own until its stop() is called."""
    controller = _MailController(MailHandler(mailbox), hostname=host, port=port)
    controller.start()
    return controller
