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
    from licensing.engine.batch import Batches
    from licensing.engine.commit import Uncommitted

    rightly = Batches.at_once

    def too_early(self: Batches, works: Sequence[Any]) -> Uncommitted[Any]:
        def commit() -> None:
            if self._own is not None and self._own.in_transaction:
                self._own.commit()

        commit()
        carried = rightly(self, works)
        asyncio.get_running_loop().call_later(0.005, commit)
        return Uncommitted(carried.outcomes, lambda: None)

    Batches.at_once = too_early  # type: ignore[method-assign]
