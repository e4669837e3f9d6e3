"""Carrying one letter to an SMTP server. Knows no models: what to send and where comes from operations."""

import smtplib
import socket
import ssl
from dataclasses import dataclass, field
from typing import Any

from django.core.mail import EmailMultiAlternatives
from django.core.mail.backends.smtp import EmailBackend

# An SMTP server may be slow at each step; the worker's task has 60 s in all.
STEP_SECONDS = 10


@dataclass(frozen=True)
class MailServer:
    """Where mail is handed over, and how."""

    host: str
    port: int
    security: str  # "none", "starttls" or "tls"
    login: str
    password: str = field(repr=False)
    sender: str


@dataclass(frozen=True)
class Letter:
    """One mail to one address. `message_id` stays the same however often it is sent."""

    recipient: str
    subject: str
    text: str
    html: str
    message_id: str


class MailError(Exception):
    """A letter was not taken. `code` names the cause; the sentence names the server and what to do."""

    def __init__(self, code: str, server: MailServer, said: str = "") -> None:
        self.code = code
        self.params = {"host": server.host, "port": server.port, "said": said[:200]}
        super().__init__(code)


def send(letter: Letter, server: MailServer) -> None:
    """Hand a letter over.

    Raises:
        MailError: smtp_unreachable, smtp_tls, smtp_login, smtp_refused, smtp_dropped, smtp_timeout.
    """
    message = EmailMultiAlternatives(
        letter.subject,
        letter.text,
        server.sender,
        [letter.recipient],
        headers={"Message-ID": letter.message_id, "Auto-Submitted": "auto-generated"},
    )
    if letter.html:
        message.attach_alternative(letter.html, "text/html")
    try:
        message.connection = _Backend(
            # An IPv6 address may stand in brackets, as it does in addresses of pages.
            host=server.host.removeprefix("[").removesuffix("]"),
            port=server.port,
            username=server.login,
            password=server.password,
            use_tls=server.security == "starttls",
            use_ssl=server.security == "tls",
            timeout=STEP_SECONDS,
        )
        message.send()
    except (OSError, smtplib.SMTPException, UnicodeError) as error:
        raise MailError(_code(error), server, _said(error)) from error


def _code(error: Exception) -> str:
    match error:
        case ssl.SSLError() | smtplib.SMTPNotSupportedError():
            return "smtp_tls"
        case smtplib.SMTPAuthenticationError():
            return "smtp_login"
        case smtplib.SMTPServerDisconnected(__context__=TimeoutError()):
            return "smtp_timeout"
        case smtplib.SMTPServerDisconnected():
            return "smtp_dropped"
        case smtplib.SMTPException() | UnicodeError():
            return "smtp_refused"
        case socket.gaierror() | TimeoutError() | OSError():
            return "smtp_unreachable"
        case _:
            return "smtp_refused"


def _said(error: Exception) -> str:
    """What the server said, in one line: its own words help more than ours."""
    match error:
        case smtplib.SMTPResponseException():
            said = error.smtp_error
            text = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
            return f"{error.smtp_code} {' '.join(text.split())}"
        case smtplib.SMTPRecipientsRefused():
            return "; ".join(
                f"{code} {reply.decode('utf-8', 'replace')}" for code, reply in error.recipients.values()
            )
        case _:
            return " ".join(str(error).split())


class _Utf8(str):
    """Text that smtplib, which asks for ASCII, encodes as UTF-8 all the same (RFC 4954, RFC 4616)."""

    __slots__ = ()

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        return super().encode("utf-8", errors)


class _Utf8LogIn(smtplib.SMTP):
    """Log-in with names and passwords that have letters beyond ASCII."""

    def login(self, user: str, password: str, *, initial_response_ok: bool = True) -> tuple[int, bytes]:
        return super().login(_Utf8(user), _Utf8(password), initial_response_ok=initial_response_ok)

    def auth_plain(self, challenge: Any = None) -> str:
        return _Utf8(super().auth_plain(challenge))


class _SmtpOverTls(_Utf8LogIn, smtplib.SMTP_SSL):
    """The same over TLS from the first byte."""


class _Backend(EmailBackend):
    @property
    def connection_class(self) -> type[smtplib.SMTP]:
        return _SmtpOverTls if self.use_ssl else _Utf8LogIn
