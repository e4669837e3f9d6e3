"""Servers on loopback that answer byte for byte what a test wants, and a real proxy."""

import contextlib
import os
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

Script = Callable[[socket.socket], None]


class ScriptedServer:
    """Accepts on a free loopback port and plays `script` with every connection, each in a thread."""

    def __init__(
        self, script: Script, context: ssl.SSLContext | None = None, host: str = "127.0.0.1"
    ) -> None:
        self.script = script
        self.context = context
        self.requests: list[bytes] = []
        self._listener = socket.create_server(
            (host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET
        )
        self.port: int = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                thread = threading.Thread(target=self._play, args=(connection,), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _play(self, connection: socket.socket) -> None:
        connection.settimeout(10)
        with contextlib.suppress(OSError), contextlib.closing(connection):
            if self.context:
                connection = self.context.wrap_socket(connection, server_side=True)
            with contextlib.closing(connection):
                self.script(connection)

    def read_request(self, connection: socket.socket) -> bytes:
        """Read one request, head and body, and remember it."""
        received = b""
        while b"\r\n\r\n" not in received:
            received += self._some(connection)
        head, _, body = received.partition(b"\r\n\r\n")
        length = next(
            (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0
        )
        while len(body) < length:
            body += self._some(connection)
        self.requests.append(head + b"\r\n\r\n" + body)
        return self.requests[-1]

    @staticmethod
    def _some(connection: socket.socket) -> bytes:
        if not (part := connection.recv(65536)):
            raise ConnectionError
        return part

    def close(self) -> None:
        """Stop listening and wait for the threads, so that no test's server outlives it."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(5)


def answering(raw: bytes, context: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> ScriptedServer:
    """A server that reads a request, sends these bytes and closes."""
    server = ScriptedServer(lambda _: None, context, host)

    def script(connection: socket.socket) -> None:
        server.read_request(connection)
        connection.sendall(raw)

    server.script = script
    return server


def endless(first: bytes, again: bytes, pause: float = 0.0) -> ScriptedServer:
    """A server that reads a request, sends `first`, and then `again` for ever."""
    server = ScriptedServer(lambda _: None)

    def script(connection: socket.socket) -> None:
        server.read_request(connection)
        connection.sendall(first)
        while True:
            connection.sendall(again)
            time.sleep(pause)

    server.script = script
    return server


def http(body: bytes, *headers: str, status: str = "200 OK", kind: str = "application/jose") -> bytes:
    """A whole HTTP answer."""
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def reset(connection: socket.socket) -> None:
    """Close with a TCP reset instead of an orderly end."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


@contextlib.contextmanager
def closed_port() -> Iterator[int]:
    """A port at which nobody listens, kept so that nobody else can get it meanwhile."""
    with socket.socket() as keeper:
        keeper.bind(("127.0.0.1", 0))
        yield keeper.getsockname()[1]


@contextlib.contextmanager
def deaf_port() -> Iterator[int]:
    """A port whose queue is full: connecting to it gets no answer, as behind a firewall that drops."""
    with socket.socket() as listener, contextlib.ExitStack() as stack:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


@contextlib.contextmanager
def real_proxy(folder: Path, log_in: str | None = None) -> Iterator[int]:
    """A proxy.py of its own on a free port; gives the port."""
    port_file = folder / "port"
    command = [sys.executable, "-m", "proxy", "--hostname", "127.0.0.1", "--port", "0", "--num-workers", "1"]
    command += ["--num-acceptors", "1", "--port-file", str(port_file), "--log-level", "ERROR"]
    command += ["--data-dir", str(folder), *(["--basic-auth", log_in] if log_in else [])]
    process = subprocess.Popen(command, env=os.environ | {"PYTHONUTF8": "1"}, start_new_session=True)
    try:
        while not port_file.exists() or not port_file.read_text().strip():
            assert process.poll() is None
            time.sleep(0.02)
        yield int(port_file.read_text())
    finally:
        os.killpg(process.pid, 15)
        process.wait(10)
