"""The two web servers: the front on the portal's port, and the pages behind it on loopback.

`python -m licensing.serving.web front|pages --host … --port …`, started and watched by the supervisor.
"""

import argparse
import asyncio
from typing import Any

from granian import Granian
from granian.constants import HTTPModes, Interfaces, SSLProtocols
from granian.log import LogLevels

from keymanager import deployment

from .event_loop import FrontLoopPolicy
from .priority import give_way

PAGE_THREADS = 8
BACKLOG = 2048
# Without it a start interrupted by a signal never ends.
KILL_SECONDS = 5


def front() -> dict[str, Any]:
    """The one way in, over TLS where the deployment has a certificate: leases here, the rest behind."""
    certificate, key = deployment.tls_pair(deployment.data_folder())
    return {
        "target": "licensing.front.entry:application",
        "factory": True,
        "interface": Interfaces.RSGI,
        "websockets": False,
        "ssl_cert": certificate,
        "ssl_key": key,
        "ssl_protocol_min": SSLProtocols.tls12,
    }


def pages() -> dict[str, Any]:
    """Django's pages, which only the front calls."""
    return {
        "target": "keymanager.wsgi:application",
        "interface": Interfaces.WSGI,
        "blocking_threads": PAGE_THREADS,
    }


SERVERS = {"front": front, "pages": pages}


def main() -> None:
    """Read the arguments and serve until a signal."""
    parser = argparse.ArgumentParser()
    parser.add_argument("server", choices=SERVERS)
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    if options.server == "front":
        asyncio.set_event_loop_policy(FrontLoopPolicy())
    else:
        give_way()
    Granian(
        **SERVERS[options.server](),
        address=options.host,
        port=options.port,
        workers=1,
        backlog=BACKLOG,
        # Telling HTTP/2 from HTTP/1 costs each kept connection a third of its memory.
        http=HTTPModes.http1,
        workers_kill_timeout=KILL_SECONDS,
        log_level=LogLevels.error,
    ).serve()


if __name__ == "__main__":
    main()
