"""Submitting works to an engine and awaiting what becomes of them."""

import asyncio
from collections.abc import Callable
from typing import Any


class Asked:
    """One who asked: `outcome` is there when it was told. `prepare` is what it does during the commit."""

    def __init__(self, prepare: Callable[[Any], None] = lambda _outcome: None) -> None:
        self.outcome: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.prepare = prepare

    def tell(self, outcome: Any) -> None:
        self.outcome.set_result(outcome)


def submitted(
    engine: Any, work: Any, prepare: Callable[[Any], None] = lambda _outcome: None
) -> asyncio.Future[Any]:
    """Submit a work; its outcome is awaited."""
    asked = Asked(prepare)
    engine.submit(work, asked)
    return asked.outcome
