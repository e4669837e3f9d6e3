"""The front's server: one socket, one event loop, and its end."""

import asyncio
import signal
import socket
import ssl
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from .bodies import Bodies
from .connection import Application, Connection
from .heads import Heads

BACKLOG = 2048
# How many connections are accepted before anything else is done. Where files run out, asyncio tries that
# often each second, and logs each trial.
ACCEPTED_AT_ONCE = 64
LOOK_SECONDS = 1.0
HANDSHAKE_SECONDS = 30.0
# How long requests under way may take once the end is asked for, and their answers to get to the callers.
GRACE_SECONDS, FLUSH_SECONDS = 5.0, 1.0


class Serving(Application, Protocol):
    """An application that is started on the loop and stopped there."""

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Before the first request."""

    def stop(self) -> None:
        """After the last."""


def serve(application: Serving, host: str, port: int, certificate: Path | None, key: Path | None) -> None:
    """Serve until a signal; requests under way are answered first."""
    _allow_many_connections()
    asyncio.run(_serve(application, host, port, tls(certificate, key) if certificate else None))


def tls(certificate: Path, key: Path | None) -> ssl.SSLContext:
    """TLS from 1.2 on, with this certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    context.set_alpn_protocols(["http/1.1"])
    return context


async def _serve(application: Serving, host: str, port: int, context: ssl.SSLContext | None) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: loop.call_soon_threadsafe(stop.set))
    application.start(loop)
    try:
        everyone: set[Connection] = set()
        heads, bodies = Heads(), Bodies()
        scheme = "http" if context is None else "https"
        listening = _listening(host, port)
        server = await loop.create_server(
            lambda: Connection(application, loop.time, everyone, scheme, heads, bodies),
            sock=listening,
            ssl=context,
            ssl_handshake_timeout=HANDSHAKE_SECONDS if context else None,
            backlog=ACCEPTED_AT_ONCE,
        )
        # asyncio has made of the one number both: how many it accepts at once, and how many may wait for it.
        listening.listen(BACKLOG)
        while not stop.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), LOOK_SECONDS)
            now = loop.time()
            for connection in tuple(everyone):
                connection.look_after(now)
        server.close()
        await _end(everyone, loop)
    finally:
        application.stop()


async def _end(everyone: set[Connection], loop: asyncio.AbstractEventLoop) -> None:
    for connection in tuple(everyone):
        connection.end_soon()
    until = loop.time() + GRACE_SECONDS
    while any(connection.is_busy for connection in everyone) and loop.time() < until:
        await asyncio.sleep(0.02)
    # A connection goes once all was sent; with TLS, once its caller has agreed to it.
    until = loop.time() + FLUSH_SECONDS
    while everyone and loop.time() < until:
        await asyncio.sleep(0.02)


def _listening(host: str, port: int) -> socket.socket:
    """A socket; `::` hears both families, as where a system has it so."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    both = host == "::" and socket.has_dualstack_ipv6()
    return socket.create_server((host, port), family=family, backlog=BACKLOG, dualstack_ipv6=both)


def _allow_many_connections() -> None:
    """As many open files as the system lets us: each connection is one."""
    try:
        import resource
    except ImportError:
        return
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
