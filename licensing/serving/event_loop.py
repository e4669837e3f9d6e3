"""The front's event loop: asyncio's own, woken once by however many threads hand it something.

granian's thread hands over each request by `call_soon_threadsafe`, which writes a byte into a socket that
wakes the loop. While a byte is on its way a second one wakes nobody, but costs both threads a call of the
system, and each of those lets go of the interpreter.
"""

import asyncio


class FrontLoop(asyncio.SelectorEventLoop):
    """Its two overrides are inner methods of asyncio's, as Python 3.11 has them; the tests would miss them.

    Nothing is overlooked: whoever hands something over has put it into the loop's queue before it looks
    whether a byte is on its way, and the loop looks into its queue after it has taken the byte.
    """

    _is_woken = False

    def _write_to_self(self) -> None:
        if not self._is_woken:
            self._is_woken = True
            super()._write_to_self()  # type: ignore[misc]

    def _process_self_data(self, data: bytes) -> None:
        self._is_woken = False
        super()._process_self_data(data)  # type: ignore[misc]


class FrontLoopPolicy(asyncio.DefaultEventLoopPolicy):
    """Makes new loops of this kind."""

    _loop_factory = FrontLoop
