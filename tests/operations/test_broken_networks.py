"""Twelve broken networks, each diagnosed by its right name, in Polish and in English."""

import dataclasses
import datetime as dt
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import trustme
from django.utils import translation

from licensing.models import Configuration, ContactAttempt
from licensing.operations import diagnosis
from licensing.operations.actors import COMMAND
from licensing.operations.clock import local_now
from licensing.operations.configuration import change_configuration
from licensing.operations.diagnosis import diagnose, step_sentence, step_title
from licensing.operations.errors import Refused
from licensing.vendor.diagnosis import Step
from tests.factories import NOW, Portal
from tests.vendor.servers import answering, closed_port, http, real_proxy
from tests.vendor_link import Link

UNKNOWN_HOST = "licences.firma.invalid"


@dataclasses.dataclass
class Network:
    """The way from the portal to the vendor, which a test breaks."""

    link: Link
    settings: Any
    folder: Path
    stack: ExitStack
    patch: pytest.MonkeyPatch

    def authority_at(self, url: str) -> None:
        self.settings.KEYMANAGER = dataclasses.replace(self.settings.KEYMANAGER, authority_url=url)

    def through(self, host: str, port: int, **log_in: str) -> None:
        Configuration.objects.filter(pk=1).update(proxy_host=host, proxy_port=port)
        for name, value in log_in.items():
            Configuration.objects.filter(pk=1).update(**{f"proxy_{name}": value})

    def tls_server(self, name: str, *, trusted: bool, days: tuple[int, int] = (-9, 9)) -> None:
        """A server with a certificate made out to `name`, good from the first day to the last."""
        ca, now = trustme.CA(organization_name="Zapora Firmy"), dt.datetime.now(dt.UTC)
        begin, end = (now + dt.timedelta(days=day) for day in days)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ca.issue_cert(name, not_before=begin, not_after=end).configure_cert(context)
        server = answering(http(b"a.b.c"), context)
        self.stack.callback(server.close)
        ca_file = self.folder / "ca.pem"
        ca.cert_pem.write_to_path(str(ca_file))
        self.settings.KEYMANAGER = dataclasses.replace(
            self.settings.KEYMANAGER,
            authority_url=f"https://127.0.0.1:{server.port}",
            ca_file=ca_file if trusted else None,
        )


@pytest.fixture
def network(link: Link, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Network]:
    Configuration.objects.get_or_create(pk=1)
    with ExitStack() as stack:
        yield Network(link, settings, tmp_path, stack, monkeypatch)


def dead_port(net: Network) -> None:
    net.authority_at(f"https://127.0.0.1:{net.stack.enter_context(closed_port())}")


def unknown_host(net: Network) -> None:
    net.authority_at(f"https://{UNKNOWN_HOST}")


def wrong_ca(net: Network) -> None:
    net.tls_server("127.0.0.1", trusted=False)


def expired_certificate(net: Network) -> None:
    net.tls_server("127.0.0.1", trusted=True, days=(-9, -1))


def certificate_of_another(net: Network) -> None:
    net.tls_server("www.hotel.example", trusted=True)


def hotel_page(net: Network) -> None:
    net.link.authority.mode("html")


def forged_answer(net: Network) -> None:
    net.link.authority.mode("wrong_key")


def clock_two_days_off(net: Network) -> None:
    net.patch.setattr(diagnosis, "local_now", lambda: local_now() + dt.timedelta(days=2))


def dead_proxy(net: Network) -> None:
    net.through("127.0.0.1", net.stack.enter_context(closed_port()))


def unknown_proxy(net: Network) -> None:
    net.through("proxy.firma.invalid", 3128)


def proxy_with_wrong_log_in(net: Network) -> None:
    port = net.stack.enter_context(real_proxy(net.folder, "jan:dobre"))
    net.through("127.0.0.1", port, login="jan", password="złe")


def proxy_that_refuses(net: Network) -> None:
    server = answering(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
    net.stack.callback(server.close)
    net.authority_at("https://licences.firma.example")
    net.through("127.0.0.1", server.port)


BROKEN: dict[Callable[[Network], None], tuple[str, str]] = {
    dead_port: ("tcp", "connect_refused"),
    unknown_host: ("dns", "dns_failed"),
    wrong_ca: ("tls", "tls_untrusted"),
    expired_certificate: ("tls", "tls_expired"),
    certificate_of_another: ("tls", "tls_wrong_host"),
    hotel_page: ("http", "not_the_vendor"),
    forged_answer: ("signature", "forged"),
    clock_two_days_off: ("clock", "clock_off"),
    dead_proxy: ("proxy", "proxy_unreachable"),
    unknown_proxy: ("dns", "proxy_dns_failed"),
    proxy_with_wrong_log_in: ("proxy_login", "proxy_login"),
    proxy_that_refuses: ("tcp", "proxy_refused"),
}


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.__name__)
def test_each_broken_network_has_its_right_name(network: Network, broken: Callable[[Network], None]) -> None:
    broken(network)
    steps: list[Step] = []
    report = diagnose(network.link.now, COMMAND, steps.append)
    assert (steps[-1].name, steps[-1].code) == BROKEN[broken], steps
    assert all(step.ok for step in steps[:-1])
    row = ContactAttempt.objects.get(trigger="diagnosis")
    if steps[-1].code == "clock_off":
        assert report.is_ok, "the connection itself works"
        assert 2879 <= steps[-1].params["minutes"] <= 2881  # type: ignore[operator]
    else:
        assert row.outcome == steps[-1].code
    tell_in_both_languages(steps[-1])


def tell_in_both_languages(step: Step) -> None:
    told = {}
    for language in ("pl", "en"):
        with translation.override(language):
            told[language] = (step_title(step.name), step_sentence(step))
    assert told["pl"][1] != told["en"][1]
    for _, sentence in told.values():
        host = step.params.get("proxy_host") if "proxy" in (step.code or "") else step.params.get("host")
        assert str(host) in sentence
        assert "%(" not in sentence
        assert len(sentence) > 60, "it says what to do, too"


def test_twelve_networks_are_broken() -> None:
    assert len(BROKEN) == 12
    assert len({code for _, code in BROKEN.values()}) == 12


def test_the_companys_ca_pasted_into_the_configuration_is_trusted_at_once(network: Network) -> None:
    wrong_ca(network)
    assert walked_to(network) == ("tls", "tls_untrusted")
    pem = (network.folder / "ca.pem").read_text()
    change_configuration(network.link.now(), COMMAND, company_ca=pem)
    assert walked_to(network)[0] == "signature", "what answers there is not the vendor, but the way is open"


def walked_to(network: Network) -> tuple[str, str | None]:
    """The step at which a diagnosis ends."""
    steps: list[Step] = []
    diagnose(network.link.now, COMMAND, steps.append)
    return steps[-1].name, steps[-1].code


@pytest.mark.parametrize("pem", ["certificate", "-----BEGIN PRIVATE " + "KEY-----\nx"])
def test_what_is_no_certificate_is_refused_at_its_field(portal: Portal, pem: str) -> None:
    with pytest.raises(Refused) as refused:
        change_configuration(NOW, COMMAND, company_ca=pem)
    assert list(refused.value.data["errors"]) == ["company_ca"]
