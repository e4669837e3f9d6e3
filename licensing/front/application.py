"""The RSGI application behind the one port.

A lease call costs here: a look into two dictionaries for its token, msgspec for its body, its share of
one transaction, msgspec for its answer. No session, no template, no middleware.
"""

import asyncio
import logging
import os
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from typing import Any, TypeVar

from django.conf import settings
from django.db import connection
from django.http.request import split_domain_port, validate_host

from licensing.api import health, latency, metrics, pages, router
from licensing.api.auth import Caller
from licensing.api.exchange import MAX_BODY, Answer, Call, answer, problem
from licensing.api.languages import language_of
from licensing.api.leases import lease_call, render_checkout, render_heartbeat, render_look
from licensing.api.messages import HealthAnswer
from licensing.api.parsing import read_checkout
from licensing.engine.batch import Batches, Done, Kind, Work
from licensing.engine.checkpoint import Checkpoints
from licensing.engine.commit import Failed, GroupCommit
from licensing.operations.errors import Refused

from . import lease_log
from .callers import LOOK_SECONDS, Callers
from .relay import BodyTooLarge, Relay, address_of, read_body

logger = logging.getLogger(__name__)
Result = TypeVar("Result")
LEASES = "/api/v1/leases"
READ_HERE = frozenset(("/api", "/problems", metrics.PATH, *health.PATHS))
LIVING = answer(HealthAnswer("ok", warnings=[]))
READERS = 4
KINDS = {"POST": "heartbeat", "DELETE": "return", "GET": "look"}


class Front:
    """What granian calls: one instance, one event loop."""

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._callers = Callers()
        self._callers.look()
        batches = Batches(self._callers.now, self._callers.look)
        sqlite = connection.vendor == "sqlite"
        if sqlite:
            with connection.cursor() as cursor:
                # The loop never waits for a lock: a batch that would have to goes to the thread.
                cursor.execute("PRAGMA busy_timeout = 0")
        self._engine: GroupCommit[Work, Done] = GroupCommit(
            loop, batches.at_once if sqlite else None, batches.patiently
        )
        self._checkpoints = Checkpoints() if sqlite else None
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="reader")
        self._relay = Relay(int(os.environ["KEYMANAGER_PAGES_PORT"]), os.environ["KEYMANAGER_FRONT_SECRET"])
        self._watch = loop.call_later(LOOK_SECONDS, self._look)

    def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._watch.cancel()
        self._engine.close()
        if self._checkpoints is not None:
            self._checkpoints.stop()
        self._relay.close()

    async def __rsgi__(self, scope: Any, proto: Any) -> None:
        path = scope.path
        if path.startswith(LEASES):
            await self._lease(scope, proto, path)
        elif path == "/livez":
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
        began = self._loop.time()
        try:
            reply = await self._lease_answer(scope, proto, path)
        except Refused as refused:
            reply = problem(refused, language_of(scope.headers.get("accept-language")))
        except Exception:
            incident = secrets.token_hex(6)
            logger.exception("incident %s during %s %s", incident, scope.method, path)
            language = language_of(scope.headers.get("accept-language"))
            reply = problem(Refused("internal_error", incident=incident), language)
        send(proto, reply, scope.method)
        kind = "checkout" if path == LEASES else KINDS.get(scope.method, "look")
        latency.count(kind, self._loop.time() - began)

    async def _lease_answer(self, scope: Any, proto: Any, path: str) -> Answer:
        headers = scope.headers
        if not host_allowed(headers.get("host") or scope.authority or ""):
            raise Refused("bad_request")
        caller = await self._caller(headers.get("authorization"), address_of(scope.client))
        method = scope.method
        if path == LEASES:
            if method != "POST":
                raise Refused("method_not_allowed", allow=["POST"])
            return await self._checkout(scope, proto, caller)
        handler, lease_id = router.find(method, path)
        work, render = WAYS[handler.__name__]
        done = await self._done(Work(work, lease_call(caller, lease_id)))
        return render(done)

    async def _checkout(self, scope: Any, proto: Any, caller: Caller) -> Answer:
        try:
            body = await proto() if _short(scope) else await read_body(proto, MAX_BODY)
        except BodyTooLarge:
            body = bytes(MAX_BODY + 1)
        call = Call("POST", LEASES, "", scope.headers, "", lambda most: body[:most])
        request, known_grants = read_checkout(call, caller.id)
        done = await self._done(Work(Kind.CHECKOUT, request))
        return render_checkout(done.outcome, known_grants, done.now)

    async def _done(self, work: Work) -> Done:
        done = await self._engine.submit(work)
        if isinstance(done, Failed):
            raise done.error
        if isinstance(done, Refused):
            raise done
        lease_log.note(work, done)
        if isinstance(done.outcome, Refused):
            raise done.outcome
        return done

    async def _caller(self, authorization: str | None, address: str) -> Caller:
        known = self._callers.caller(authorization, address)
        if known is not None:
            return known
        asked = partial(self._callers.ask, authorization, address)
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


WAYS: dict[str, tuple[Kind, Callable[[Done], Answer]]] = {
    "heartbeat": (Kind.HEARTBEAT, lambda done: render_heartbeat(done.outcome, done.now)),
    "give_back": (Kind.RETURN, lambda done: Answer(204)),
    "look": (Kind.LOOK, lambda done: render_look(done.outcome, done.now)),
}


def _short(scope: Any) -> bool:
    """Whether the body's declared length lets us read it in one go."""
    length = scope.headers.get("content-length")
    return length is not None and length.isdigit() and int(length) <= MAX_BODY


def send(proto: Any, answer: Answer, method: str) -> None:
    """Send an answer."""
    headers = [("cache-control", "no-store"), ("x-content-type-options", "nosniff")]
    headers += [(name.lower(), value) for name, value in answer.headers]
    if answer.status == 204 or method == "HEAD":
        proto.response_empty(answer.status, headers)
        return
    headers.append(("content-type", answer.content_type))
    proto.response_bytes(answer.status, headers, answer.body)


@lru_cache(maxsize=256)
def host_allowed(host: str) -> bool:
    """Whether the portal answers under this host name."""
    domain, _ = split_domain_port(host)
    return bool(domain) and validate_host(domain, settings.ALLOWED_HOSTS)
