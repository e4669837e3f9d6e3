"""The worker's sign of life for the supervisor: a file that changes whenever a task comes out of the queue.

The supervisor reads it without a database, and each node of a cluster has its own.
"""

import secrets
from pathlib import Path

SIGN_FILE = "worker.sign"


def show_life(data: Path) -> None:
    """Show that a task has come out of the queue on this machine."""
    (data / SIGN_FILE).write_text(secrets.token_hex(8), encoding="ascii")


def sign_of_life(data: Path) -> str:
    """Something else whenever a task has come out of the queue; empty before the first."""
    try:
        return (data / SIGN_FILE).read_text(encoding="ascii")
    except FileNotFoundError:
        return ""
