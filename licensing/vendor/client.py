"""The vendor client: one contact, one connection, a bounded time and a bounded size."""

import concurrent.futures
import http.client
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import requests
import urllib3

from licensing.vendor import errors
from licensing.vendor.answers import read_answer
from licensing.vendor.connections import ContactAdapter
from licensing.vendor.faults import Param
from licensing.vendor.route import Proxy, Route, read_route
from licensing.vendor.tls import trusting_context
from licensing.vendor.wire import Stage, Watch, Wire

__all__ = ["DEADLINE_SECONDS", "MAX_BYTES", "Attempt", "Proxy", "VendorClient"]

DEADLINE_SECONDS = 15.0
"""The whole of one attempt, whatever the server drips (vendor-protocol.md)."""
MAX_BYTES = 4 * 1024 * 1024
"""The largest answer, decoded (vendor-protocol.md)."""
_HEADERS = {
    "Content-Type": "application/jose",
    "Accept": "application/jose, application/problem+json",
    "Accept-Encoding": "identity",
    "User-Agent": "keymanager",
    "Connection": "close",
}


class _Session(requests.Session):
    """A session that knows nothing of the environment and of redirects."""

    def __init__(self) -> None:
        super().__init__()
        self.trust_env = False
        self.headers.clear()

    def get_redirect_target(self, resp: requests.Response) -> None:
        """None: even where it follows no redirect, `requests` reads the whole of its body, however large."""


class Attempt:
    """A contact under way in a thread of its own, which ends with it or soon after it was given up."""

    def __init__(self, work: Callable[[Wire], str], wire: Wire) -> None:
        self._work = work
        self._wire = wire
        self._outcome: concurrent.futures.Future[str] = concurrent.futures.Future()
        threading.Thread(target=self._run, name="vendor-contact", daemon=True).start()

    def result(self) -> str:
        """Wait for the answer's body until the time is up; raises VendorError."""
        concurrent.futures.wait([self._outcome], timeout=self._wire.remaining())
        if not self._outcome.done():
            self._wire.cut()
            raise self._wire.late()
        return self._outcome.result()

    @property
    def params(self) -> Mapping[str, Param]:
        """Host, port, proxy and seconds, as the sentences of the errors name them."""
        return self._wire.params

    def remaining(self) -> float:
        """Seconds until the time is up."""
        return self._wire.remaining()

    def give_up(self) -> None:
        """Wait no more: whatever is still under way is cut."""
        self._wire.cut()

    def on_end(self, call: Callable[[], None]) -> None:
        """Have `call` called (by the attempt's thread) when the outcome is there."""
        self._outcome.add_done_callback(lambda _: call())

    def _run(self) -> None:
        try:
            outcome = self._work(self._wire)
        except Exception as error:  # handed to whoever waits
            self._wire.close()
            self._outcome.set_exception(error)
        else:
            self._wire.close()
            self._outcome.set_result(outcome)


class VendorClient:
    """Carries a signed request to the authority and brings back what it answered, unread."""

    def __init__(
        self,
        url: str,
        *,
        proxy: Proxy | None = None,
        ca_file: Path | None = None,
        ca_pem: str | None = None,
        clock: Callable[[], float] = time.monotonic,
        deadline_seconds: float = DEADLINE_SECONDS,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        """`url`: the authority's address. `ca_file`, `ca_pem`: a company's CA, trusted besides the system's.

        A wrong address or an unreadable CA is told by the contact, not here.
        """
        self._url = url
        self._proxy = proxy
        self._ca_file = ca_file
        self._ca_pem = ca_pem
        self.clock = clock
        self._deadline_seconds = deadline_seconds
        self._max_bytes = max_bytes

    def contact(self, request_jws: str) -> str:
        """POST the request; the answer's body as received, stripped. Raises VendorError, in time."""
        return self.begin(request_jws).result()

    def begin(self, request_jws: str, watch: Watch = lambda _stage, _at: None) -> Attempt:
        """Start a contact; `watch` is told each stage and when it began (by the client's clock)."""
        wire = Wire(self._deadline_seconds, self.clock, watch)
        return Attempt(lambda wire: self._exchange(request_jws, wire), wire)

    def stages(self) -> list[Stage]:
        """The stages that a contact goes through with these settings, in order."""
        try:
            route = read_route(self._url, self._proxy)
        except errors.NotConfigured:
            return [Stage.CONFIGURATION]
        proxied = [Stage.PROXY, Stage.PROXY_LOGIN] if route.proxy else []
        tcp = [] if route.proxy and not route.is_tls else [Stage.TCP]
        encrypted = [Stage.TLS] if route.is_tls else []
        return [Stage.CONFIGURATION, Stage.DNS, *proxied, *tcp, *encrypted, Stage.HTTP]

    def _exchange(self, request_jws: str, wire: Wire) -> str:
        """The whole attempt, in its thread; every error that leaves it is a VendorError.

        No time-out is among them: whoever waits tells it, a little before a socket's own.
        """
        route = read_route(self._url, self._proxy)
        wire.params.update(route.params())
        context = self._trust(wire) if route.is_tls else None
        try:
            with _Session() as session:
                return self._post(session, route, context, request_jws, wire)
        except errors.VendorError:
            raise
        except (OSError, urllib3.exceptions.HTTPError, http.client.HTTPException) as error:
            raise wire.lost() from error

    def _post(
        self,
        session: requests.Session,
        route: Route,
        context: ssl.SSLContext | None,
        request_jws: str,
        wire: Wire,
    ) -> str:
        session.mount(f"{route.scheme}://", ContactAdapter(wire, context, self._proxy))
        with session.post(
            route.contact_url,
            data=request_jws.encode("ascii"),
            headers=_HEADERS,
            proxies={route.scheme: route.proxy.url} if route.proxy else {},
            allow_redirects=False,
            stream=True,
            timeout=wire.patience(),
        ) as response:
            return read_answer(response, wire, self._max_bytes)

    def _trust(self, wire: Wire) -> ssl.SSLContext:
        try:
            return trusting_context(self._ca_file, self._ca_pem)
        except (OSError, ValueError) as error:
            ca_file = str(self._ca_file) if self._ca_file else "PEM"
            raise wire.error(errors.CaFileUnreadable, ca_file=ca_file) from error
