"""Whether anything has changed that the front keeps: looked at by a thread of its own.

Neither the loop, in its turn with thousands of requests, nor what else is read delays it.
"""

import logging
from threading import Event, Thread

from django.db import connections

from .callers import LOOK_SECONDS, Callers
from .readers import with_connection

logger = logging.getLogger(__name__)
END_SECONDS = 1.0


class Watch:
    """Looks twice a second, until it is stopped."""

    def __init__(self, callers: Callers) -> None:
        self._callers = callers
        self._is_over = Event()
        self._thread = Thread(target=self._run, name="watch", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Look no more; a look that hangs is not waited for."""
        self._is_over.set()
        self._thread.join(END_SECONDS)

    def _run(self) -> None:
        while not self._is_over.wait(LOOK_SECONDS):
            try:
                with_connection(self._callers.look)
            except Exception as error:
                # Nobody knows then who may still call: ask the database for each.
                self._callers.forget()
                logger.warning("the version of the installation cannot be read: %s", error)
        connections.close_all()
