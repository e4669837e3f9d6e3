"""A private CA, certificates good and bad, and proxies, shared by the vendor client's tests."""

import datetime as dt
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme

from licensing.vendor.client import Proxy, VendorClient
from tests.vendor.servers import ScriptedServer, real_proxy

PASSWORD = "zażółć gęślą:jaźń"
SHORT = 0.4
"""A deadline (seconds) for tests of slow servers; the product's is a parameter with the default 15."""
PROMPT = 8.0
"""Within this (seconds) a deadline must have ended a contact, also on a busy machine; a drip never ends."""


@pytest.fixture(scope="session")
def company_ca() -> trustme.CA:
    return trustme.CA(organization_name="Firma Testowa")


@pytest.fixture(scope="session")
def ca_file(company_ca: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ca") / "company.pem"
    company_ca.cert_pem.write_to_path(str(path))
    return path


@pytest.fixture
def certificate(company_ca: trustme.CA) -> Callable[..., ssl.SSLContext]:
    """Makes a server's TLS context with a certificate of the company's CA, or of another."""

    def make(*names: str, ca: trustme.CA = company_ca, days: tuple[int, int] = (-9, 9)) -> ssl.SSLContext:
        now = dt.datetime.now(dt.UTC)
        begin, end = (now + dt.timedelta(days=day) for day in days)
        leaf = ca.issue_cert(*(names or ("127.0.0.1", "localhost")), not_before=begin, not_after=end)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        leaf.configure_cert(context)
        return context

    return make


@pytest.fixture
def start() -> Iterator[Callable[[ScriptedServer], ScriptedServer]]:
    """Keeps a server for the time of the test."""
    started: list[ScriptedServer] = []

    def keep(server: ScriptedServer) -> ScriptedServer:
        started.append(server)
        return server

    yield keep
    for server in started:
        server.close()


@pytest.fixture
def client(ca_file: Path) -> Callable[..., VendorClient]:
    """Makes a client for a server on a loopback port, which trusts the company's CA."""

    def make(port: int, scheme: str = "http", host: str = "127.0.0.1", **settings: object) -> VendorClient:
        settings.setdefault("ca_file", ca_file)
        return VendorClient(f"{scheme}://{host}:{port}", **settings)  # type: ignore[arg-type]

    return make


@pytest.fixture(scope="session")
def login_proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """A proxy.py that asks for a log-in with Polish letters."""
    with real_proxy(tmp_path_factory.mktemp("proxy"), f"łukasz:{PASSWORD}") as port:
        yield Proxy("127.0.0.1", port, "łukasz", PASSWORD)
