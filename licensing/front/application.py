"""The RSGI application behind the one port.

A lease call costs here: a look into a dictionary for its token, msgspec for its body, its share of
one transaction, msgspec for its answer. No session, no template, no middleware.
"""

import asyncio
import logging
import os
import secrets
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from time import monotonic
from typing import Any, TypeVar

from django.conf import settings
from django.db import connection
from django.http.request import split_domain_port, validate_host

from licensing.api import health, latency, metrics, pages, router
from licensing.api.auth import Caller
from licensing.api.exchange import MAX_BODY, Answer, Call, answer, problem
from licensing.api.languages import language_of
from licensing.api.leases import lease_call
from licensing.api.messages import HealthAnswer
from licensing.api.parsing import read_checkout
from licensing.engine.batch import Kind, Work
from licensing.engine.engine import Engine
from licensing.operations.errors import Refused

from . import lease_calls
from .callers import LOOK_SECONDS, Callers
from .relay import Relay, address_of, bounded_body

logger = logging.getLogger(__name__)
Result = TypeVar("Result")
LEASES = "/api/v1/leases"
READ_HERE = frozenset(("/api", "/problems", metrics.PATH, *health.PATHS))
ALWAYS = (("cache-control", "no-store"), ("x-content-type-options", "nosniff"))
LIVING = answer(HealthAnswer("ok", warnings=[]))
READERS = 4


class Front:
    """What granian calls: one instance, one event loop."""

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._callers = Callers()
        self._callers.look()
        self._engine = Engine(loop, self._callers.now, self._callers.look, lease_calls.written_meanwhile)
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="reader")
        self._relay = Relay(int(os.environ["KEYMANAGER_PAGES_PORT"]), os.environ["KEYMANAGER_FRONT_SECRET"])
        self._watch = loop.call_later(LOOK_SECONDS, self._look)

    def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._watch.cancel()
        self._engine.close()
        self._relay.close()

    def __rsgi__(self, scope: Any, proto: Any) -> Coroutine[Any, Any, None]:
        path = scope.path
        # What granian awaits is the call's own coroutine: one around it would cost each call its share.
        return self._lease(scope, proto, path) if path.startswith(LEASES) else self._other(scope, proto, path)

    async def _other(self, scope: Any, proto: Any, path: str) -> None:
        if path == "/livez":
            send(proto, LIVING, scope.method)
        elif path in READ_HERE or path.startswith(("/api/", "/problems/")):
            await self._read(scope, proto)
        else:
            await self._relay.carry(scope, proto)

    def _look(self) -> None:
        """Twice a second: has anything changed that we keep?"""

        def looked(done: "asyncio.Future[None]") -> None:
            if done.exception() is not None:
                # Nobody knows then who may still call: ask the database for each.
                self._callers.forget()
                logger.warning("the version of the installation cannot be read: %s", done.exception())
            self._watch = self._loop.call_later(LOOK_SECONDS, self._look)

        done = self._loop.run_in_executor(self._readers, with_connection, self._callers.look)
        done.add_done_callback(looked)

    async def _lease(self, scope: Any, proto: Any, path: str) -> None:
        """A lease call, in one coroutine: every further one would cost each call its share."""
        began = monotonic()
        headers, method = scope.headers, scope.method
        kind = Kind.LOOK
        try:
            if not host_allowed(headers.get("host") or scope.authority or ""):
                raise Refused("bad_request")
            authorization, client = headers.get("authorization"), scope.client
            caller = self._callers.caller(authorization, client)
            if caller is None:
                caller = await self._ask(authorization, client)
            kind, lease_id = lease_calls.wanted(method, path)
            heard = self._engine.heartbeat(caller.id, lease_id) if kind is Kind.HEARTBEAT else None
            if heard is not None:
                reply = lease_calls.told_at_once(caller, *heard)
            elif kind is Kind.CHECKOUT:
                body = await proto() if _short(headers) else await bounded_body(proto, MAX_BODY)
                work = Work(kind, *read_checkout(headers, body, caller.id))
                reply = lease_calls.told(work, await self._engine.submit(work))
            else:
                work = Work(kind, lease_call(caller, lease_id))
                reply = lease_calls.told(work, await self._engine.submit(work))
        except Refused as refused:
            reply = problem(refused, language_of(headers.get("accept-language")))
        except Exception:
            incident = secrets.token_hex(6)
            logger.exception("incident %s during %s %s", incident, method, path)
            language = language_of(headers.get("accept-language"))
            reply = problem(Refused("internal_error", incident=incident), language)
        send(proto, reply, method)
        latency.count(lease_calls.NAMES[kind], monotonic() - began)

    async def _ask(self, authorization: str | None, client: str) -> Caller:
        asked = partial(self._callers.ask, authorization, client)
        return await self._loop.run_in_executor(self._readers, with_connection, asked)

    async def _read(self, scope: Any, proto: Any) -> None:
        """Whatever else the API answers: read by a thread of its own, as within Django."""
        began = self._loop.time()
        call = Call(
            scope.method,
            scope.path,
            scope.query_string,
            dict(scope.headers.items()),
            address_of(scope.client),
            lambda _most: b"",
        )
        reply = await self._loop.run_in_executor(self._readers, with_connection, partial(_answer, call))
        send(proto, reply, scope.method)
        latency.count("read", self._loop.time() - began)


def with_connection(work: Callable[[], Result]) -> Result:
    """Do `work` on a reader's thread; a connection that the database dropped is not used again."""
    try:
        return work()
    finally:
        connection.close_if_unusable_or_obsolete()


def _answer(call: Call) -> Answer:
    if call.path in health.PATHS:
        return health.handle(call)
    if not host_allowed(call.header("host") or ""):
        return problem(Refused("bad_request"), language_of(call.header("accept-language")))
    if call.path == metrics.PATH:
        return router.answered(lambda: metrics.handle(call), call)
    if call.path.startswith(pages.PROBLEMS_PATH):
        return router.answered(lambda: pages.problem_page(call), call)
    return router.handle(call)


def _short(headers: Any) -> bool:
    """Whether the body's declared length lets us read it in one go."""
    length = headers.get("content-length")
    return length is not None and length.isdigit() and int(length) <= MAX_BODY


def send(proto: Any, answer: Answer, method: str) -> None:
    """Send an answer."""
    if answer.status == 204 or method == "HEAD":
        proto.response_empty(answer.status, [*ALWAYS, *answer.headers])
        return
    headers = [*ALWAYS, *answer.headers, ("content-type", answer.content_type)]
    proto.response_bytes(answer.status, headers, answer.body)


@lru_cache(maxsize=256)
def host_allowed(host: str) -> bool:
    """Whether the portal answers under this host name."""
    domain, _ = split_domain_port(host)
    return bool(domain) and validate_host(domain, settings.ALLOWED_HOSTS)
