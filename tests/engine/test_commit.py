"""Group commit: who shares a transaction, who waits, and what a failure touches."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from queue import Queue
from types import SimpleNamespace

import pytest

from licensing.engine.commit import SMALL, Busy, GroupCommit, Uncommitted
from licensing.engine.crowd import FEW, IDLE_TURNS, MOST_TURNS, Crowd, Returning
from licensing.engine.outcomes import Failed
from licensing.operations.errors import Refused
from licensing.operations.transactions import Contended
from tests.engine.asking import Asked, submitted


def run(story: Callable[[], Awaitable[None]]) -> None:
    """Run a story on a loop of its own, in a thread of its own: a browser's loop may run in this one."""
    with ThreadPoolExecutor(1) as alone:
        alone.submit(asyncio.run, asyncio.wait_for(story(), 20)).result()


def doubled(works: Sequence[int], _foresee: object = None) -> list[int]:
    return [2 * work for work in works]


def nothing() -> None:
    pass


def at_once(
    work_out: Callable[[Sequence[int]], list[int]],
    commit: Callable[[], None] = nothing,
) -> Callable[[Sequence[int]], Uncommitted[int]]:
    """What carries batches out on the loop's thread."""
    return lambda works: Uncommitted(work_out(works), commit)


def test_calls_that_are_ready_together_share_one_transaction() -> None:
    async def story() -> None:
        batches: list[list[int]] = []

        def record(works: Sequence[int], _foresee: object = None) -> list[int]:
            batches.append(list(works))
            return doubled(works)

        engine = GroupCommit(asyncio.get_running_loop(), at_once(record), doubled)
        outcomes = await asyncio.gather(*(submitted(engine, work) for work in range(10)))
        assert outcomes == [2 * work for work in range(10)]
        assert batches == [list(range(10))]

    run(story)


def test_one_call_alone_waits_for_nobody() -> None:
    async def story() -> None:
        engine = GroupCommit(asyncio.get_running_loop(), at_once(doubled), doubled)
        future = submitted(engine, 21)
        for _ in range(3):
            await asyncio.sleep(0)
        assert future.done()
        assert future.result() == 42

    run(story)


def test_a_batch_waits_some_turns_for_as_many_calls_as_shared_the_last() -> None:
    async def story() -> None:
        sizes: list[int] = []

        def record(works: Sequence[int], _foresee: object = None) -> list[int]:
            sizes.append(len(works))
            return doubled(works)

        async def call(turns: int) -> object:
            for _ in range(turns):
                await asyncio.sleep(0)
            return await submitted(engine, 1)

        engine = GroupCommit(asyncio.get_running_loop(), at_once(record), doubled)
        await asyncio.gather(call(0), call(0), call(0))
        await asyncio.gather(call(0), call(1), call(2))
        await asyncio.wait_for(call(0), 1)
        await call(0)
        assert sizes == [3, 3, 1, 1]

    run(story)


def turns_waited(crowd: Crowd, waiting: Callable[[int], int]) -> int:
    """For how many turns a batch waits while `waiting(turn)` calls wait."""
    turn = 0
    while crowd.is_awaited(waiting(turn)):
        turn += 1
    crowd.came(waiting(turn))
    return turn


def test_a_batch_waits_no_longer_than_somebody_comes_and_not_for_ever() -> None:
    crowd = Crowd()
    crowd.came(1000)
    assert turns_waited(crowd, lambda turn: 5) == IDLE_TURNS + 1
    assert turns_waited(crowd, lambda turn: 100 * turn) == 10
    assert turns_waited(crowd, lambda turn: turn // (IDLE_TURNS - 1)) == MOST_TURNS


def test_a_crowd_is_forgotten_and_a_call_alone_waits_for_nobody() -> None:
    crowd = Crowd()
    crowd.came(64)
    waits = [turns_waited(crowd, lambda turn: 1) for _ in range(100)]
    assert waits[0] > 0
    assert waits[-1] == 0


def test_every_batch_runs_in_one_context_and_so_on_one_connection() -> None:
    kept: ContextVar[object] = ContextVar("kept")  # as Django keeps a connection

    async def story() -> None:
        made: list[object] = []

        def record(works: Sequence[int], _foresee: object = None) -> list[int]:
            if kept.get(None) is None:
                made.append(object())
                kept.set(made[-1])
            return doubled(works)

        async def call(work: int) -> object:
            return await submitted(engine, work)

        engine = GroupCommit(asyncio.get_running_loop(), at_once(record), doubled)
        for work in range(5):
            # A task of its own has a context of its own.
            assert await asyncio.create_task(call(work)) == 2 * work
        assert len(made) == 1

    run(story)


class Clock:
    """A loop of which only the timers are used."""

    def __init__(self) -> None:
        self.due: list[Callable[[], None]] = []

    def call_later(self, _seconds: float, callback: Callable[[], None]) -> "Clock":
        self.due.append(callback)
        return self

    def cancel(self) -> None:
        self.due.clear()


def test_those_who_were_answered_are_waited_for_a_moment_and_no_longer() -> None:
    went_on: list[bool] = []
    clock = Clock()
    returning = Returning(clock, lambda: went_on.append(True))  # type: ignore[arg-type]
    assert not returning.is_awaited(1)
    returning.answered(10, 6)
    assert returning.is_awaited(15)
    assert not returning.is_awaited(16)
    (moment_is_over,) = clock.due
    moment_is_over()
    assert went_on == [True]
    assert not returning.is_awaited(1)


def test_a_batch_that_starts_ends_the_waiting() -> None:
    clock = Clock()
    returning = Returning(clock, lambda: None)  # type: ignore[arg-type]
    returning.answered(10, 6)
    returning.came()
    assert not returning.is_awaited(1)
    assert clock.due == []


def test_few_are_not_waited_for() -> None:
    clock = Clock()
    returning = Returning(clock, lambda: None)  # type: ignore[arg-type]
    returning.answered(FEW - 1, 1)
    assert not returning.is_awaited(1)
    assert clock.due == []


def test_two_halves_that_come_by_turns_share_one_batch() -> None:
    async def story() -> None:
        sizes: list[int] = []

        def patiently(works: Sequence[int], _foresee: object = None) -> list[int]:
            sizes.append(len(works))
            return doubled(works)

        engine = GroupCommit(asyncio.get_running_loop(), None, patiently)

        async def call(turns: int) -> None:
            for _ in range(turns):
                await submitted(engine, 1)

        first = [asyncio.create_task(call(30)) for _ in range(10)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await asyncio.gather(*first, *[asyncio.create_task(call(30)) for _ in range(10)])
        # Else the one half would always wait while the other's batch runs.
        assert max(sizes) == 20

    run(story)


def test_no_outcome_is_told_before_its_commit() -> None:
    async def story() -> None:
        committed = threading.Event()
        started = threading.Event()

        def slow(works: Sequence[int], _foresee: object = None) -> list[int]:
            started.set()
            committed.wait(10)
            return doubled(works)

        engine = GroupCommit(asyncio.get_running_loop(), None, slow)
        first = submitted(engine, 1)
        await asyncio.to_thread(started.wait, 10)
        later = submitted(engine, 2)
        await asyncio.sleep(0.05)
        assert not first.done()
        assert not later.done()
        committed.set()
        assert await asyncio.gather(first, later) == [2, 4]

    run(story)


def test_a_full_batch_is_committed_beside_the_loop_and_told_afterwards() -> None:
    async def story() -> None:
        told: list[str] = []
        may_commit = threading.Event()

        def commit() -> None:
            assert may_commit.wait(10)
            told.append(f"committed on {threading.current_thread().name[:12]}")

        def prepare(outcome: int) -> None:
            told.append(f"prepared {outcome}")

        def note(_works: object, _outcomes: object, at_once: bool) -> None:
            told.append(f"noted {at_once}")

        engine = GroupCommit(asyncio.get_running_loop(), at_once(doubled, commit), doubled, note)
        futures = [submitted(engine, work, prepare) for work in range(SMALL + 1)]
        prepared = [f"prepared {2 * work}" for work in range(SMALL + 1)]
        for _ in range(100):
            await asyncio.sleep(0)
        later = submitted(engine, 100)
        await asyncio.sleep(0.05)
        assert engine.is_committing
        assert told == prepared
        assert not any(future.done() for future in [*futures, later])
        may_commit.set()
        assert await asyncio.gather(*futures) == [2 * work for work in range(SMALL + 1)]
        assert await later == 200
        assert told[len(prepared) :][:2] == ["committed on lease-writer", "noted True"]
        assert not engine.is_committing

    run(story)


def test_what_a_thread_is_about_to_commit_is_prepared_meanwhile() -> None:
    async def story() -> None:
        told: list[str] = []
        may_commit = threading.Event()

        def patiently(works: Sequence[int], foresee: Callable[[Sequence[int]], None]) -> list[int]:
            foresee(doubled(works))
            assert may_commit.wait(10)
            return doubled(works)

        engine = GroupCommit(asyncio.get_running_loop(), None, patiently)
        futures = [
            submitted(engine, work, lambda outcome: told.append(str(outcome))) for work in range(SMALL + 1)
        ]
        while len(told) <= SMALL:
            await asyncio.sleep(0.01)
        assert told == [str(2 * work) for work in range(SMALL + 1)]
        assert not any(future.done() for future in futures)
        may_commit.set()
        assert await asyncio.gather(*futures) == [2 * work for work in range(SMALL + 1)]

    run(story)


def test_what_was_foreseen_and_did_not_come_to_pass_is_told_to_nobody() -> None:
    async def story() -> None:
        def patiently(works: Sequence[int], foresee: Callable[[Sequence[int]], None]) -> list[int]:
            if len(works) > 1:
                foresee([0 for _ in works])
                raise OSError("the connection was lost")
            return doubled(works)

        engine = GroupCommit(asyncio.get_running_loop(), None, patiently)
        futures = [submitted(engine, work) for work in range(SMALL + 1)]
        assert await asyncio.gather(*futures) == [2 * work for work in range(SMALL + 1)]

    run(story)


def test_a_few_calls_are_committed_on_the_loop_s_own_thread() -> None:
    async def story() -> None:
        threads: list[object] = []
        carry_out = at_once(doubled, lambda: threads.append(threading.current_thread()))
        engine = GroupCommit(asyncio.get_running_loop(), carry_out, doubled)
        await asyncio.gather(*(submitted(engine, work) for work in range(SMALL)))
        assert threads == [threading.current_thread()]

    run(story)


@pytest.mark.parametrize("calls", [1, SMALL + 1])
def test_a_commit_that_fails_tells_nobody_and_the_batch_is_done_again_patiently(calls: int) -> None:
    async def story() -> None:
        noted: list[object] = []

        def fail() -> None:
            raise OSError("the disk is full")

        carry_out = at_once(lambda works: [0 for _ in works], fail)
        engine = GroupCommit(
            asyncio.get_running_loop(), carry_out, doubled, lambda *told: noted.append(told[1:])
        )
        outcomes = await asyncio.gather(*(submitted(engine, work) for work in range(calls)))
        assert outcomes == [2 * work for work in range(calls)]
        assert noted == [(outcomes, False)]

    run(story)


def test_a_lock_held_elsewhere_moves_the_batch_to_the_thread_and_leaves_the_loop_free() -> None:
    async def story() -> None:
        turns = 0
        released = threading.Event()

        def busy(works: Sequence[int], _foresee: object = None) -> list[int]:
            raise Busy

        def waits(works: Sequence[int], _foresee: object = None) -> list[int]:
            released.wait(10)
            return doubled(works)

        engine = GroupCommit(asyncio.get_running_loop(), at_once(busy), waits)
        future = submitted(engine, 4)
        while turns < 100:
            await asyncio.sleep(0)
            turns += 1
        assert not future.done()
        released.set()
        assert await future == 8

    run(story)


def test_an_error_of_one_call_touches_no_other() -> None:
    async def story() -> None:
        def touchy(works: Sequence[int], _foresee: object = None) -> list[int]:
            if 3 in works:
                raise ZeroDivisionError
            return doubled(works)

        engine = GroupCommit(asyncio.get_running_loop(), at_once(touchy), touchy)
        outcomes = await asyncio.gather(*(submitted(engine, work) for work in range(6)))
        assert [outcomes[work] for work in (0, 1, 2, 4, 5)] == [0, 2, 4, 8, 10]
        assert isinstance(outcomes[3], Failed)

    run(story)


def test_a_database_that_stays_locked_refuses_the_whole_batch() -> None:
    async def story() -> None:
        def locked(works: Sequence[int], _foresee: object = None) -> list[int]:
            raise Refused("unavailable", retry_after=1)

        engine = GroupCommit(asyncio.get_running_loop(), None, locked)
        outcomes = await asyncio.gather(submitted(engine, 1), submitted(engine, 2))
        assert [outcome.code for outcome in outcomes if isinstance(outcome, Refused)] == ["unavailable"] * 2

    run(story)


def test_who_came_while_the_database_stayed_locked_need_not_wait_for_it_as_long_once_more() -> None:
    async def story() -> None:
        batches: list[list[int]] = []
        free = threading.Event()

        def locked(works: Sequence[int], _foresee: object = None) -> list[int]:
            batches.append(list(works))
            free.wait(10)
            raise Refused("unavailable", retry_after=1)

        engine = GroupCommit(asyncio.get_running_loop(), None, locked)
        first = submitted(engine, 1)
        while not batches:
            await asyncio.sleep(0.001)
        later = submitted(engine, 2)
        free.set()
        outcomes = await asyncio.gather(first, later)
        assert [outcome.code for outcome in outcomes if isinstance(outcome, Refused)] == ["unavailable"] * 2
        assert batches == [[1]]

    run(story)


def test_one_call_that_is_overtaken_for_ever_takes_no_other_with_it() -> None:
    async def story() -> None:
        def overtaken(works: Sequence[int], _foresee: object = None) -> list[int]:
            if 2 in works:
                raise Contended("unavailable", retry_after=1)
            return doubled(works)

        engine = GroupCommit(asyncio.get_running_loop(), None, overtaken)
        first, second, third = await asyncio.gather(*(submitted(engine, work) for work in (1, 2, 3)))
        assert (first, third) == (2, 6)
        assert isinstance(second, Refused)
        assert second.code == "unavailable"

    run(story)


def test_a_full_queue_refuses_at_once() -> None:
    async def story() -> None:
        engine = GroupCommit(asyncio.get_running_loop(), at_once(doubled), doubled, most_waiting=2)
        kept = [submitted(engine, 1), submitted(engine, 2)]
        with pytest.raises(Refused, match="unavailable"):
            submitted(engine, 3)
        assert await asyncio.gather(*kept) == [2, 4]
        assert await submitted(engine, 3) == 6

    run(story)


def test_a_batch_has_an_upper_size() -> None:
    async def story() -> None:
        sizes: list[int] = []

        def record(works: Sequence[int], _foresee: object = None) -> list[int]:
            sizes.append(len(works))
            return doubled(works)

        engine = GroupCommit(asyncio.get_running_loop(), at_once(record), doubled, most_in_batch=4)
        await asyncio.gather(*(submitted(engine, work) for work in range(10)))
        assert sizes == [4, 4, 2]

    run(story)


def test_what_one_cannot_prepare_touches_no_neighbour() -> None:
    async def story() -> None:
        def prepare(outcome: int) -> None:
            prepared.append(outcome)
            if outcome == 2:
                raise ZeroDivisionError

        prepared: list[int] = []
        engine = GroupCommit(asyncio.get_running_loop(), at_once(doubled), doubled)
        works = range(SMALL + 1)
        outcomes = await asyncio.gather(*(submitted(engine, work, prepare) for work in works))
        assert outcomes == prepared == doubled(works)

    run(story)


def test_one_who_cannot_be_told_keeps_no_neighbour_waiting(caplog: pytest.LogCaptureFixture) -> None:
    class Deaf(Asked):
        def tell(self, outcome: object) -> None:
            raise ZeroDivisionError

    async def story() -> None:
        engine = GroupCommit(asyncio.get_running_loop(), at_once(doubled), doubled)
        engine.submit(1, Deaf())
        assert await submitted(engine, 2) == 4

    run(story)
    assert "could not be told" in caplog.text


def test_the_loop_goes_on_once_the_thread_has_begun_to_commit() -> None:
    # A thread that wants the interpreter may wait long for it, and the disk does nothing meanwhile.
    prepared: list[int] = []
    handed_over: Queue[Callable[[], None]] = Queue()

    async def story() -> None:
        engine = GroupCommit(asyncio.get_running_loop(), at_once(doubled), doubled)
        engine._threads = SimpleNamespace(submit=handed_over.put)  # type: ignore[assignment]
        await asyncio.gather(*(submitted(engine, work, prepared.append) for work in range(SMALL + 1)))

    with ThreadPoolExecutor(1) as alone:
        loop = alone.submit(asyncio.run, asyncio.wait_for(story(), 20))
        commit = handed_over.get(timeout=10)
        time.sleep(0.05)
        assert prepared == []
        commit()
        loop.result()
    assert len(prepared) == SMALL + 1
