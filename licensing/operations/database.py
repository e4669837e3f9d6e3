"""What kind of database the portal stands on."""

from django.db import connection


def is_shareable() -> bool:
    """Whether portals on several machines may share it: a SQLite file is one machine's alone."""
    return connection.vendor != "sqlite"
