"""Connections of urllib3 that report how far they have come and name their faults, and their adapter."""

import contextlib
import http.client
import re
import socket
import ssl
from functools import partial
from io import BufferedReader
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, connection
from urllib3.poolmanager import PoolManager
from urllib3.response import HTTPResponse

from licensing.vendor import errors, tls
from licensing.vendor.route import Proxy
from licensing.vendor.wire import Stage, Wire

MAX_HEADER_BYTES = 64 * 1024
_TUNNEL_STATUS = re.compile(r"Tunnel connection failed: (\d+)")
_LOG_IN_REFUSED = (http.HTTPStatus.PROXY_AUTHENTICATION_REQUIRED, http.HTTPStatus.UNAUTHORIZED)
"""What proxies say to a wrong log-in: 407, and tinyproxy 401."""
Address = tuple[Any, ...]


class _HeaderReader:
    """Reads header lines from a stream until a limit of bytes is used up."""

    def __init__(self, stream: BufferedReader) -> None:
        self.stream = stream
        self._left = MAX_HEADER_BYTES

    def readline(self, limit: int = -1) -> bytes:
        line = self.stream.readline(min(limit, self._left + 1) if limit >= 0 else self._left + 1)
        self._left -= len(line)
        if self._left < 0:
            raise http.client.LineTooLong("headers")
        return line

    def close(self) -> None:
        self.stream.close()


class _BoundedResponse(http.client.HTTPResponse):
    """An answer whose headers, and any number of interim ones, have a limit; Python's own is 6 MiB."""

    def begin(self) -> None:
        reader = _HeaderReader(self.fp)
        self.fp = reader  # type: ignore[assignment]
        try:
            super().begin()
        finally:
            if self.fp is not None:  # not closed meanwhile
                self.fp = reader.stream

    def _read_next_chunk_size(self) -> int:
        """The size of the next chunk; Python takes one below zero and would read on without a limit."""
        size: int = super()._read_next_chunk_size()  # type: ignore[misc]
        if size < 0:
            raise ValueError("a chunk's size is below zero")
        return size


class _Watched(connection.HTTPConnection):
    """What both kinds of connection share: look-up, connecting, the proxy, the answer's head."""

    response_class = _BoundedResponse
    is_tls = False

    def __init__(self, wire: Wire, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.wire = wire
        self._addresses: list[Address] = []

    def _new_conn(self) -> socket.socket:
        self.wire.enter(Stage.DNS)
        self._addresses = _look_up(self.wire, self.host, self.port)
        self.wire.enter(Stage.PROXY if self.proxy else Stage.TCP)
        sock = _dial(self.wire, self._addresses)
        if self.proxy:
            self.wire.enter(Stage.PROXY_LOGIN)
        else:
            self._way_is_open()
        return sock

    def _tunnel(self) -> None:
        try:
            super()._tunnel()
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise self._tunnel_fault(str(error)) from error
        self.wire.enter(Stage.TCP)
        self._way_is_open()

    def _tunnel_fault(self, text: str) -> errors.VendorError:
        """What a way that the proxy did not open means: http.client tells the status only in a text."""
        status = _TUNNEL_STATUS.match(text)
        if status and int(status[1]) in _LOG_IN_REFUSED:
            return self.wire.error(errors.ProxyLogin)
        if status:
            self.wire.enter(Stage.TCP)
            return self.wire.error(errors.ProxyRefused, status=int(status[1]))
        return self.wire.lost()

    def _way_is_open(self) -> None:
        self.wire.enter(Stage.TLS if self.is_tls else Stage.HTTP)

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]
        try:
            response = super().getresponse()
        except http.client.RemoteDisconnected as error:
            raise self.wire.lost() from error
        except http.client.HTTPException as error:
            raise self.wire.error(errors.NotTheVendor, content=type(error).__name__) from error
        if self.wire.stage is Stage.PROXY_LOGIN:
            self._judge_proxy(response.status, response.headers.get("Content-Type", ""))
        return response

    def _judge_proxy(self, status: int, media: str) -> None:
        """Without a tunnel (http) the answer itself says what the proxy made of the log-in and of the way.

        The authority refuses in problem+json, also with 401; a proxy does not.
        """
        if status in _LOG_IN_REFUSED and "problem+json" not in media:
            raise self.wire.error(errors.ProxyLogin)
        self.wire.enter(Stage.HTTP)
        if status in (http.HTTPStatus.BAD_GATEWAY, http.HTTPStatus.GATEWAY_TIMEOUT):
            raise self.wire.error(errors.ProxyRefused, status=status)


class WatchedHttpConnection(_Watched):
    """Without TLS: an authority on this computer itself."""


class WatchedHttpsConnection(_Watched, connection.HTTPSConnection):
    """With TLS, right to the authority, through the proxy's tunnel if there is one."""

    is_tls = True

    def connect(self) -> None:
        try:
            super().connect()
        except ssl.SSLCertVerificationError as error:
            kind = tls.refusal_kind(error)
            self.wire.fault = self.wire.error(kind)
            raise self.wire.error(kind, **tls.describe(self._certificate_shown())) from error
        except ssl.SSLEOFError as error:
            raise self.wire.lost() from error
        except ssl.SSLError as error:
            raise self.wire.error(errors.TlsFailed, reason=error.reason or type(error).__name__) from error
        self.wire.enter(Stage.HTTP)

    def _certificate_shown(self) -> bytes | None:
        """Connect once more without checking, only to tell the administrator whose certificate it was."""
        with contextlib.suppress(OSError, http.client.HTTPException, errors.VendorError):
            self.sock = _dial(self.wire, self._addresses)
            if self._tunnel_host:
                super(_Watched, self)._tunnel()
            name = self._tunnel_host or self.host
            with tls.blind_context().wrap_socket(self.sock, server_hostname=name) as shown:
                return shown.getpeercert(binary_form=True)
        return None


class ContactAdapter(HTTPAdapter):
    """The way out of one attempt: watched connections, our trust, and the proxy's log-in in UTF-8."""

    def __init__(self, wire: Wire, context: ssl.SSLContext | None, proxy: Proxy | None) -> None:
        self._wire = wire
        self._context = context
        self._proxy = proxy
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, ssl_context=self._context, **kwargs)
        self._watch(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, ssl_context=self._context, **kwargs)
        self._watch(manager)
        return manager

    def proxy_headers(self, proxy: str) -> dict[str, str]:
        return self._proxy.headers() if self._proxy else {}

    def cert_verify(self, *args: Any, **kwargs: Any) -> None:
        """Nothing: the context decides whom to trust; `requests` would add its own list of CAs to it."""

    def _watch(self, manager: PoolManager) -> None:
        manager.pool_classes_by_scheme = {
            "http": _watching(HTTPConnectionPool, WatchedHttpConnection, self._wire),
            "https": _watching(HTTPSConnectionPool, WatchedHttpsConnection, self._wire),
        }


def _watching(pool_class: type[HTTPConnectionPool], connection_class: type[_Watched], wire: Wire) -> Any:
    """A maker of pools whose connections belong to this attempt."""

    def make(*args: Any, **kwargs: Any) -> HTTPConnectionPool:
        pool = pool_class(*args, **kwargs)
        pool.ConnectionCls = partial(connection_class, wire)  # type: ignore[assignment]
        return pool

    return make


def _look_up(wire: Wire, host: str, port: int) -> list[Address]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise wire.error(errors.DnsFailed) from error
    return [(family, kind, protocol, address) for family, kind, protocol, _, address in found]


def _dial(wire: Wire, addresses: list[Address]) -> socket.socket:
    """Connect to the first address that answers; each gets its fair share of the time that remains."""
    failure = OSError()
    for left, address in zip(range(len(addresses), 0, -1), addresses, strict=True):
        try:
            return _connect(wire, address, wire.remaining() / left if left > 1 else wire.patience())
        except OSError as error:
            failure = error
    raise _dial_fault(wire, failure) from failure


def _connect(wire: Wire, address: Address, seconds: float) -> socket.socket:
    family, kind, protocol, place = address
    sock = socket.socket(family, kind, protocol)
    try:
        wire.hold(sock)
        sock.settimeout(seconds)
        sock.connect(place)
    except BaseException:
        sock.close()
        raise
    sock.settimeout(wire.patience())
    return sock


def _dial_fault(wire: Wire, failure: OSError) -> errors.VendorError:
    if wire.stage is Stage.PROXY:
        return wire.error(errors.ProxyUnreachable)
    if isinstance(failure, TimeoutError):
        return wire.late()
    return wire.error(errors.ConnectRefused if isinstance(failure, ConnectionError) else errors.NoRoute)
