"""The application behind the one port.

A lease call costs here: a look into a dictionary for its token, msgspec for its body, its share of
one transaction, msgspec for its answer. No session, no template, no middleware, and no task of its own.
"""

import asyncio
import logging
import os
from collections.abc import Coroutine
from functools import lru_cache, partial
from typing import Any

from django.conf import settings
from django.http.request import split_domain_port, validate_host

from licensing.api import health, latency, metrics, pages, router
from licensing.api.auth import Caller
from licensing.api.exchange import MAX_BODY, Answer, Call, answer, problem
from licensing.api.languages import language_of
from licensing.api.messages import HealthAnswer
from licensing.engine.commit import MOST_WAITING
from licensing.engine.engine import Engine
from licensing.operations.errors import Refused

from . import relay
from .callers import Callers
from .http import Request
from .lease_calls import LeaseExchange
from .readers import Readers
from .replies import written
from .watch import Watch

logger = logging.getLogger(__name__)
LEASES = "/api/v1/leases"
READ_HERE = frozenset(("/api", "/problems", metrics.PATH, *health.PATHS))
READERS, ASKERS = 4, 2
LIVING = answer(HealthAnswer("ok", warnings=[]))


class Front:
    """What the server calls: one instance, one event loop."""

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin: what is kept in memory is read, and the engine runs."""
        self._loop = loop
        self._tasks: set[asyncio.Task[None]] = set()
        self._callers = Callers()
        self._callers.look()
        self._engine = Engine(loop, self._callers.now, self._callers.read_clock)
        # Who calls for leases does not wait behind what anybody may read.
        self._readers = Readers(READERS, "reader")
        self._askers = Readers(ASKERS, "asker", MOST_WAITING)
        self._relay = relay.Relay(
            int(os.environ["KEYMANAGER_PAGES_PORT"]), os.environ["KEYMANAGER_FRONT_SECRET"]
        )
        self._watch = Watch(self._callers)

    def stop(self) -> None:
        """End: the batch under way is committed, nothing new is carried out."""
        self._watch.stop()
        self._engine.close()
        self._relay.close()

    def longest_body(self, target: str) -> int:
        """How many bytes a request may have."""
        return MAX_BODY if target.startswith("/api/") else relay.longest_body(target)

    def refuse(self, request: Request, status: int, why: str) -> None:
        """Answer what is not fit to be handled; the API has one form and one code for it."""
        path = request.path
        if path == "/api" or path.startswith("/api/"):
            language = language_of(request.headers.get("accept-language"))
            request.line.send(written(request, problem(Refused("bad_request"), language)))
        else:
            request.say(status, why)

    def handle(self, request: Request) -> None:
        """Answer a request, now or later."""
        path = request.path
        if path.startswith(LEASES):
            self._lease(request, path)
        elif path == "/livez" and request.method in ("GET", "HEAD"):
            request.line.send(written(request, LIVING))
        elif path in READ_HERE or path.startswith(("/api/", "/problems/")):
            self._later(self._read(request, path), request)
        else:
            self._later(self._relay.carry(request), request)

    def _later(self, work: Coroutine[Any, Any, None], request: Request) -> None:
        """Answer in a task of its own."""
        task = self._loop.create_task(work)
        self._tasks.add(task)

        def done(task: "asyncio.Task[None]") -> None:
            self._tasks.discard(task)
            if not task.cancelled() and task.exception() is not None:
                logger.error("%s %s failed", request.method, request.path, exc_info=task.exception())
                request.fail()

        task.add_done_callback(done)

    def _lease(self, request: Request, path: str) -> None:
        headers = request.headers
        exchange = LeaseExchange(request)
        if not host_allowed(headers.get("host", "")):
            exchange.fail(Refused("bad_request"))
            return
        caller = self._callers.caller(headers.get("authorization"), request.client)
        if caller is None:
            self._later(self._ask(exchange, request, path), request)
        else:
            exchange.carry_out(caller, path, self._engine)

    async def _ask(self, exchange: LeaseExchange, request: Request, path: str) -> None:
        """A lease call of somebody whom the database has to know."""
        asked = partial(self._callers.ask, request.headers.get("authorization"), request.client)
        try:
            caller: Caller = await self._askers.read(asked)
        except Exception as error:
            exchange.fail(error)
        else:
            exchange.carry_out(caller, path, self._engine)

    async def _read(self, request: Request, path: str) -> None:
        """Whatever else the API answers: read by a thread of its own, as within Django."""
        began = self._loop.time()
        call = Call(
            request.method,
            path,
            request.query,
            request.headers,
            relay.address_of(request.client),
            lambda _most: b"",
        )
        try:
            reply = await self._readers.read(partial(_answer, call))
        except Refused as refused:
            reply = problem(refused, language_of(call.header("accept-language")))
        request.line.send(written(request, reply))
        latency.count("read", self._loop.time() - began)


def _answer(call: Call) -> Answer:
    if call.path in health.PATHS:
        return router.answered(lambda: health.handle(call), call)
    if not host_allowed(call.header("host") or ""):
        return problem(Refused("bad_request"), language_of(call.header("accept-language")))
    if call.path == metrics.PATH:
        return router.answered(lambda: metrics.handle(call), call)
    if call.path.startswith(pages.PROBLEMS_PATH):
        return router.answered(lambda: pages.problem_page(call), call)
    return router.handle(call)


@lru_cache(maxsize=256)
def host_allowed(host: str) -> bool:
    """Whether the portal answers under this host name."""
    domain, _ = split_domain_port(host)
    return bool(domain) and validate_host(domain, settings.ALLOWED_HOSTS)
