"""From a call to its answer: token, then path and method, then the body; and one form for every refusal."""

import logging
import re
import secrets
from collections.abc import Callable

from django.db import Error as DatabaseError

from licensing.operations.errors import Refused

from . import keys, leases, modules, openapi, pages
from .auth import Caller, authenticate
from .exchange import Answer, Call, problem
from .languages import language_of

logger = logging.getLogger(__name__)

Handler = Callable[[Call, Caller, str], Answer]

BASE = "/api/v1"
# Each path once, with the handler of each of its methods; its one group is what the path names.
ROUTES: list[tuple[str, dict[str, Handler]]] = [
    (r"/leases()", {"POST": leases.checkout}),
    (r"/leases/([^/]+)/heartbeat", {"POST": leases.heartbeat}),
    (r"/leases/([^/]+)", {"GET": leases.look, "DELETE": leases.give_back}),
    (r"/modules()", {"GET": modules.modules}),
    (r"/grants/([^/]+)", {"GET": keys.grant}),
    (r"/status()", {"GET": keys.status}),
]
# All in one pattern, each as a group around its own: the outer one is closed last.
_PATH = re.compile("|".join(f"({re.escape(BASE)}{pattern})" for pattern, _ in ROUTES))
_HANDLERS = {2 * place + 1: handlers for place, (_, handlers) in enumerate(ROUTES)}
PUBLIC: dict[str, Callable[[Call], Answer]] = {
    f"{BASE}/openapi.json": openapi.document,
    f"{BASE}/docs": pages.docs,
}


def handle(call: Call) -> Answer:
    """The answer to a call under `/api`; it never raises."""
    return answered(lambda: _dispatch(call), call)


def answered(work: Callable[[], Answer], call: Call) -> Answer:
    """What `work` answers, or the refusal that it raised, or `internal_error` with an incident's number."""
    language = language_of(call.header("accept-language"))
    try:
        return work()
    except Refused as refused:
        return problem(refused, language)
    except DatabaseError:
        logger.exception("the database failed during %s %s", call.method, call.path)
        return problem(Refused("unavailable", retry_after=5), language)
    except Exception:
        incident = secrets.token_hex(6)
        logger.exception("incident %s during %s %s", incident, call.method, call.path)
        return problem(Refused("internal_error", incident=incident), language)


def _dispatch(call: Call) -> Answer:
    public = PUBLIC.get(call.path)
    if public is not None:
        if call.method not in ("GET", "HEAD"):
            raise Refused("method_not_allowed", allow=["GET", "HEAD"])
        return public(call)
    caller = authenticate(call)
    handler, named = find(call.method, call.path)
    return handler(call, caller, named)


def find(method: str, path: str) -> tuple[Handler, str]:
    """The handler of a path and method, and what the path names.

    Raises:
        Refused: not_found, method_not_allowed.
    """
    match = _PATH.fullmatch(path)
    if match is None or match.lastindex is None:
        raise Refused("not_found")
    handlers = _HANDLERS[match.lastindex]
    handler = handlers.get(method)
    if handler is None:
        raise Refused("method_not_allowed", allow=list(handlers))
    return handler, match[match.lastindex + 1]
