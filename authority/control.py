"""The routes under `/_control`: what demos and tests may do to the authority from the same computer."""

import math
from functools import partial

from licensing.protocol import MalformedMessage, format_instant, read_module
from licensing.protocol.fields import CUSTOMER, KEY_NUMBER, PIN, Fields
from licensing.protocol.grants import MOST_MODULES

from .clock import Clock, store_offset
from .contact_routes import ContactRoutes
from .credentials import clear_locks, locked_until
from .exchange import Problem, Request, Response, Route, json_response
from .folder import Vault
from .store import Store
from .virtual_keys import VirtualKey, all_keys, find_key, save_key

_FARTHEST_SECONDS = 100 * 366 * 86400


class Control:
    """Makes keys, moves the clock, sets the mode."""

    def __init__(self, store: Store, vault: Vault, clock: Clock, contacts: ContactRoutes) -> None:
        self._store = store
        self._vault = vault
        self._clock = clock
        self._contacts = contacts

    def route(self, path: str) -> dict[str, Route] | None:
        """What there is at a path below `/_control/`, by method; None for nothing."""
        fixed: dict[str, dict[str, Route]] = {
            "keys": {"POST": self.put_key},
            "clock": {"POST": self.set_clock},
            "mode": {"POST": self.set_mode},
            "state": {"GET": self.state},
        }
        if path in fixed:
            return fixed[path]
        match path.split("/"):
            case ["keys", number, "reset"]:
                return {"POST": partial(self.reset, number)}
            case ["keys", number, "suspend"]:
                return {"POST": partial(self.suspend, number)}
        return None

    def put_key(self, request: Request) -> Response:
        """Makes a key, or replaces its credentials and modules; binding, serial and packs stay."""
        fields = Fields(request.members(), "the key")
        number, customer = fields.text("number", KEY_NUMBER), fields.text("customer", CUSTOMER)
        modules = tuple(read_module(item) for item in fields.items("modules", MOST_MODULES))
        fields.different("modules", tuple(module.code for module in modules))
        digest = self._vault.credentials_digest(number, customer, fields.text("pin", PIN))
        with self._store.transaction() as tx:
            key = find_key(tx, number) or VirtualKey(number, customer, digest, modules)
            key.customer, key.credentials, key.modules = customer, digest, modules
            save_key(tx, key)
        return json_response({"number": number})

    def reset(self, number: str, request: Request) -> Response:
        """Unbinds a key, clears its locks and its clone mark; the serial goes on."""
        with self._store.transaction() as tx:
            key = _known(find_key(tx, number))
            key.unbind()
            save_key(tx, key)
            clear_locks(tx, number)
        return json_response({"number": number})

    def suspend(self, number: str, request: Request) -> Response:
        """Suspends a key, or ends that."""
        suspended = Fields(request.members(), "the order").any("suspended")
        if not isinstance(suspended, bool):
            raise MalformedMessage("suspended is neither true nor false")
        with self._store.transaction() as tx:
            key = _known(find_key(tx, number))
            key.suspended = suspended
            save_key(tx, key)
        return json_response({"number": number, "suspended": suspended})

    def set_clock(self, request: Request) -> Response:
        """Moves the authority's clock away from the computer's."""
        seconds = Fields(request.members(), "the order").any("offset_seconds")
        if isinstance(seconds, bool) or not isinstance(seconds, int | float):
            raise MalformedMessage("offset_seconds is no number")
        # The size first: a whole number may be too large to become a float.
        if abs(seconds) > _FARTHEST_SECONDS or not math.isfinite(seconds):
            raise MalformedMessage("offset_seconds is more than a hundred years")
        store_offset(self._store, seconds)
        self._clock.offset_seconds = seconds
        return json_response({"offset_seconds": seconds})

    def set_mode(self, request: Request) -> Response:
        """Sets how `POST /v1/contact` behaves from now on."""
        mode = Fields(request.members(), "the order").any("mode")
        try:
            self._contacts.mode = str(mode)
        except ValueError:
            raise MalformedMessage("there is no such mode") from None
        return json_response({"mode": self._contacts.mode})

    def state(self, request: Request) -> Response:
        """Mode, clock and every key."""
        now = self._clock.now()
        with self._store.transaction() as tx:
            keys = [(key, locked_until(tx, key.number, now)) for key in all_keys(tx)]
        return json_response(
            {
                "mode": self._contacts.mode,
                "clock_offset_seconds": self._clock.offset_seconds,
                "keys": [
                    {
                        "number": key.number,
                        "bound_to": key.bound_to,
                        "machine": key.machine,
                        "serial": key.serial,
                        "suspended": key.suspended,
                        "clone_suspected": key.clone_suspected,
                        "locked_until": until and format_instant(until),
                    }
                    for key, until in keys
                ],
            }
        )


def _known(key: VirtualKey | None) -> VirtualKey:
    if key is None:
        raise Problem(404, "not_found", "There is no such key.")
    return key
