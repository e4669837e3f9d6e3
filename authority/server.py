"""The HTTP(S) server: a thread per connection, everything bounded, and a prompt end whatever is open."""

import contextlib
import io
import ipaddress
import logging
import select
import socket
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import TCPServer
from typing import Any, cast

from .application import Application
from .exchange import Problem, Request, Response, retry_after

_LOG = logging.getLogger(__name__)
REQUEST_SECONDS = 30
"""For the next request on a connection, from the wait for its first byte to its last one."""
WRITE_SECONDS = 30
HANDSHAKE_SECONDS = 10
STOP_SECONDS = 2
MOST_CONNECTIONS = 512
MOST_BODY_BYTES = 512 * 1024
_DRAIN_SECONDS = 2


class AuthorityServer(ThreadingHTTPServer):
    """Serves an application on one address until told to stop."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(
        self, application: Application, host: str, port: int, tls: tuple[Path, Path] | None = None
    ) -> None:
        self.application = application
        self.stopping = threading.Event()
        self.tls = None if tls is None else _tls_context(*tls)
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), Handler)

    @property
    def url(self) -> str:
        """Where it is reached, with the port that it really has."""
        host, port = self.server_address[:2]
        scheme = "https" if self.tls else "http"
        return f"{scheme}://[{host!s}]:{port}" if ":" in str(host) else f"{scheme}://{host!s}:{port}"

    def server_bind(self) -> None:
        """Binds without asking the name service who we are, which may take seconds."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        """A thread for each connection, up to the limit; beyond it, busy."""
        with self._lock:
            is_full = len(self._open) >= MOST_CONNECTIONS
            if not is_full:
                self._open.add(request)
        if is_full:
            self._turn_away(request)
        else:
            super().process_request(request, client_address)

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Serves one connection in its own thread, after the TLS handshake where there is TLS."""
        if self.tls is None:
            Handler(request, client_address, self)
            return
        request.settimeout(HANDSHAKE_SECONDS)
        with contextlib.closing(self.tls.wrap_socket(request.dup(), server_side=True)) as secured:
            Handler(secured, client_address, self)

    def shutdown_request(self, request: Any) -> None:
        """The connection has ended, in whatever way."""
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away, or broke TLS, is no news."""
        _LOG.debug("connection ended early", exc_info=True)

    def stop(self) -> None:
        """Takes no more connections, ends those that are held, and lets the rest finish for a moment."""
        self.stopping.set()
        self.shutdown()
        self.server_close()
        deadline = time.monotonic() + STOP_SECONDS
        while self._open and time.monotonic() < deadline:
            self._shut(socket.SHUT_RD)
            time.sleep(0.02)
        self._shut(socket.SHUT_RDWR)

    def _shut(self, how: int) -> None:
        """Wakes the threads that wait for a next request (SHUT_RD), or for a client that does not read."""
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(how)

    def _turn_away(self, request: socket.socket) -> None:
        if self.tls is None:
            problem = Problem(503, "busy", "Too many connections.", headers=retry_after(5)).response()
            head = (
                f"HTTP/1.1 503 Service Unavailable\r\nContent-Type: {problem.content_type}\r\n"
                f"Content-Length: {len(problem.body)}\r\nRetry-After: 5\r\nConnection: close\r\n\r\n"
            )
            with contextlib.suppress(OSError):
                request.send(head.encode() + problem.body, socket.MSG_DONTWAIT)
        self.shutdown_request(request)


def _tls_context(certificate: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    return context


class _TimedReader(io.RawIOBase):
    """Reads from a socket up to one deadline, however the bytes drip in."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self.deadline = 0.0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._connection.settimeout(left)
        return self._connection.recv_into(buffer)


class Handler(BaseHTTPRequestHandler):
    """One connection: reads requests, hands them to the application, delivers the responses."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: AuthorityServer

    def setup(self) -> None:
        """Reads by deadline."""
        super().setup()
        self.stopping = self.server.stopping
        self._reader = _TimedReader(self.connection)
        self.rfile = io.BufferedReader(self._reader)

    def handle_one_request(self) -> None:
        """The next request, within its time; none after the server was told to stop."""
        self._reader.deadline = time.monotonic() + REQUEST_SECONDS
        if self.stopping.is_set():
            self.close_connection = True
            return
        try:
            super().handle_one_request()
        except (OSError, ValueError):
            self.close_connection = True

    def _serve(self) -> None:
        try:
            request = self._read_request()
        except Problem as problem:
            self.close_connection = True
            self._deliver(problem.response())
            self._drain()
            return
        self._deliver(self.server.application.handle(request))

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = _serve

    def _read_request(self) -> Request:
        address = ipaddress.ip_address(str(self.client_address[0]).partition("%")[0])
        return Request(
            method=self.command,
            path=self.path.partition("?")[0],
            headers=cast("dict[str, str]", self.headers),
            body=self._read_body(),
            from_loopback=address.is_loopback,
        )

    def _read_body(self) -> bytes:
        if "Transfer-Encoding" in self.headers:
            raise Problem(411, "length_required", "The body's length must be told.")
        announced = self.headers.get("Content-Length", "0")
        if not announced.isascii() or not announced.isdigit() or len(announced) > 15:
            raise Problem(400, "malformed", "Content-Length is no number.")
        length = int(announced)
        if length > MOST_BODY_BYTES:
            raise Problem(413, "too_large", f"At most {MOST_BODY_BYTES} bytes are read.")
        body = self.rfile.read(length)
        if len(body) < length:
            raise ConnectionError("the body ended early")
        return body

    def _drain(self) -> None:
        """Reads on for a moment after a refusal, or the client would lose it with the connection."""
        self._reader.deadline = time.monotonic() + _DRAIN_SECONDS
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
            while self.rfile.read1(65536):
                pass

    def _deliver(self, response: Response) -> None:
        self.connection.settimeout(WRITE_SECONDS)
        response.deliver(self, response)

    def write_head(self, response: Response, length: int | None) -> None:
        """Status line and headers; `length` None announces a body that ends with the connection."""
        self.send_response(response.status)
        self.send_header("Content-Type", response.content_type)
        for name, value in response.headers.items():
            self.send_header(name, value)
        if length is not None:
            self.send_header("Content-Length", str(length))
        if length is None or self.close_connection or self.stopping.is_set():
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()

    def write(self, data: bytes) -> None:
        """Bytes as they are."""
        if self.command != "HEAD":
            self.connection.sendall(data)

    def is_gone(self) -> bool:
        """Whether the other side has closed, or said what nobody asked for."""
        return bool(select.select([self.connection], [], [], 0)[0])

    def drop(self) -> None:
        """Ends the connection at once, whatever was announced."""
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def version_string(self) -> str:
        """The Server header, which need not tell versions."""
        return "authority"

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What the library finds wrong, in the authority's form."""
        self.close_connection = True
        self._deliver(Problem(int(code), "malformed", message or "The request cannot be read.").response())

    def log_message(self, format: str, *args: object) -> None:
        """Each request, for whoever asks for that much."""
        _LOG.debug(format, *args)
