"""Carrying one letter to an SMTP server. Knows no models: what to send and where comes from operations."""

import contextlib
import smtplib
import socket
import ssl
import threading
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from django.core.mail import EmailMultiAlternatives
from django.core.mail.backends.smtp import EmailBackend
from django.utils.functional import cached_property

# An SMTP server may be slow at each step, and with a letter it may take this long in all. Twice that is still
# less than the worker's task has, which is ended wherever it stands.
STEP_SECONDS = 10
LETTER_SECONDS = 25


@dataclass(frozen=True)
class MailServer:
    """Where mail is handed over, and how."""

    host: str
    port: int
    security: str  # "none", "starttls" or "tls"
    login: str
    password: str = field(repr=False)
    sender: str
    # A company's CA, trusted besides the system's.
    ca_file: Path | None = None
    ca_pem: str = ""


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
    with _Deadline(LETTER_SECONDS) as deadline:
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
            message.connection.deadline = deadline
            message.connection.server = server
            message.send()
        except (OSError, smtplib.SMTPException, UnicodeError) as error:
            if deadline.is_over:
                raise MailError("smtp_timeout", server, f"{LETTER_SECONDS} s") from error
            raise MailError(_code(error), server, _said(error)) from error


class _Deadline:
    """Ends a connection after some seconds, whatever it waits for: who drips keeps each step short."""

    def __init__(self, seconds: float) -> None:
        self._until = time.monotonic() + seconds
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True
        self._lock = threading.Lock()
        self._line: socket.socket | None = None

    def __enter__(self) -> "_Deadline":
        self._timer.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._timer.cancel()
        with self._lock:
            if self._line is not None:
                self._line.close()
                self._line = None

    @property
    def is_over(self) -> bool:
        """Whether the time has passed."""
        return time.monotonic() >= self._until

    def watch(self, line: socket.socket) -> None:
        """End this connection at the deadline, also when TLS has been laid over it meanwhile."""
        with self._lock:
            self._line = line.dup()
        if self.is_over:
            self._end()

    def _end(self) -> None:
        with self._lock, contextlib.suppress(OSError):
            if self._line is not None:
                self._line.shutdown(socket.SHUT_RDWR)


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


class _Watched(smtplib.SMTP):
    """A connection that ends with its deadline and is not kept open for a word of farewell."""

    _deadline: _Deadline

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        line: socket.socket = super()._get_socket(host, port, timeout)  # type: ignore[misc]
        self._deadline.watch(line)
        return line

    def quit(self) -> tuple[int, bytes]:
        """Take leave without waiting for the answer: the mail was taken when the server said so."""
        with contextlib.suppress(OSError, smtplib.SMTPException):
            self.putcmd("quit")
        self.close()
        return 221, b""


class _Utf8LogIn(smtplib.SMTP):
    """Log-in with names and passwords that have letters beyond ASCII."""

    def __init__(self, *args: Any, deadline: _Deadline, **options: Any) -> None:
        self._deadline = deadline
        super().__init__(*args, **options)

    def login(self, user: str, password: str, *, initial_response_ok: bool = True) -> tuple[int, bytes]:
        return super().login(_Utf8(user), _Utf8(password), initial_response_ok=initial_response_ok)

    def auth_plain(self, challenge: Any = None) -> str:
        return _Utf8(super().auth_plain(challenge))


class _Smtp(_Utf8LogIn, _Watched):
    """What mails go through, in clear or with STARTTLS."""


class _SmtpOverTls(_Utf8LogIn, smtplib.SMTP_SSL, _Watched):
    """The same over TLS from the first byte."""


class _Backend(EmailBackend):
    deadline: _Deadline
    server: MailServer

    @cached_property
    def ssl_context(self) -> ssl.SSLContext:
        """What the system trusts, and the company."""
        context = ssl.create_default_context()
        if self.server.ca_file is not None:
            context.load_verify_locations(cafile=self.server.ca_file)
        if self.server.ca_pem:
            context.load_verify_locations(cadata=self.server.ca_pem)
        return context

    @property
    def connection_class(self) -> Any:
        return partial(_SmtpOverTls if self.use_ssl else _Smtp, deadline=self.deadline)
