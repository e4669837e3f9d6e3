"""Faults to plant, so that it is seen that a check catches them. Each function plants one in this process."""

import asyncio
from collections.abc import Sequence
from typing import Any


def synchronous_normal() -> None:
    """SQLite does not flush at each commit."""
    from django.conf import settings
    from django.db import connection

    options = settings.DATABASES["default"]["OPTIONS"]
    options["init_command"] = options["init_command"].replace("synchronous=FULL", "synchronous=NORMAL")
    connection.close()


def answer_before_the_commit() -> None:
    """Calls are answered when their statements are done, and committed a moment later."""
    from django.db import connection

    from licensing.engine.batch import Batches

    def commit() -> None:
        if connection.connection is not None and connection.connection.in_transaction:
            connection.connection.execute("COMMIT")

    def too_early(self: Batches, works: Sequence[Any]) -> list[Any]:
        with connection.cursor() as cursor:
            commit()
            cursor.execute("BEGIN IMMEDIATE")
            done = self._carry_out(cursor, works)
        asyncio.get_running_loop().call_later(0.005, commit)
        return done

    Batches.at_once = too_early  # type: ignore[method-assign]
