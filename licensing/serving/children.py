"""The processes that a portal consists of."""

import os
import secrets
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from keymanager import deployment

from .ports import answers, free_port
from .signs import sign_of_life
from .supervisor import Child


@dataclass(frozen=True)
class Options:
    """What `serve` was asked to do; `authority_port` is None without the demo."""

    data: Path
    host: str
    port: int
    authority_port: int | None

    @property
    def url(self) -> str:
        """The portal's address, as seen from this computer."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104
        scheme = "https" if deployment.tls_pair(self.data)[0] else "http"
        return f"{scheme}://[{host}]:{self.port}" if ":" in host else f"{scheme}://{host}:{self.port}"


def run_module() -> tuple[str, ...]:
    """The beginning of a command that runs a module as a child of this process."""
    return (sys.executable, "-P", "-m", "licensing.serving.child")


def environment_of(options: Options) -> dict[str, str]:
    """What the portal's own processes are told beyond what this process was told."""
    path = [str(deployment.BASE), os.environ.get("PYTHONPATH", "")]
    hosts = deployment.allowed_hosts(options.data)
    host = options.host
    if host not in ("0.0.0.0", "::"):  # noqa: S104
        hosts.append(f"[{host}]" if ":" in host else host)
    return {
        "PYTHONPATH": os.pathsep.join(filter(None, path)),
        "KEYMANAGER_DATA": str(options.data),
        "KEYMANAGER_ALLOWED_HOSTS": ",".join(hosts),
        "KEYMANAGER_PORT": str(options.port),
        # Threads that take turns need no heap each (glibc would keep one for every thread).
        "MALLOC_ARENA_MAX": "1",
    }


def portal_children(options: Options) -> tuple[Child, Child, Child]:
    """The front, the pages behind it, and the worker."""
    environment = environment_of(options)
    pages_port = free_port()
    between = {"KEYMANAGER_PAGES_PORT": str(pages_port), "KEYMANAGER_FRONT_SECRET": secrets.token_urlsafe(32)}
    front = (*run_module(), "licensing.front", "--host", options.host, "--port", str(options.port))
    pages = (*run_module(), "licensing.serving.pages", "--host", "127.0.0.1", "--port", str(pages_port))
    worker = (*run_module(), "manage", "worker")
    behind = f"http://127.0.0.1:{pages_port}/livez"
    return (
        Child("web server", front, environment | between, partial(_web_sign, f"{options.url}/livez")),
        Child("pages", pages, environment | between, partial(_web_sign, behind)),
        Child("worker", worker, environment, partial(sign_of_life, options.data)),
    )


def _web_sign(url: str) -> object:
    """Something new whenever the web server answers."""
    return time.monotonic() if answers(url) else None
