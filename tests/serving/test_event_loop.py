"""The front's loop: woken once by however many threads, and nothing handed to it is overlooked."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from licensing.serving.event_loop import FrontLoop, FrontLoopPolicy


class Counting(FrontLoop):
    """Counts the bytes that wake it."""

    woken = 0

    def _process_self_data(self, data: bytes) -> None:
        self.woken += len(data)
        super()._process_self_data(data)


@contextmanager
def running() -> Iterator[Counting]:
    """A loop at work on a thread of its own."""
    loop = Counting()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def test_however_many_threads_hand_something_over_it_is_woken_once() -> None:
    with running() as loop:
        is_held, goes_on, last = threading.Event(), threading.Event(), threading.Event()

        def hold() -> None:
            is_held.set()
            goes_on.wait(10)

        loop.call_soon_threadsafe(hold)
        assert is_held.wait(10)
        before, done = loop.woken, []

        def hand_over(number: int) -> None:
            for place in range(100):
                loop.call_soon_threadsafe(done.append, (number, place))

        threads = [threading.Thread(target=hand_over, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        loop.call_soon_threadsafe(last.set)
        goes_on.set()
        assert last.wait(10)
    assert len(done) == 800
    # And one for the stop.
    assert loop.woken - before <= 2


def test_it_is_woken_again_each_time_it_sleeps() -> None:
    with running() as loop:
        for _ in range(2_000):
            came = threading.Event()
            loop.call_soon_threadsafe(came.set)
            assert came.wait(10), "overlooked"


def test_the_policy_makes_loops_of_this_kind() -> None:
    loop = FrontLoopPolicy().new_event_loop()
    try:
        assert isinstance(loop, FrontLoop)
        assert loop.run_until_complete(asyncio.sleep(0, "done")) == "done"
    finally:
        loop.close()
