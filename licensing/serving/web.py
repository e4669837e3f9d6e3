"""The web server: `python -m licensing.serving.web`, started and watched by the supervisor."""

import argparse

from granian import Granian
from granian.constants import Interfaces, SSLProtocols
from granian.log import LogLevels

from keymanager import deployment

THREADS = 8
BACKLOG = 2048
# Without it a start interrupted by a signal never ends.
KILL_SECONDS = 5


def serve(host: str, port: int, settings: deployment.Deployment) -> None:
    """Serve pages and API until a signal, over TLS where the deployment has a certificate."""
    server = Granian(
        "keymanager.wsgi:application",
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        workers=1,
        blocking_threads=THREADS,
        backlog=BACKLOG,
        ssl_cert=settings.tls_cert,
        ssl_key=settings.tls_key,
        ssl_protocol_min=SSLProtocols.tls12,
        workers_kill_timeout=KILL_SECONDS,
        log_level=LogLevels.error,
    )
    server.serve()


def main() -> None:
    """Read the arguments and serve."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    serve(options.host, options.port, deployment.read())


if __name__ == "__main__":
    main()
