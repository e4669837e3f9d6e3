"""Handing a request on to the process that serves the pages, and its answer back.

Pages cost the interpreter milliseconds each; in a process of their own they take no time from the leases.
"""

import asyncio
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import urllib3

from . import away
from .http import Request

# Names the front to the pages' process, which trusts `X-Forwarded-For` from nobody else.
FRONT_HEADER = "x-keymanager-front"
# Of one hop only (RFC 9110, 7.6.1), or set anew by whoever sends.
_NOT_PASSED_ON = frozenset(
    (
        "connection",
        "expect",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "content-length",
        "date",
        "server",
    )
)
_FORGED = frozenset(("x-forwarded-for", "x-forwarded-proto", FRONT_HEADER))
# The page that takes files: the vendor's answer, of which it refuses more than 5 MiB itself. The largest form
# is that with the company's certificate: 64 KiB of text, each letter up to three bytes.
UPLOADS = frozenset(("/configuration/offline/import",))
MAX_BODY, MAX_FORM = 6 * 1024 * 1024, 256 * 1024
CHUNK = 256 * 1024
THREADS = 16
# Tenths of a second for which a request waits for pages that have just ended and are being started anew.
PATIENCE = 40


class Relay:
    """A pool of kept connections to the pages' process on loopback."""

    def __init__(self, port: int, secret: str, patience: int = PATIENCE) -> None:
        self._pool = urllib3.HTTPConnectionPool(
            "127.0.0.1",
            port,
            maxsize=THREADS,
            block=False,
            timeout=urllib3.Timeout(connect=2, read=120),
        )
        self._secret = secret
        self._patience = patience
        self._are_away = False
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="relay")

    async def carry(self, request: Request) -> None:
        """Carry a request to the pages and their answer back."""
        if len(request.body) > longest_body(request.target):
            request.answer(413, [("content-type", "text/plain; charset=utf-8")], b"The body is too large.\n")
            return
        loop = asyncio.get_running_loop()
        try:
            answer = await loop.run_in_executor(self._threads, self._ask, request)
        except urllib3.exceptions.HTTPError as error:
            reason = getattr(error, "reason", None)
            self._are_away = isinstance(reason, urllib3.exceptions.NewConnectionError)
            # By a thread too: what is made here must not keep the leases waiting.
            request.answer(*await loop.run_in_executor(self._threads, away.reply, request))
            return
        self._are_away = False
        try:
            await self._give_back(answer, request, loop)
        finally:
            # Read to its end, an answer has given its connection back already. On any other connection the
            # rest of it would be taken for the answer to the next request.
            answer.close()

    def close(self) -> None:
        """Close the kept connections."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._pool.close()

    def _ask(self, request: Request) -> urllib3.BaseHTTPResponse:
        headers = dict(passed_on(request.headers.items(), _FORGED))
        headers[FRONT_HEADER] = self._secret
        headers["x-forwarded-for"] = address_of(request.client)
        headers["x-forwarded-proto"] = request.scheme
        # Where somebody has waited in vain nobody else need: in an outage they would use up the threads.
        attempts = 0 if self._are_away else self._patience
        return self._pool.urlopen(
            request.method,
            request.target,
            body=request.body or None,
            headers=headers,
            retries=urllib3.Retry(
                total=None,
                connect=attempts,
                read=0,
                redirect=False,
                status=False,
                backoff_factor=0.05,
                backoff_max=0.1,
            ),
            preload_content=False,
            decode_content=False,
            redirect=False,
            assert_same_host=False,
        )

    async def _give_back(
        self, answer: urllib3.BaseHTTPResponse, request: Request, loop: asyncio.AbstractEventLoop
    ) -> None:
        headers = list(passed_on(answer.headers.items()))
        part = await loop.run_in_executor(self._threads, answer.read, CHUNK)
        if len(part) < CHUNK:
            request.answer(answer.status, headers, part)
            return
        stream = request.stream(answer.status, headers)
        try:
            while part:
                await stream.send_bytes(part)
                part = await loop.run_in_executor(self._threads, answer.read, CHUNK)
        except (ConnectionError, urllib3.exceptions.HTTPError):
            # The one or the other is gone: nobody is to take what was sent for whole.
            stream.abort()
        else:
            stream.close()


def longest_body(target: str) -> int:
    """How many bytes a request to a page may have."""
    return MAX_BODY if target.partition("?")[0] in UPLOADS else MAX_FORM


def passed_on(
    headers: Iterable[tuple[str, str]], forged: frozenset[str] = frozenset()
) -> Iterable[tuple[str, str]]:
    """The headers that go on to the next hop, without those that only we may set."""
    given = [(name.lower(), value) for name, value in headers]
    connection = next((value for name, value in given if name == "connection"), "")
    named = {word.strip().lower() for word in connection.split(",")}
    for lower, value in given:
        if lower not in _NOT_PASSED_ON and lower not in forged and lower not in named:
            # A value in several lines (obsolete, RFC 9112, 5.2) would be several headers.
            yield lower, " ".join(value.split()) if "\n" in value else value


def address_of(client: str) -> str:
    """The address of `address:port`.

    Who comes by IPv4 has its own, also where the port hears both: written as IPv6 all of them would be of one
    network, and be counted as one where attempts are.
    """
    return client.rpartition(":")[0].strip("[]").removeprefix("::ffff:")
