"""How PostgreSQL plans the engine's statements: once for each connection, and by their indexes.

Each of them finds a few rows by an index, however large its table is. Planned while the tables are all but
empty, PostgreSQL would rather read them whole, and keep to that until it has counted their rows anew.
"""

from django.db import DEFAULT_DB_ALIAS, connections

PREPARED = {
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_bitmapscan": "off",
    "enable_material": "off",
}


def plan_once() -> None:
    """Set up the connections of this process, before the first is made; SQLite needs nothing.

    For a process that answers lease calls and little else: large reports want other plans.
    """
    database = connections.databases[DEFAULT_DB_ALIAS]
    if database["ENGINE"] == "django.db.backends.postgresql":
        options = database["OPTIONS"]
        options["options"] = " ".join([options["options"], *(f"-c {n}={v}" for n, v in PREPARED.items())])
