"""One attempt's line to the vendor: how far it has come, how long it may last, and cutting it.

The attempt runs in a thread of its own, for nothing else ends a name look-up, a handshake or a server that
drips. Whoever waits for it cuts the line when the time is up; the thread then finds every socket shut.
"""

import contextlib
import socket
import threading
from collections.abc import Callable
from enum import StrEnum

from licensing.vendor import errors
from licensing.vendor.faults import Param, VendorError

_SLACK_SECONDS = 1.0
"""Sockets time out a little after the line is cut, in case cutting does not wake them."""


class Stage(StrEnum):
    """How far an attempt has come; the names are also those of the steps of a diagnosis."""

    CONFIGURATION = "configuration"
    DNS = "dns"
    PROXY = "proxy"
    PROXY_LOGIN = "proxy_login"
    TCP = "tcp"
    TLS = "tls"
    HTTP = "http"


_LATE: dict[Stage, type[VendorError]] = {
    Stage.DNS: errors.DnsFailed,
    Stage.PROXY: errors.ProxyUnreachable,
    Stage.PROXY_LOGIN: errors.ProxyTooSlow,
    Stage.TCP: errors.ConnectTimeout,
}
Watch = Callable[[Stage, float], None]


class Wire:
    """The state shared by an attempt and whoever waits for it."""

    def __init__(self, seconds: float, clock: Callable[[], float], watch: Watch) -> None:
        """`seconds`: the whole time allowed; `watch` is told each stage and the moment it began."""
        self.seconds = seconds
        self.stage = Stage.CONFIGURATION
        self.params: dict[str, Param] = {"seconds": seconds if seconds % 1 else int(seconds)}
        self.fault: VendorError | None = None
        self._clock = clock
        self._watch = watch
        self._ends_at = clock() + seconds
        self._lock = threading.Lock()
        self._handles: list[socket.socket] = []
        self._is_cut = False
        self.enter(Stage.CONFIGURATION)

    def enter(self, stage: Stage) -> None:
        """Say that the stage before is done and this one begins; a cut line goes no further."""
        with self._lock:
            if self._is_cut:
                raise self.late()
            self.stage = stage
        self._watch(stage, self._clock())

    def remaining(self) -> float:
        """Seconds left for the whole attempt, never below 0."""
        return max(0.0, self._ends_at - self._clock())

    def patience(self) -> float:
        """The time-out of a single socket call: what remains and a little more."""
        return self.remaining() + _SLACK_SECONDS

    def hold(self, sock: socket.socket) -> None:
        """Keep a handle of a socket, so that it can be shut from outside whatever TLS makes of it."""
        with self._lock:
            if self._is_cut:
                raise self.late()
            self._handles.append(sock.dup())

    def cut(self) -> None:
        """End the attempt from outside: every socket call of its thread returns at once."""
        with self._lock:
            self._is_cut = True
            for handle in self._handles:
                with contextlib.suppress(OSError):
                    handle.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Give the handles back; the attempt's thread does it when it ends."""
        with self._lock:
            self._is_cut = True
            for handle in self._handles:
                handle.close()
            self._handles.clear()

    def late(self) -> VendorError:
        """The error that says where the time ran out, or the fault found before."""
        return self.fault or self.error(_LATE.get(self.stage, errors.TooSlow))

    def lost(self) -> VendorError:
        """The error that says where the connection broke off."""
        at_proxy = self.stage is Stage.PROXY_LOGIN
        return self.error(errors.ProxyLost if at_proxy else errors.ConnectionLost)

    def error(self, kind: type[VendorError], **extra: Param) -> VendorError:
        """An error of this kind that names the way, and what is given besides."""
        if self.params.get("proxy_host") and kind is errors.DnsFailed:
            kind = errors.ProxyDnsFailed
        return kind(**self.params, **extra)
