"""A real SMTP server on loopback for tests, with the faults that real ones have."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from licensing.serving.ports import free_port


@dataclass
class MailBox:
    """What arrived, and how the server behaves.

    `answer` is what it says after the text of a mail, `refused` an address that it does not know.
    """

    answer: str = "250 OK"
    drop_after_data: bool = False
    login: tuple[str, str] | None = None
    refused: str = ""
    mails: list[EmailMessage] = field(default_factory=list)
    port: int = 0

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        if address == self.refused:
            return "550 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.answer.startswith("250"):
            message = message_from_bytes(envelope.content, policy=policy.default)
            assert isinstance(message, EmailMessage)
            self.mails.append(message)
        if self.drop_after_data:
            server.transport.abort()
        return self.answer

    def authenticate(self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        good = isinstance(data, LoginPassword) and self.login == (data.login.decode(), data.password.decode())
        return AuthResult(success=good, handled=False)


@contextmanager
def smtp_server(login: tuple[str, str] | None = None, tls: ssl.SSLContext | None = None) -> Iterator[MailBox]:
    """A server that runs as long as the block; with `login`, it takes mail after that log-in alone.

    With `tls` it speaks TLS from the first byte.
    """
    box = MailBox(login=login, port=free_port())
    controller = Controller(
        box,
        hostname="127.0.0.1",
        port=box.port,
        authenticator=box.authenticate if login else None,
        auth_required=login is not None,
        auth_require_tls=False,
        ssl_context=tls,
    )
    controller.start()
    try:
        yield box
    finally:
        controller.stop()
