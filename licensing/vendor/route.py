"""Where a contact goes: the authority's address and the proxy, checked before anything is sent."""

import ipaddress
from base64 import b64encode
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

from licensing.vendor.errors import NotConfigured
from licensing.vendor.faults import Param

CONTACT_PATH = "/v1/contact"
_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy of the company; `login` None for a proxy that asks for none."""

    host: str
    port: int
    login: str | None = None
    password: str | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        """Its address as `requests` wants it; the log-in never stands in it."""
        return f"http://{bracketed(self.host)}:{self.port}"

    def headers(self) -> dict[str, str]:
        """Basic log-in in UTF-8 (RFC 7617), which carries Polish letters; `requests` would use Latin-1."""
        if not self.login:
            return {}
        pair = f"{self.login}:{self.password or ''}".encode()
        return {"Proxy-Authorization": "Basic " + b64encode(pair).decode("ascii")}


@dataclass(frozen=True, slots=True)
class Route:
    """The authority's address taken apart, and the proxy on the way to it."""

    scheme: str
    host: str
    port: int
    path: str
    proxy: Proxy | None

    @property
    def contact_url(self) -> str:
        """The whole address of the contact call."""
        return f"{self.scheme}://{bracketed(self.host)}:{self.port}{self.path}{CONTACT_PATH}"

    @property
    def is_tls(self) -> bool:
        """Whether the way to the authority is encrypted (it is, save on this computer itself)."""
        return self.scheme == "https"

    def params(self) -> dict[str, Param]:
        """What every sentence about this way may name."""
        proxy = self.proxy
        return {
            "host": bracketed(self.host),
            "port": self.port,
            "proxy_host": bracketed(proxy.host) if proxy else None,
            "proxy_port": proxy.port if proxy else None,
        }


def read_route(url: str, proxy: Proxy | None) -> Route:
    """Take the authority's address apart; NotConfigured unless https, or http on this computer."""
    try:
        parts = urlsplit(url.strip())
        host, port = _ascii_host(parts), parts.port
    except (ValueError, UnicodeError) as error:
        raise NotConfigured(url=_without_login(url)) from error
    is_allowed = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))
    if not is_allowed or not host or "@" in parts.netloc or parts.query or parts.fragment:
        raise NotConfigured(url=_without_login(url))
    return Route(parts.scheme, host, port or _PORTS[parts.scheme], parts.path.rstrip("/"), proxy)


def is_loopback(host: str) -> bool:
    """Whether the host is this computer itself, the one place where http is allowed."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def bracketed(host: str) -> str:
    """A host as it stands before `:port`: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host else host


def _ascii_host(parts: SplitResult) -> str:
    return (parts.hostname or "").encode("idna").decode("ascii")


def _without_login(url: str) -> str:
    scheme, separator, rest = url.rpartition("://")
    return scheme + separator + rest.rpartition("@")[2]
