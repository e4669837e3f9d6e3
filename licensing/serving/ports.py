"""Loopback ports: which are free, and who answers."""

import errno
import http.client
import secrets
import socket
import ssl
import time
from urllib.parse import urlsplit

from licensing.operations.errors import Refused

# A supervisor that was killed leaves its children for a moment.
PATIENCE_SECONDS = 8.0
ANSWER_SECONDS = 3.0
# What systems say of an address that is none of this computer's.
NOT_HERE = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EINVAL)


def is_free(host: str, port: int) -> bool:
    """Whether this process could listen on a port now."""
    try:
        _listen(host, port)
    except OSError:
        return False
    return True


def require_address(host: str) -> None:
    """Refuse (`host_unusable`) where a name or an address is none that this computer can listen on."""
    try:
        _listen(host, 0)
    except (socket.gaierror, UnicodeError):
        pass
    except OSError as error:
        if error.errno not in NOT_HERE:
            return
    else:
        return
    raise Refused(
        "host_unusable",
        f"{host} is no address of this computer; name one of its own by --host, or 0.0.0.0 for all",
    )


def require_two(port: int, authority_port: int) -> None:
    """Refuse (`ports_equal`) where portal and authority were given one port, which only one could have."""
    if port == authority_port:
        raise Refused(
            "ports_equal", f"--port and --authority-port are both {port}; choose another for one of them"
        )


def _listen(host: str, port: int) -> None:
    """Listen for a moment (port 0: on any). Raises OSError, or UnicodeError where this can be no name."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))
        probe.listen(1)


def require_free(option: str, host: str, port: int) -> None:
    """Refuse (`port_taken`) where nobody could listen on a port."""
    until = time.monotonic() + PATIENCE_SECONDS
    while not is_free(host, port):
        if time.monotonic() > until:
            raise Refused(
                "port_taken", f"nothing can listen on {host} port {port}; choose another by {option}"
            )
        time.sleep(0.1)


def free_port(preferred: int | None = None) -> int:
    """A loopback port that is free now: the preferred one if it is.

    Below those that systems give to outgoing connections (from 32768 on Linux, from 49152 elsewhere): one of
    these could have the port by the time at which somebody listens on it, or listens again.
    """
    port = preferred
    while not (port and is_free("127.0.0.1", port)):
        port = 15_000 + secrets.randbelow(15_000)
    return port


def answers(url: str) -> bool:
    """Whether an HTTP server on this computer answers at `url`, whatever it says short of an error."""
    parts = urlsplit(url)
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        # It is this computer's own server; its certificate, which names another address, is not looked at.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection(
            str(parts.hostname), parts.port, timeout=ANSWER_SECONDS, context=context
        )
    else:
        connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=ANSWER_SECONDS)
    try:
        connection.request("GET", parts.path or "/", headers={"Host": "localhost"})
        return connection.getresponse().status < 500
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
