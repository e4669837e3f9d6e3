"""The page of logs: what a pack holds, packing with progress, the packs that are there."""

import logging
import threading
from dataclasses import dataclass
from typing import Any

from django.db import connections, transaction
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render

from licensing.models import Role
from licensing.operations.actors import Actor
from licensing.operations.clock import local_now
from licensing.operations.log_pack import pack_logs, packs, preview

from .access import actor, needs

logger = logging.getLogger(__name__)


@dataclass
class Packing:
    """A pack that is being made in this process."""

    done: int = 0
    of: int = 0
    running: bool = False
    failed: bool = False

    def told(self, done: int, of: int) -> None:
        """So many parts of so many are packed."""
        self.done, self.of = done, of


_packing = Packing()
_one_at_a_time = threading.Lock()


@needs(Role.ADMINISTRATOR)
def log_packs(request: HttpRequest) -> HttpResponse:
    """What a pack made now would hold, and the packs that are there."""
    if request.method == "POST":
        who = actor(request)
        transaction.on_commit(lambda: _start(who))
        return redirect("log_packs")
    return render(request, "contacts/logs.html", {"preview": preview(), **_state()})


@needs(Role.ADMINISTRATOR)
def progress(request: HttpRequest) -> HttpResponse:
    """How far packing is, for htmx; then the packs."""
    return render(request, "contacts/packs.html", _state())


@needs(Role.ADMINISTRATOR)
def download(request: HttpRequest, name: str) -> HttpResponseBase:
    """One pack."""
    pack = next((pack for pack in packs() if pack.path.name == name), None)
    if pack is None:
        raise Http404
    return FileResponse(pack.path.open("rb"), as_attachment=True, filename=name)


def _state() -> dict[str, Any]:
    return {"packs": packs(), "packing": _packing}


def _start(who: Actor) -> None:
    """Pack in a thread of this process: the worker may be what is wrong."""
    with _one_at_a_time:
        if _packing.running:
            return
        _packing.done, _packing.of, _packing.running, _packing.failed = 0, 0, True, False
    threading.Thread(target=_pack, args=(who,), name="log-pack", daemon=True).start()


def _pack(who: Actor) -> None:
    try:
        pack_logs(local_now(), who, _packing.told)
    except Exception:
        _packing.failed = True
        logger.exception("the logs could not be packed")
    finally:
        _packing.running = False
        connections.close_all()
