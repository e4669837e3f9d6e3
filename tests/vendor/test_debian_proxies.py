"""The proxies that companies run, squid and tinyproxy, as Debian packages them."""

import contextlib
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from licensing.serving.ports import free_port
from licensing.vendor import errors
from licensing.vendor.client import Proxy
from tests.vendor.servers import answering, closed_port, http
from tests.vendor.test_client import REQUEST

pytestmark = pytest.mark.full
ANSWER = http(b"a.b.c")
LOGIN = "lukasz"
# What the configuration of each can hold: tinyproxy 1.11 knows only ASCII.
PASSWORDS = {"squid": "zażółć-gęślą-jaźń", "tinyproxy": "zazolc-gesla-jazn"}

SQUID = """
http_port 127.0.0.1:{port}
pid_filename {folder}/squid.pid
access_log none
cache_log {folder}/squid.log
cache deny all
shutdown_lifetime 0 seconds
auth_param basic program {python} -u {folder}/log_in.py
auth_param basic utf8 on
auth_param basic children 1 startup=1
acl known proxy_auth REQUIRED
http_access allow known
http_access deny all
"""
SQUID_LOG_IN = """
import sys, urllib.parse
for line in sys.stdin:
    given = [urllib.parse.unquote(word) for word in line.split()]
    print("OK" if given == [{login!r}, {password!r}] else "ERR", flush=True)
"""
TINYPROXY = """
Port {port}
Listen 127.0.0.1
LogFile "{folder}/tinyproxy.log"
PidFile "{folder}/tinyproxy.pid"
Allow 127.0.0.1
BasicAuth {login} {password}
"""


@pytest.fixture(scope="module")
def public_folder() -> Iterator[Path]:
    """A folder that a proxy can use which, started by root, goes on as another user."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        yield Path(folder)


@pytest.fixture(scope="module", params=["squid", "tinyproxy"])
def proxy(request: pytest.FixtureRequest, public_folder: Path) -> Iterator[Proxy]:
    """One of the proxies, which asks for a log-in."""
    folder, port, password = public_folder, free_port(), PASSWORDS[request.param]
    known = {
        "port": port,
        "folder": folder,
        "login": LOGIN,
        "password": password,
        "python": "/usr/bin/python3",
    }
    (folder / "log_in.py").write_text(SQUID_LOG_IN.format(**known), encoding="utf-8")
    template = SQUID if request.param == "squid" else TINYPROXY
    (folder / "proxy.conf").write_text(template.format(**known), encoding="utf-8")
    flags = ["-N", "-f"] if request.param == "squid" else ["-d", "-c"]
    with running([program(request.param), *flags, str(folder / "proxy.conf")], port):
        yield Proxy("127.0.0.1", port, LOGIN, password)


def program(name: str) -> str:
    """Where Debian puts the program; /usr/sbin is not on every user's path."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/bin")
    assert found, f"apt-get install {name}: the long tier needs it"
    return found


@contextlib.contextmanager
def running(command: list[str], port: int) -> Iterator[None]:
    """The program, from when it takes connections on the port until the test's end."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while not takes_connections(port):
            assert process.poll() is None
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(15)


def takes_connections(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_right_log_in_opens_debians_proxies(start, client, certificate, proxy, scheme):
    server = start(answering(ANSWER, certificate() if scheme == "https" else None))
    assert client(server.port, scheme, proxy=proxy).contact(REQUEST) == "a.b.c"


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("log_in", [(LOGIN, "wrong"), (None, None)])
def test_a_wrong_log_in_has_one_name_at_debians_proxies(client, proxy, scheme, log_in):
    with pytest.raises(errors.ProxyLogin):
        client(9, scheme, proxy=Proxy(proxy.host, proxy.port, *log_in)).contact(REQUEST)


def test_debians_proxies_tell_that_they_cannot_reach_the_vendor(client, proxy):
    with closed_port() as port, pytest.raises(errors.ProxyRefused):
        client(port, "https", proxy=proxy).contact(REQUEST)
