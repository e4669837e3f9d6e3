"""`python -m authority`: starts the reference licence authority."""

import argparse
import logging
import signal
import sqlite3
import sys
from pathlib import Path

from .application import open_application
from .folder import BadFolder
from .service import Service


def main(arguments: list[str] | None = None) -> int:
    """Runs until SIGTERM or SIGINT; 0 after a stop that was asked for, 1 if it could not start."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if (options.tls_cert is None) != (options.tls_key is None):
        parser.error("--tls-cert and --tls-key belong together")
    logging.basicConfig(level=logging.INFO, format="authority: %(levelname)s %(message)s")
    try:
        service = _start(options)
    except (BadFolder, OSError, sqlite3.Error) as error:
        print(f"authority: cannot start: {error}", file=sys.stderr)
        return 1
    for stop_signal in (signal.SIGTERM, signal.SIGINT):
        signal.signal(stop_signal, lambda *_: service.ask_to_stop())
    print(f"authority ready on {service.url}", file=sys.stderr, flush=True)
    service.run()
    return 0


def _start(options: argparse.Namespace) -> Service:
    application = open_application(
        options.data, control=options.control, new_signing_key=options.new_signing_key
    )
    tls = None if options.tls_cert is None else (options.tls_cert, options.tls_key)
    service = Service(application, options.host, options.port, tls)
    if options.smtp_port is not None:
        service.open_mailbox(options.smtp_port, options.relay)
    return service


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="authority", description="The reference licence authority.")
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    add("--port", type=_port, default=9400, help="HTTP port (default: %(default)s; 0 takes a free one)")
    add("--data", type=Path, required=True, help="data folder, made at the first start")
    add("--tls-cert", type=Path, help="certificate chain (PEM): serves HTTPS")
    add("--tls-key", type=Path, help="the certificate's private key (PEM)")
    add("--smtp-port", type=_port, help="port of the activation mailbox")
    add(
        "--relay",
        type=_relay,
        default="127.0.0.1:25",
        metavar="HOST:PORT",
        help="SMTP server for its answers",
    )
    add("--control", action="store_true", help="serve /_control to programs on this computer")
    add("--new-signing-key", action="store_true", help="add a signing key and tell the installations")
    return parser


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:
        raise ValueError(text)
    return port


def _relay(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host:
        raise ValueError(text)
    return host.strip("[]"), _port(port)


if __name__ == "__main__":
    sys.exit(main())
