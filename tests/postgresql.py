"""A PostgreSQL server of our own for tests: a folder that goes away, a free loopback port, a random password.

PostgreSQL refuses to run as root, so as root it is started as Debian's user ``postgres``; no service of the
host is touched.
"""

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from licensing.serving.ports import free_port

BINARIES = Path("/usr/lib/postgresql")
USER = "postgres"
START_SECONDS = 30

# What a crash could cost is of no interest to a test, time is.
QUICK = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


def binaries() -> Path:
    """Return the folder of the newest PostgreSQL that Debian has installed."""
    found = sorted(BINARIES.glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if not found:
        raise FileNotFoundError(f"no PostgreSQL in {BINARIES}: apt-get install postgresql")
    return found[-1].parent


class PostgresServer:
    """One server; ``url()`` names a database in it. Use it as a context manager, or call ``stop()``."""

    def __init__(self, *, durable: bool = False) -> None:
        """``durable`` keeps fsync on, for whoever measures or cuts the power."""
        self._folder = Path(tempfile.mkdtemp(prefix="km-postgresql-"))
        self._settings = {} if durable else QUICK
        self._password = secrets.token_urlsafe(16)
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0
        try:
            self._make_cluster()
            self._start()
        except BaseException:
            self.stop()
            raise

    def __enter__(self) -> "PostgresServer":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def url(self, database: str = USER) -> str:
        """Return the address of a database, as KEYMANAGER_DATABASE_URL takes it."""
        return f"postgres://{USER}:{self._password}@127.0.0.1:{self._port}/{database}"

    def stop(self) -> None:
        """End the server at once, with its connections, and remove its folder."""
        self.halt()
        shutil.rmtree(self._folder, ignore_errors=True)

    def halt(self) -> None:
        """End the server at once, with its connections; what it stored stays for `go_on`."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(timeout=START_SECONDS)
            self._process = None

    def go_on(self) -> None:
        """Start the server that was halted again, at the same address."""
        self._start()

    def _make_cluster(self) -> None:
        password_file = self._folder / "password"
        password_file.write_text(self._password)
        if os.geteuid() == 0:
            for path in (self._folder, password_file):
                shutil.chown(path, USER, USER)
        command = ["initdb", "-D", "data", "-U", USER, "-A", "scram-sha-256", "--pwfile", "password"]
        command += ["-E", "UTF8", "--locale", "C.UTF-8", "--no-sync"]
        self._run(command).check_returncode()

    def _start(self) -> None:
        self._port = self._port or free_port()
        settings = {**self._settings, "listen_addresses": "127.0.0.1", "port": str(self._port)}
        settings |= {"unix_socket_directories": "", "max_connections": "200"}
        command = [str(binaries() / "postgres"), "-D", "data"]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        if setpriv := shutil.which("setpriv"):  # a run that is killed leaves no server behind
            command = [setpriv, "--pdeathsig", "QUIT", *command]
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                command, cwd=self._folder, stdout=log, stderr=log, start_new_session=True, **self._owner()
            )
        self._wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                psycopg.connect(self.url(), connect_timeout=2).close()
                return
            except psycopg.OperationalError:
                assert self._process is not None
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError((self._folder / "log").read_text()) from None
                time.sleep(0.05)

    def _run(self, command: list[str]) -> subprocess.CompletedProcess[bytes]:
        command = [str(binaries() / command[0]), *command[1:]]
        return subprocess.run(command, cwd=self._folder, capture_output=True, check=False, **self._owner())

    def _owner(self) -> dict[str, str | list[str]]:
        if os.geteuid() != 0:
            return {}
        return {"user": USER, "group": USER, "extra_groups": []}


@contextlib.contextmanager
def new_database(server_url: str) -> Iterator[str]:
    """Make an empty database in the server of ``server_url``, give its URL, and drop it at the end."""
    name = f"km_{secrets.token_hex(6)}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    yield urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
