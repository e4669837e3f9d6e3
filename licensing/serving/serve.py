"""`serve` from its first line to its last: prepare, start, wait until ready, supervise, end."""

import contextlib
import logging
import math
import os
import secrets
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType

from django.conf import settings
from django.db import DatabaseError, connections

from licensing import logs
from licensing.models import QueueHeartbeat
from licensing.operations.clock import local_now, portal_now
from licensing.operations.cluster import join, leave
from licensing.operations.users import first_run_token

from . import demo as demos
from .data_folder import lock, open_folder
from .demo_settings import Demo, open_demo
from .ports import answers, free_port, require_free
from .prepare import Tell, prepare
from .supervisor import Child, Supervisor

SLOW_SECONDS = 30.0
logger = logging.getLogger(logs.SUPERVISOR)
STOP_SIGNALS = ("SIGTERM", "SIGINT", "SIGHUP", "SIGBREAK")


@dataclass(frozen=True)
class Options:
    """What `serve` was asked to do; `authority_port` is None without the demo."""

    host: str
    port: int
    authority_port: int | None

    @property
    def url(self) -> str:
        """The portal's address, as seen from this computer."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104
        scheme = "https" if settings.KEYMANAGER.tls else "http"
        return f"{scheme}://[{host}]:{self.port}" if ":" in host else f"{scheme}://{host}:{self.port}"


def serve(options: Options, tell: Tell) -> None:
    """Run the portal until a signal asks for the end.

    Raises:
        Refused: the folder or a port is taken, the key file is wrong, the database cannot be used …
    """
    folder: Path = settings.KEYMANAGER.data
    open_folder(folder)
    with lock(folder), demos.not_ready(folder), _stopped_by_signals(_supervisor(folder, tell)) as supervisor:
        require_free("--port", options.host, options.port)
        demo = _start_demo(options, options.authority_port, supervisor) if options.authority_port else None
        prepare(tell)
        join(portal_now())
        if demo is not None:
            demo = _furnish_demo(demo, supervisor)
        _start_portal(options, supervisor)
        if demo is not None and not supervisor.is_stopping:
            demos.announce(demo, options.url, portal_now())
        _greet(options, demo, supervisor, tell)
        supervisor.run()
        with contextlib.suppress(DatabaseError):
            leave(portal_now())


def _supervisor(folder: Path, tell: Tell) -> Supervisor:
    def tell_and_log(line: str) -> None:
        tell(line)
        logger.warning(line)

    return Supervisor(tell_and_log, logs.folder_of(folder))


@contextmanager
def _stopped_by_signals(supervisor: Supervisor) -> Iterator[Supervisor]:
    """Let signals stop the supervisor, and end its children whatever happens."""

    def stop(signum: int, frame: FrameType | None) -> None:
        supervisor.ask_to_stop()

    for name in STOP_SIGNALS:
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), stop)
    try:
        yield supervisor
    finally:
        supervisor.end()


def run_module() -> tuple[str, ...]:
    """The beginning of a command that runs a module as a child of this process."""
    return (sys.executable, "-P", "-m", "licensing.serving.child")


def _environment(options: Options) -> dict[str, str]:
    """What the portal's own processes are told beyond what this process was told."""
    path = [str(settings.BASE_DIR), os.environ.get("PYTHONPATH", "")]
    hosts = [os.environ.get("KEYMANAGER_ALLOWED_HOSTS", "") or ",".join(settings.KEYMANAGER.allowed_hosts)]
    host = options.host
    if host not in ("0.0.0.0", "::"):  # noqa: S104
        hosts.append(f"[{host}]" if ":" in host else host)
    return {
        "PYTHONPATH": os.pathsep.join(filter(None, path)),
        "KEYMANAGER_DATA": str(settings.KEYMANAGER.data),
        "KEYMANAGER_ALLOWED_HOSTS": ",".join(filter(None, hosts)),
        "KEYMANAGER_PORT": str(options.port),
    }


def portal_children(options: Options) -> list[Child]:
    """The front, the pages behind it, and the worker."""
    environment = _environment(options)
    pages_port = free_port()
    between = {"KEYMANAGER_PAGES_PORT": str(pages_port), "KEYMANAGER_FRONT_SECRET": secrets.token_urlsafe(32)}
    web = (*run_module(), "licensing.serving.web")
    front = (*web, "front", "--host", options.host, "--port", str(options.port))
    pages = (*web, "pages", "--host", "127.0.0.1", "--port", str(pages_port))
    behind = f"http://127.0.0.1:{pages_port}/livez"
    return [
        Child("web server", front, environment | between, partial(_web_sign, f"{options.url}/livez")),
        Child("pages", pages, environment | between, partial(_web_sign, behind)),
        Child("worker", (*run_module(), "manage", "worker"), environment, _queue_sign),
    ]


def _web_sign(url: str) -> object:
    """Something new whenever the web server answers."""
    return local_now() if answers(url) else None


def _queue_sign() -> object:
    """Something new whenever a heartbeat has come out of the worker's queue."""
    try:
        return QueueHeartbeat.objects.values_list("at", flat=True).filter(pk=1).first()
    finally:
        connections.close_all()


def _start_demo(options: Options, authority_port: int, supervisor: Supervisor) -> Demo:
    """Start authority and mail; they get ready while the database is prepared."""
    require_free("--authority-port", "127.0.0.1", authority_port)
    demo = open_demo(settings.KEYMANAGER.data, authority_port)
    demos.give_machine_id(demo)
    environment = _environment(options)
    for child in demos.children(demo, run_module()):
        supervisor.start(Child(child.name, child.command, environment))
    return demo


def _furnish_demo(demo: Demo, supervisor: Supervisor) -> Demo:
    _wait(supervisor, "the authority", lambda: answers(f"{demo.authority_url}/_control/state"))
    if supervisor.is_stopping:
        return demo
    demos.trust_authority(demo)
    return demos.furnish(demo, portal_now())


def _start_portal(options: Options, supervisor: Supervisor) -> None:
    """Start web servers and worker and wait for them."""
    before = _queue_sign()
    for child in portal_children(options):
        if not supervisor.is_stopping:
            supervisor.start(child)
    # Asked through the front, the log-in page shows that both servers are there.
    _wait(supervisor, "the web server", lambda: answers(f"{options.url}/accounts/login/"))
    _wait(supervisor, "the worker", lambda: _queue_sign() != before)


def _wait(supervisor: Supervisor, what: str, is_ready: Callable[[], bool]) -> None:
    """Look after the children until something is ready; say so where that takes long."""
    tell_at = time.monotonic() + SLOW_SECONDS
    while not supervisor.is_stopping and not is_ready():
        if time.monotonic() > tell_at:
            supervisor.tell(f"{what} is not ready yet")
            tell_at = math.inf
        supervisor.look_after(0.1)


def _greet(options: Options, demo: Demo | None, supervisor: Supervisor, tell: Tell) -> None:
    if supervisor.is_stopping:
        return
    tell(f"The Key Manager is ready at {options.url}")
    if demo is not None:
        tell(f"  administrator: {demo.username}   password: {demo.password}")
        tell(f"  ERP client's token: {demo.token}")
        tell(f"  authority: {demo.authority_url}   mails: {demo.outbox}")
    elif token := first_run_token():
        tell(f"  there is no administrator yet; the one-time token for the first-run page: {token}")
    tell("Stop it with Ctrl+C.")
