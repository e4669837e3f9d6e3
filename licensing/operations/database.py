"""What kind of database the portal stands on."""

from django.db import DatabaseError, connection


def is_shareable() -> bool:
    """Whether portals on several machines may share it: a SQLite file is one machine's alone."""
    return connection.vendor != "sqlite"


def is_writable() -> bool:
    """Whether PostgreSQL takes what is written: a standby, or a primary that has become one, does not."""
    if not is_shareable():
        return True
    with connection.cursor() as cursor:
        cursor.execute("SHOW transaction_read_only")
        return bool(cursor.fetchone() == ("off",))


def why_unreachable(error: DatabaseError) -> str:
    """Why PostgreSQL cannot be reached, where that is what failed; else empty.

    The pool tells only how long it waited, so this asks once more without it.
    """
    from psycopg import Error, connect
    from psycopg_pool import PoolTimeout

    if not isinstance(error.__cause__, PoolTimeout):
        return ""
    try:
        connect(**connection.get_connection_params()).close()
    except Error as cause:
        return (str(cause).splitlines() or [type(cause).__name__])[0]
    return ""
