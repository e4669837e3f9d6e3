"""Messages with the vendor in the log, at level 3, without what is secret in them.

Credentials travel encrypted and are left out all the same; of a code pack its challenge key and commitments
are. What cannot be read as a message is told by its length alone: it may be half of one.
"""

import json
import logging
from typing import Any

from licensing.protocol.encoding import decode_bytes
from licensing.protocol.errors import ProtocolError

logger = logging.getLogger("licensing.messages")

LEFT_OUT = "(left out)"
SECRET = frozenset(("credentials", "challenge_key", "commitments", "pin"))
# Members that hold a message of their own.
NESTED = frozenset(("grant", "codes", "jwks"))


def log_sent(jws: str) -> None:
    """Log a request to the vendor."""
    if logger.isEnabledFor(logging.DEBUG):
        logger.debug("to the vendor: %s", _told(jws))


def log_received(body: str) -> None:
    """Log what came back."""
    if logger.isEnabledFor(logging.DEBUG):
        logger.debug("from the vendor: %s", _told(body))


def _told(jws: str) -> str:
    payload = _payload(jws)
    if payload is None:
        return f"{len(jws)} characters that are no message"
    return json.dumps(_without_secrets(payload), ensure_ascii=False)


def _payload(jws: str) -> Any:
    """The payload of a compact JWS, read without a look at its signature; None where it is none."""
    parts = jws.strip().split(".")
    if len(parts) != 3:
        return None
    try:
        return json.loads(decode_bytes(parts[1]))
    except (ProtocolError, ValueError, RecursionError):
        return None


def _without_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _member(name, inner) for name, inner in value.items()}
    return [_without_secrets(inner) for inner in value] if isinstance(value, list) else value


def _member(name: str, value: Any) -> Any:
    if name in SECRET and value is not None:
        return LEFT_OUT
    if name in NESTED and isinstance(value, str):
        inner = _payload(value)
        return LEFT_OUT if inner is None else _without_secrets(inner)
    return _without_secrets(value)
