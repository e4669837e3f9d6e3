"""What the authority is made of, and which request goes where."""

import logging
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from licensing.protocol import BadSignature, MalformedMessage

from .clock import Clock, stored_offset
from .contact import ContactDesk, Replayed, TooManyAtOnce
from .contact_routes import ContactRoutes
from .control import Control
from .desk import Desk
from .desk_routes import DeskRoutes
from .exchange import Problem, Request, Response, Route, retry_after
from .folder import DATABASE_FILE, Vault, open_folder
from .key_set import add_signing_key
from .store import Store, StoreBusy

_LOG = logging.getLogger(__name__)
_CONTROL = "/_control/"
_LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "::1", None})


@dataclass(frozen=True, slots=True)
class Application:
    """The authority without its network: data, rules and routes."""

    store: Store
    vault: Vault = field(repr=False)
    clock: Clock
    contact: ContactDesk
    desk: Desk
    contacts: ContactRoutes
    control: Control | None
    _routes: dict[str, dict[str, Route]]

    def handle(self, request: Request) -> Response:
        """The response to any request; what is wrong becomes a problem document."""
        try:
            return self._find(request)(request)
        except Problem as problem:
            return problem.response()
        except Exception as error:
            return _problem_of(error).response()

    def _find(self, request: Request) -> Route:
        methods = self._routes.get(request.path)
        if self.control is not None and request.path.startswith(_CONTROL):
            _check_control_caller(request)
            methods = self.control.route(request.path.removeprefix(_CONTROL))
        if methods is None:
            raise Problem(404, "not_found", "There is nothing here.")
        if request.method not in methods:
            allowed = ", ".join(sorted(methods))
            raise Problem(405, "method_not_allowed", f"Allowed here: {allowed}.", headers={"Allow": allowed})
        return methods[request.method]


def open_application(folder: Path, *, control: bool = False, new_signing_key: bool = False) -> Application:
    """The authority of a data folder, made now where it is new. Raises BadFolder."""
    vault = open_folder(folder)
    store = Store(folder / DATABASE_FILE)
    clock = Clock(stored_offset(store) if control else 0)
    if new_signing_key:
        vault = add_signing_key(store, folder, vault, clock.now())
    contact = ContactDesk(store, vault)
    contacts = ContactRoutes(contact, vault, clock)
    desk = Desk(store, vault)
    routes = DeskRoutes(desk, contacts, clock).routes()
    routes["/v1/contact"] = {"POST": contacts.online}
    controls = Control(store, vault, clock, contacts) if control else None
    return Application(store, vault, clock, contact, desk, contacts, controls, routes)


def _check_control_caller(request: Request) -> None:
    """Only programs on this computer, and no web page that a browser here happens to show."""
    host = urlsplit("//" + request.headers.get("Host", "")).hostname
    origin = request.headers.get("Origin")
    foreign_page = origin is not None and urlsplit(origin).netloc != request.headers.get("Host")
    if not request.from_loopback or host not in _LOOPBACK_NAMES or foreign_page:
        raise Problem(403, "not_permitted", "The control routes are for programs on this computer.")


def _problem_of(error: Exception) -> Problem:
    """The one table from what went wrong to HTTP."""
    match error:
        case BadSignature():
            return Problem(401, "bad_signature", f"The request's header, key or signature is wrong: {error}.")
        case MalformedMessage():
            return Problem(400, "malformed", f"The request cannot be read: {error}.")
        case Replayed():
            return Problem(409, "replayed", "This request was used before the installation's last one.")
        case TooManyAtOnce():
            return Problem(429, "too_many_requests", "Too many contacts at once.", headers=retry_after(5))
        case StoreBusy():
            return Problem(503, "busy", "The licence server is busy; try again soon.", headers=retry_after(5))
    _LOG.error("unexpected", exc_info=error)
    return Problem(500, "internal_error", "The licence server has failed; its log says why.")
