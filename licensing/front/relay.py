"""Handing a request on to the process that serves the pages, and its answer back.

Pages cost the interpreter milliseconds each; in a process of their own they take no time from the leases.
"""

import asyncio
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import urllib3

from . import away

# Names the front to the pages' process, which trusts `X-Forwarded-For` from nobody else.
FRONT_HEADER = "x-keymanager-front"
# Of one hop only (RFC 9110, 7.6.1), or set anew by whoever sends.
_NOT_PASSED_ON = frozenset(
    (
        "connection",
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
# The largest upload of the portal is an answer file; the pages refuse more than 5 MiB themselves.
MAX_BODY = 6 * 1024 * 1024
CHUNK = 256 * 1024
THREADS = 16
# Tenths of a second for which a request waits for pages that have just ended and are being started anew.
PATIENCE = 40


class BodyTooLarge(Exception):
    """The caller sends more than any page takes."""


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

    async def carry(self, scope: Any, proto: Any) -> None:
        """Carry one RSGI request to the pages and their answer back."""
        try:
            body = await read_body(proto, MAX_BODY)
        except BodyTooLarge:
            proto.response_str(
                413, [("content-type", "text/plain; charset=utf-8")], "The body is too large.\n"
            )
            return
        loop = asyncio.get_running_loop()
        try:
            answer = await loop.run_in_executor(self._threads, self._ask, scope, body)
        except urllib3.exceptions.HTTPError as error:
            reason = getattr(error, "reason", None)
            self._are_away = isinstance(reason, urllib3.exceptions.NewConnectionError)
            # By a thread too: what is made here must not keep the leases waiting.
            proto.response_bytes(*await loop.run_in_executor(self._threads, away.reply, scope))
            return
        self._are_away = False
        try:
            await self._give_back(answer, proto, loop)
        finally:
            answer.release_conn()

    def close(self) -> None:
        """Close the kept connections."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._pool.close()

    def _ask(self, scope: Any, body: bytes) -> urllib3.BaseHTTPResponse:
        # RSGI hands the path over decoded.
        target = quote(scope.path, safe="/:@!$&'()*+,;=~")
        if scope.query_string:
            target += f"?{scope.query_string}"
        headers = urllib3.HTTPHeaderDict()
        for name, value in passed_on(scope.headers.items(), _FORGED):
            headers.add(name, value)
        headers[FRONT_HEADER] = self._secret
        headers["x-forwarded-for"] = address_of(scope.client)
        headers["x-forwarded-proto"] = scope.scheme
        # Where somebody has waited in vain nobody else need: in an outage they would use up the threads.
        attempts = 0 if self._are_away else self._patience
        return self._pool.urlopen(
            scope.method,
            target,
            body=body or None,
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
        self, answer: urllib3.BaseHTTPResponse, proto: Any, loop: asyncio.AbstractEventLoop
    ) -> None:
        headers = list(passed_on(answer.headers.items()))
        first = await loop.run_in_executor(self._threads, answer.read, CHUNK)
        if len(first) < CHUNK:
            proto.response_bytes(answer.status, headers, first)
            return
        stream = proto.response_stream(answer.status, headers)
        while first:
            await stream.send_bytes(first)
            first = await loop.run_in_executor(self._threads, answer.read, CHUNK)


def passed_on(
    headers: Iterable[tuple[str, str]], forged: frozenset[str] = frozenset()
) -> Iterable[tuple[str, str]]:
    """The headers that go on to the next hop, without those that only we may set."""
    for name, value in headers:
        lower = name.lower()
        if lower not in _NOT_PASSED_ON and lower not in forged:
            yield lower, value


async def bounded_body(proto: Any, most: int) -> bytes:
    """The body of an RSGI request; of one that has more than `most` bytes, as many and one more."""
    try:
        return await read_body(proto, most)
    except BodyTooLarge:
        return bytes(most + 1)


async def read_body(proto: Any, most: int) -> bytes:
    """The body of an RSGI request, however it is sent.

    Raises:
        BodyTooLarge: it has more than `most` bytes; the rest is not read.
    """
    parts, size = [], 0
    async for part in proto:
        size += len(part)
        if size > most:
            raise BodyTooLarge
        parts.append(part)
    return b"".join(parts)


def address_of(client: str) -> str:
    """The address of RSGI's `address:port`."""
    return client.rpartition(":")[0].strip("[]")
