"""Which ERP client calls."""

import hashlib
import ipaddress
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from licensing.models import ErpClient
from licensing.operations.errors import Refused

from .exchange import Call

TOKEN = re.compile(r"km_[A-Za-z0-9_-]{40,}")


@dataclass(frozen=True)
class Caller:
    """The ERP client behind a token."""

    id: int
    name: str
    networks: tuple[str, ...]
    disabled: bool


class FailedTokens:
    """Counts wrong tokens by address, so that a guesser is slowed and nobody with a good token is."""

    def __init__(self, most: int = 60, seconds: float = 60.0, addresses: int = 10_000) -> None:
        self._most, self._seconds, self._addresses = most, seconds, addresses
        self._windows: OrderedDict[str, tuple[float, int]] = OrderedDict()
        self._lock = threading.Lock()

    def count(self, address: str, moment: float) -> float:
        """Count one failure at `moment` (monotonic seconds); 0, or for how long the address must wait."""
        with self._lock:
            began, failures = self._windows.pop(address, (moment, 0))
            if moment - began >= self._seconds:
                began, failures = moment, 0
            self._windows[address] = (began, failures + 1)
            while len(self._windows) > self._addresses:
                self._windows.popitem(last=False)
        return began + self._seconds - moment if failures >= self._most else 0.0


failed_tokens = FailedTokens()


def authenticate(call: Call) -> Caller:
    """The caller, if its token is known and it may call from where it does.

    Raises:
        Refused: token_missing, token_invalid, too_many_requests, client_not_allowed.
    """
    digest = token_digest(call.header("authorization"))
    caller = known_caller(digest) if digest else None
    return admitted(caller, call.address)


def token_digest(authorization: str | None) -> str | None:
    """The hex SHA-256 of a bearer token; None where its text cannot be a token."""
    scheme, _, token = (authorization or "").strip().partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Refused("token_missing")
    token = token.strip()
    return hashlib.sha256(token.encode()).hexdigest() if TOKEN.fullmatch(token) else None


def known_caller(digest: str) -> Caller | None:
    """The ERP client with this token's digest."""
    return _callers(token_sha256=digest).get(digest)


def all_callers() -> dict[str, Caller]:
    """Every ERP client, by its token's digest."""
    return _callers()


def _callers(**which: str) -> dict[str, Caller]:
    rows = ErpClient.objects.filter(**which).values_list(
        "token_sha256", "id", "name", "networks", "disabled_at"
    )
    return {
        digest: Caller(pk, name, tuple(networks), disabled_at is not None)
        for digest, pk, name, networks, disabled_at in rows
    }


def admitted(caller: Caller | None, address: str) -> Caller:
    """The caller itself, or a refusal."""
    if caller is None:
        wait = failed_tokens.count(address, time.monotonic())
        raise Refused("too_many_requests", retry_after=int(wait) + 1) if wait else Refused("token_invalid")
    if not may_call(caller, address):
        raise Refused("client_not_allowed")
    return caller


def may_call(caller: Caller, address: str) -> bool:
    """Whether an ERP client may call, and from this address."""
    return not caller.disabled and within(caller.networks, address)


def within(networks: Sequence[str], address: str) -> bool:
    """Whether an address lies in one of the networks; no networks: anywhere does."""
    if not networks:
        return True
    try:
        host = ipaddress.ip_address(address)
    except ValueError:
        return False
    host = getattr(host, "ipv4_mapped", None) or host
    return any(host in ipaddress.ip_network(network, strict=False) for network in networks)
