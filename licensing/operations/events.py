"""Writing down what happened."""

import logging
from datetime import datetime
from typing import Any

from licensing.models import Event

from .actors import Actor

logger = logging.getLogger(__name__)


def record(kind: str, now: datetime, actor: Actor, subject: str = "", **data: Any) -> None:
    """Store an event, in the caller's transaction: the fact and its record stand or fall together.

    Args:
        kind: what happened, e.g. `key_added`; the pages translate it.
        subject: what it happened to: a key number, a lease id, an ERP client's name.
        data: plain JSON values; never a secret.
    """
    logger.info("%s %s by %s %s", kind, subject, actor.name, data or "")
    Event.objects.create(at=now, kind=kind, actor=actor.name, subject=subject, data=data)
