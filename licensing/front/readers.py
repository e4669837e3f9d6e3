"""Threads that read for the front: what is read takes milliseconds, and may wait for the database."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from django.db import connection

from licensing.operations.errors import Refused

Result = TypeVar("Result")
# So many are read within a second or two. Anybody can ask, even without a token: whoever came next would wait
# for all before, and take memory meanwhile.
MOST_WAITING = 256


class Readers:
    """A few threads, and no more work than they can do soon."""

    def __init__(self, threads: int, name: str, most_waiting: int = MOST_WAITING) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._most = threads + most_waiting
        # What is being done or waits for it; changed on the loop alone.
        self._under_way = 0

    async def read(self, work: Callable[[], Result]) -> Result:
        """What `work` gives, done by one of the threads.

        Raises:
            Refused: `unavailable` when too many wait: an early no is better than a late time-out.
        """
        if self._under_way >= self._most:
            raise Refused("unavailable", retry_after=1)
        self._under_way += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, with_connection, work)
        finally:
            self._under_way -= 1


def with_connection(work: Callable[[], Result]) -> Result:
    """Do `work` on a thread of the front's; a connection that the database dropped is not used again."""
    try:
        return work()
    finally:
        connection.close_if_unusable_or_obsolete()
