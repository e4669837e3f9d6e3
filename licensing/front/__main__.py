"""`python -m licensing.front --host … --port …`: the portal's one port, watched by `serve`."""

import argparse
import logging
import os

from keymanager import deployment

from .entry import application
from .server import serve


def main() -> None:
    """Serve leases here and hand on the rest, over TLS where the deployment has a certificate."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    certificate, key = deployment.tls_pair(deployment.data_folder())
    serve(application(), options.host, options.port, certificate, key)
    logging.shutdown()
    # All is answered and committed. Threads that still wait for a slow page would hold the process.
    os._exit(0)


if __name__ == "__main__":
    main()
