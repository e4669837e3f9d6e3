"""What the worker is given to do: each calls one operation and is harmless when run twice."""

from licensing.operations import queue_heartbeat as heartbeat
from licensing.operations.clock import portal_now


def queue_heartbeat() -> None:
    """Show that tasks come out of the queue."""
    heartbeat.beat(portal_now())
