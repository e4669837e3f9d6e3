"""`python -m licensing.serving.pages --host … --port …`: Django's pages, which only the front calls."""

import argparse

from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.log import LogLevels

from .priority import give_way

THREADS = 8
BACKLOG = 2048
# Without it a start interrupted by a signal never ends.
KILL_SECONDS = 5


def main() -> None:
    """Read the arguments and serve until a signal."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    give_way()
    Granian(
        "keymanager.wsgi:application",
        interface=Interfaces.WSGI,
        blocking_threads=THREADS,
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
