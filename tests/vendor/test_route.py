"""The authority's address: https, or http on this computer, and nothing else in it."""

import pytest

from licensing.vendor.client import Proxy, VendorClient
from licensing.vendor.errors import NotConfigured
from licensing.vendor.route import read_route


@pytest.mark.parametrize(
    ("url", "contact_url"),
    [
        ("https://licences.example.com", "https://licences.example.com:443/v1/contact"),
        ("https://licences.example.com:8443/", "https://licences.example.com:8443/v1/contact"),
        (" HTTPS://Licences.Example.com/km/ ", "https://licences.example.com:443/km/v1/contact"),
        ("https://żółw.example.pl", "https://xn--w-uga1v8h.example.pl:443/v1/contact"),
        ("http://localhost:9400", "http://localhost:9400/v1/contact"),
        ("http://127.0.0.1", "http://127.0.0.1:80/v1/contact"),
        ("http://[::1]:9400", "http://[::1]:9400/v1/contact"),
    ],
)
def test_an_address_of_the_authority_is_taken_apart(url, contact_url):
    assert read_route(url, None).contact_url == contact_url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "licences.example.com",
        "http://licences.example.com",
        "http://10.0.0.7:9400",
        "ftp://localhost",
        "https://",
        "https://:443",
        "https://host:99999",
        "https://host:port",
        "https://[::1",
        "https://host?query",
        "https://host#part",
        "https://" + "x" * 70 + ".pl",
    ],
)
def test_any_other_address_is_refused_by_the_contact(url):
    with pytest.raises(NotConfigured, match="KEYMANAGER_AUTHORITY_URL"):
        VendorClient(url).contact("a.b.c")


def test_a_log_in_in_the_address_is_refused_and_not_repeated():
    with pytest.raises(NotConfigured) as caught:
        VendorClient("https://anna:tajne@example.com").contact("a.b.c")
    assert "tajne" not in f"{caught.value} {caught.value.params}"
    assert "https://example.com" in str(caught.value)


def test_ipv6_hosts_are_told_in_brackets():
    route = read_route("http://[::1]:9400", Proxy("fe80::1", 3128))
    assert route.params() == {"host": "[::1]", "port": 9400, "proxy_host": "[fe80::1]", "proxy_port": 3128}
    assert route.proxy is not None
    assert route.proxy.url == "http://[fe80::1]:3128"
