"""Heartbeats answered from memory: nobody is told of a lease that is gone, and nothing told is lost."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, connections

from licensing.engine import batch, recent
from licensing.engine.batch import Batches, Kind, Work
from licensing.engine.commit import Busy
from licensing.engine.engine import Engine
from licensing.engine.recent import (
    AHEAD,
    FEW,
    HURRIED_SECONDS,
    MOST_AT_ONCE,
    SHARE,
    WRITE_SECONDS,
    Recent,
)
from licensing.models import Event, Lease, Seat
from licensing.operations import checkout, leases, mending
from licensing.operations.actors import COMMAND
from licensing.operations.errors import Refused
from licensing.operations.installation import bump_version
from licensing.operations.lease_rows import LeaseRow, held_lease
from licensing.operations.lease_values import HeldLease, LeaseCall, Promise
from tests.engine.asking import submitted
from tests.factories import KEY, NOW, Portal, make_client, module, request, take

pytestmark = [pytest.mark.sqlite_only, pytest.mark.django_db(transaction=True)]

SECOND = timedelta(seconds=1)
INACTIVITY = timedelta(seconds=1800)
FAR = NOW + timedelta(hours=72)


def elsewhere(work: Callable[[], Any]) -> Any:
    """Do `work` on another connection, as another process would."""

    def alone() -> Any:
        try:
            return work()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(alone).result()


@dataclass
class Play:
    """An engine at work for one client with one lease; time is what the test says."""

    engine: Engine
    client_id: int
    lease_id: UUID
    clock: list[datetime] = field(default_factory=lambda: [NOW])

    async def call(self, kind: Kind) -> Any:
        """Submit a call; its outcome, a refusal raised."""
        done = await submitted(self.engine, Work(kind, LeaseCall(self.client_id, self.lease_id)))
        outcome = getattr(done, "outcome", done)
        if isinstance(outcome, Refused):
            raise outcome
        return outcome

    async def beat(self, after: timedelta = SECOND) -> HeldLease:
        """A heartbeat `after` the last one, as the front does it."""
        self.clock[0] += after
        found = await self.at_once()
        if found is not None:
            return found
        lease: HeldLease = await self.call(Kind.HEARTBEAT)
        return lease

    async def at_once(self, client_id: int | None = None) -> HeldLease | None:
        """What memory answers to a heartbeat, in a turn of the loop of its own."""
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        found = self.engine.heartbeat(client_id or self.client_id, str(self.lease_id))
        return found[0] if found is not None else None


def play(portal: Portal, story: Callable[[Play], Awaitable[None]], life: timedelta | None = None) -> None:
    """Play a story on a lease that was just taken and has had its first heartbeat."""
    portal.accept(KEY, [module("HANDEL", 5)], life=life or timedelta(hours=72))
    client = make_client()
    lease = take(client)

    async def played() -> None:
        clock = [NOW]
        engine = Engine(asyncio.get_running_loop(), lambda: clock[0])
        stage = Play(engine, client.pk, lease.id, clock)
        assert engine._renewal is not None
        engine._renewal.join()  # it commits too
        try:
            await stage.call(Kind.HEARTBEAT)
            await story(stage)
        finally:
            engine.close()
            connection.close()

    asyncio.run(played())


def stored(lease_id: UUID) -> Lease:
    """The lease as another process reads it."""
    row: Lease = elsewhere(lambda: Lease.objects.get(id=lease_id))
    return row


async def written(heard: HeldLease) -> None:
    """Wait until the database has what was told."""
    for _ in range(500):
        if stored(UUID(heard.id)).expires_at == heard.expires_at:
            return
        await asyncio.sleep(0.02)
    pytest.fail("nothing was written")


def test_seat_taken_away_ends_when_the_last_heartbeat_was_told_though_that_was_not_written(
    portal: Portal,
) -> None:
    async def story(on: Play) -> None:
        on.clock[0] += 25 * SECOND
        heard = await on.at_once()
        assert heard is not None
        assert stored(on.lease_id).expires_at < heard.expires_at
        elsewhere(lambda: portal.accept(KEY, [module("KADRY", 1)], now=on.clock[0]))
        for _ in range(2):
            later = await on.beat()
            assert (later.expires_at, later.withdrawn) == (heard.expires_at, ("HANDEL",))
        assert elsewhere(lambda: Seat.objects.get(lease__id=on.lease_id).ends_at) == heard.expires_at

    play(portal, story)


def test_fresh_time_at_a_start_moves_no_seat_that_was_taken_away(portal: Portal) -> None:
    async def story(on: Play) -> None:
        elsewhere(lambda: portal.accept(KEY, [module("KADRY", 1)], now=NOW))
        elsewhere(lambda: leases.renew_live(lambda: NOW + SECOND))
        assert (await on.beat()).expires_at == NOW + INACTIVITY

    play(portal, story)


@pytest.mark.parametrize("first", [Kind.RETURN, Kind.HEARTBEAT])
def test_lease_that_is_returned_beside_a_heartbeat_is_kept_no_longer(portal: Portal, first: Kind) -> None:
    async def story(on: Play) -> None:
        # Too far ahead for memory: both are carried out, in one batch.
        on.clock[0] += timedelta(seconds=600)
        second = Kind.HEARTBEAT if first is Kind.RETURN else Kind.RETURN
        await asyncio.gather(on.call(first), on.call(second), return_exceptions=True)
        assert stored(on.lease_id).ended_reason == "returned"
        with pytest.raises(Refused, match="lease_ended"):
            await on.beat()

    play(portal, story)


def test_lease_that_is_told_again_has_the_end_that_its_last_heartbeat_was_told(
    portal: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As where very many promises wait: then those of other leases are not written ahead of a checkout.
    monkeypatch.setattr(Recent, "write_ahead", lambda *_given: None)
    portal.accept(KEY, [module("HANDEL", 5)])
    client = make_client()
    work = Work(Kind.CHECKOUT, request(client, "HANDEL", idempotency_key="once"))
    clock = [NOW]

    async def story() -> None:
        engine = Engine(asyncio.get_running_loop(), lambda: clock[0])
        given = (await submitted(engine, work)).outcome.lease
        clock[0] += SECOND
        heard = engine.heartbeat(client.pk, given.id)
        assert heard is not None
        again = (await submitted(engine, work)).outcome
        assert (again.replayed, again.lease.id) == (True, given.id)
        assert again.lease.expires_at == heard[0].expires_at == NOW + SECOND + INACTIVITY
        engine.close()
        connection.close()

    asyncio.run(story())


def test_what_cannot_be_kept_is_forgotten_and_everybody_answered(
    portal: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_given: object) -> None:
        raise ZeroDivisionError

    async def story(on: Play) -> None:
        monkeypatch.setattr(Recent, "keep", fail)
        on.clock[0] += timedelta(seconds=600)
        assert (await on.call(Kind.HEARTBEAT)).state == "active"
        assert await on.at_once() is None

    play(portal, story)


def test_second_heartbeat_is_answered_from_memory_and_written_with_the_next_call(portal: Portal) -> None:
    async def story(on: Play) -> None:
        on.clock[0] += SECOND
        heard = await on.at_once()
        assert heard is not None
        assert (heard.expires_at, heard.last_seen_at) == (NOW + SECOND + INACTIVITY, NOW + SECOND)
        assert stored(on.lease_id).expires_at == NOW + INACTIVITY
        looked = await on.call(Kind.LOOK)
        assert (looked.expires_at, looked.last_seen_at) == (heard.expires_at, heard.last_seen_at)
        assert stored(on.lease_id).expires_at == heard.expires_at

    play(portal, story)


def test_promises_are_written_within_seconds_though_nobody_calls(portal: Portal) -> None:
    async def story(on: Play) -> None:
        await written(await on.beat())

    play(portal, story)


def test_engine_that_ends_writes_what_it_promised(portal: Portal) -> None:
    told: list[Any] = []

    async def story(on: Play) -> None:
        told.append(await on.beat())

    play(portal, story)
    assert Lease.objects.get().expires_at == told[0].expires_at


def test_lease_released_elsewhere_is_not_prolonged(portal: Portal) -> None:
    async def story(on: Play) -> None:
        await on.beat()
        elsewhere(lambda: leases.release([on.lease_id], on.clock[0], COMMAND))
        with pytest.raises(Refused, match="lease_ended"):
            await on.beat()
        assert stored(on.lease_id).ended_reason == "released_by_admin"

    play(portal, story)


def test_lease_returned_elsewhere_is_not_prolonged(portal: Portal) -> None:
    async def story(on: Play) -> None:
        await on.beat()
        call = LeaseCall(on.client_id, str(on.lease_id))
        elsewhere(lambda: leases.return_leases([call], on.clock[0]))
        with pytest.raises(Refused, match="lease_ended"):
            await on.beat()

    play(portal, story)


def test_lease_whose_seat_a_hand_took_is_not_prolonged_once_that_was_mended(portal: Portal) -> None:
    def take_the_seat() -> None:
        Seat.objects.filter(lease=Lease.objects.get()).update(lease=None)
        mending.mend(NOW + SECOND)

    async def story(on: Play) -> None:
        await on.beat()
        elsewhere(take_the_seat)
        with pytest.raises(Refused, match="lease_ended"):
            await on.beat()

    play(portal, story)


def test_what_others_write_that_touches_no_lease_leaves_memory_alone(portal: Portal) -> None:
    async def story(on: Play) -> None:
        await on.beat()
        elsewhere(lambda: Event.objects.create(kind="test", at=on.clock[0]))
        assert await on.at_once() is not None

    play(portal, story)


def test_first_heartbeat_of_a_lease_that_was_just_given_is_answered_from_memory(portal: Portal) -> None:
    portal.accept(KEY, [module("HANDEL", 5)])
    client = make_client()

    async def story() -> None:
        clock = [NOW]
        engine = Engine(asyncio.get_running_loop(), lambda: clock[0])
        try:
            given = await submitted(engine, Work(Kind.CHECKOUT, request(client, "HANDEL")))
            clock[0] += SECOND
            heard = engine.heartbeat(client.pk, given.outcome.lease.id)
        finally:
            engine.close()
            connection.close()
        assert heard is not None
        assert heard[0].expires_at == NOW + SECOND + INACTIVITY

    asyncio.run(story())
    assert Lease.objects.get().expires_at == NOW + SECOND + INACTIVITY


@pytest.mark.parametrize("kind", [Kind.HEARTBEAT, Kind.PROMISES])
def test_what_a_thread_did_with_a_lease_is_only_forgotten(
    portal: Portal, monkeypatch: pytest.MonkeyPatch, kind: Kind
) -> None:
    """Between its commit and the moment at which the loop is told, somebody else may have ended the lease."""

    async def story(on: Play) -> None:
        await on.beat()
        assert await on.at_once() is not None
        if kind is Kind.HEARTBEAT:
            # Nothing is promised any more, and a look forgets no live lease.
            await on.call(Kind.LOOK)
        monkeypatch.setattr(on.engine._group, "_at_once", None)
        await on.call(Kind.HEARTBEAT if kind is Kind.HEARTBEAT else Kind.LOOK)
        assert await on.at_once() is None

    play(portal, story)


def test_promise_does_not_bring_a_lease_back(portal: Portal) -> None:
    async def story(on: Play) -> None:
        await on.beat()
        elsewhere(lambda: leases.release([on.lease_id], on.clock[0], COMMAND))
        with pytest.raises(Refused, match="lease_ended"):
            await on.call(Kind.HEARTBEAT)
        assert stored(on.lease_id).ended_at == on.clock[0]

    play(portal, story)


def test_lease_returned_here_is_not_prolonged(portal: Portal) -> None:
    async def story(on: Play) -> None:
        await on.beat()
        await on.call(Kind.RETURN)
        with pytest.raises(Refused, match="lease_ended"):
            await on.beat()

    play(portal, story)


def test_memory_answers_nothing_while_a_batch_is_being_committed(
    portal: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Asking the connection would wait for the commit, and what another process does after it would be missed.
    async def story(on: Play) -> None:
        await on.beat()
        assert await on.at_once() is not None
        monkeypatch.setattr(on.engine._group, "is_committing", True)
        assert await on.at_once() is None
        monkeypatch.setattr(on.engine._group, "is_committing", False)
        assert await on.at_once() is not None

    play(portal, story)


def test_lease_that_cannot_be_told_keeps_no_neighbour_waiting(
    portal: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    portal.accept(KEY, [module("HANDEL", 5)])
    client = make_client()

    def touchy(row: LeaseRow, *rest: Any) -> HeldLease:
        if row.user == "nobody":
            raise ZeroDivisionError
        return held_lease(row, *rest)

    monkeypatch.setattr(checkout, "held_lease", touchy)

    async def story() -> None:
        engine = Engine(asyncio.get_running_loop(), lambda: NOW)
        try:
            works = [Work(Kind.CHECKOUT, request(client, "HANDEL", user=user)) for user in ("nobody", "anna")]
            bad, good = await asyncio.gather(*(submitted(engine, work) for work in works))
        finally:
            engine.close()
            connection.close()
        assert good.outcome.lease.user == "anna"
        with pytest.raises(ZeroDivisionError):
            _ = bad.outcome.lease

    asyncio.run(story())


def test_memory_answers_the_lease_s_own_client_alone(portal: Portal) -> None:
    stranger = make_client()

    async def story(on: Play) -> None:
        assert await on.at_once(stranger.pk) is None
        assert await on.at_once() is not None

    play(portal, story)


def test_seats_taken_away_elsewhere_are_told_at_the_next_heartbeat(portal: Portal) -> None:
    async def story(on: Play) -> None:
        end = (await on.beat()).expires_at
        elsewhere(lambda: portal.accept(KEY, [module("HANDEL", 0)], on.clock[0]))
        heard = await on.beat()
        assert heard.withdrawn == ("HANDEL",)
        assert NOW + INACTIVITY <= heard.expires_at <= end

    play(portal, story)


def test_memory_never_runs_far_ahead_of_the_database(portal: Portal) -> None:
    async def story(on: Play) -> None:
        on.clock[0] += AHEAD
        assert await on.at_once() is not None
        on.clock[0] += timedelta(microseconds=1)
        assert await on.at_once() is None

    play(portal, story)


def test_memory_does_not_prolong_to_the_contact_deadline(portal: Portal) -> None:
    deadline = NOW + INACTIVITY + SECOND

    async def story(on: Play) -> None:
        on.clock[0] += SECOND - timedelta(microseconds=1)
        assert await on.at_once() is not None
        on.clock[0] += SECOND
        assert await on.at_once() is None
        assert (await on.call(Kind.HEARTBEAT)).expires_at == deadline

    play(portal, story, life=deadline - NOW)


def test_memory_answers_a_promise_that_was_written_as_it_stood(portal: Portal) -> None:
    async def story(on: Play) -> None:
        for _ in range(3):
            heard = await on.beat(AHEAD)
            await on.call(Kind.LOOK)
            row = stored(on.lease_id)
            assert (row.expires_at, row.last_seen_at) == (heard.expires_at, heard.last_seen_at)
            assert await on.at_once() is not None

    play(portal, story)


def test_promise_is_judged_anew_once_another_process_may_have_changed_its_lease(
    portal: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged: list[int] = []

    def counted(_cursor: Any, ids: list[str], *_rest: Any) -> int:
        judged.append(len(ids))
        return 0

    monkeypatch.setattr(batch, "reckon", counted)

    async def story(on: Play) -> None:
        await on.beat()
        await on.call(Kind.LOOK)
        assert judged == [0]
        await on.beat()
        elsewhere(bump_version)
        await on.call(Kind.LOOK)
        assert judged == [0, 1]

    play(portal, story)


class Pace:
    """A `Recent` alone, with `leases` leases, whose timer a test lets run; what it has written."""

    def __init__(self, leases: int) -> None:
        self.written: list[list[Promise]] = []
        self.delays: list[float] = []
        self.can_write = True
        self.clock = NOW
        self.recent = Recent(self, lambda: 1, lambda: self.clock, self.write)  # type: ignore[arg-type]
        self.recent.compare()
        self.ids = [f"{number:032x}" for number in range(leases)]
        for lease_id in self.ids:
            self.recent.keep(1, held(lease_id))

    def call_soon(self, work: Callable[[], None]) -> None:
        self.end_turn = work

    def call_later(self, seconds: float, work: Callable[[], None]) -> object:
        self.delays.append(seconds)
        self.timer = work
        return object()

    def write(self, promises: Sequence[Promise], tell: Callable[[bool], None]) -> None:
        self.written.append(list(promises))
        tell(self.can_write)

    def beat(self, ids: Sequence[str], after: timedelta) -> int:
        """A heartbeat of each of these; how many were answered."""
        self.clock += after
        answered = sum(self.recent.heartbeat(1, lease_id) is not None for lease_id in ids)
        self.end_turn()
        return answered


def held(lease_id: str, limit: datetime = FAR) -> HeldLease:
    """A lease that was just given."""
    end = NOW + INACTIVITY
    return HeldLease(
        id=lease_id, state="active", modules=(), not_taken=(), workstation="PC", user="anna", taken_at=NOW,
        last_seen_at=NOW, expires_at=end, ended_at=None, ended_reason="", contact_deadline=FAR,
        withdrawn=(), inactivity_seconds=1800, keys={}, limit=limit,
    )  # fmt: skip


def test_few_promises_are_written_together_within_a_second() -> None:
    pace = Pace(MOST_AT_ONCE)
    assert pace.beat(pace.ids, SECOND) == MOST_AT_ONCE
    assert pace.delays == [WRITE_SECONDS]
    pace.timer()
    assert [promise.lease_id for promise in pace.written[0]] == pace.ids
    assert len(pace.delays) == 1


def test_many_promises_are_written_in_short_steps_the_oldest_first() -> None:
    pace = Pace(3 * MOST_AT_ONCE)
    pace.beat(pace.ids, SECOND)
    pace.beat(pace.ids[:1], SECOND)
    for step in range(3):
        pace.timer()
        assert [p.lease_id for p in pace.written[step]] == pace.ids[step * MOST_AT_ONCE :][:MOST_AT_ONCE]
    assert pace.delays == [WRITE_SECONDS, HURRIED_SECONDS, WRITE_SECONDS]
    assert pace.written[0][0].until == NOW + 2 * SECOND + INACTIVITY


def test_however_many_promises_there_are_each_is_written_before_it_runs_too_far_ahead() -> None:
    assert AHEAD.total_seconds() > SHARE * HURRIED_SECONDS
    pace = Pace(2 * SHARE * MOST_AT_ONCE)
    pace.beat(pace.ids, SECOND)
    pace.timer()
    assert len(pace.written[0]) == 2 * MOST_AT_ONCE


def test_call_on_a_lease_has_its_promise_written_ahead_and_not_those_of_many_others() -> None:
    pace = Pace(FEW + 1)
    pace.beat(pace.ids, SECOND)
    pace.recent.write_ahead(None)
    assert pace.written == []
    pace.recent.write_ahead(pace.ids[7])
    assert [[promise.lease_id for promise in found] for found in pace.written] == [[pace.ids[7]]]
    pace.recent.write_ahead(None)
    assert len(pace.written[1]) == FEW


def test_many_promises_that_cannot_be_written_are_tried_again_by_one_timer_and_ahead_of_any_call() -> None:
    pace = Pace(2 * MOST_AT_ONCE)
    pace.beat(pace.ids, SECOND)
    pace.can_write = False
    pace.timer()
    assert len(pace.delays) == 2
    pace.can_write = True
    pace.recent.write_ahead(None)
    assert pace.written[1] == pace.written[0]
    pace.recent.write_ahead(None)
    assert len(pace.written) == 2


def test_memory_holds_no_more_leases_than_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent, "MOST_KEPT", 2)
    pace = Pace(3)
    assert [pace.beat([lease_id], SECOND) for lease_id in pace.ids] == [0, 0, 1]


def test_promise_does_not_stand_beyond_what_bounds_its_lease_by_now() -> None:
    pace = Pace(1)
    pace.beat(pace.ids, SECOND)
    (promise,) = pace.recent.take()
    assert pace.recent.stands(promise)
    pace.recent.keep(1, held(pace.ids[0], limit=promise.until))
    assert not pace.recent.stands(promise)


def test_promise_beyond_the_end_that_its_lease_has_by_now_does_not_count_as_written() -> None:
    pace = Pace(1)
    pace.beat(pace.ids, AHEAD)
    (promise,) = pace.recent.take()
    # As where its deadline came forward while that was being written.
    pace.recent.keep(1, held(pace.ids[0]))
    pace.recent._written([promise])
    assert pace.beat(pace.ids, SECOND) == 0


def test_of_two_promises_of_a_lease_the_later_is_written(portal: Portal) -> None:
    async def story(on: Play) -> None:
        kept = on.engine._recent
        assert kept is not None
        await on.beat()
        first = kept.take()
        heard = await on.beat()
        second = kept.take()
        # As they come back when the batch that holds both fails.
        kept._put_back(first)
        kept._put_back(second)
        await on.call(Kind.LOOK)
        assert stored(on.lease_id).expires_at == heard.expires_at

    play(portal, story)


@pytest.mark.parametrize("is_judged_anew", [False, True])
def test_promise_that_does_not_move_the_end_still_tells_when_it_was_heard(
    portal: Portal, is_judged_anew: bool
) -> None:
    far = NOW + timedelta(hours=5)

    async def story(on: Play) -> None:
        Lease.objects.filter(id=on.lease_id).update(expires_at=far)
        await on.call(Kind.HEARTBEAT)
        heard = await on.beat()
        if is_judged_anew:
            elsewhere(bump_version)
        await on.call(Kind.LOOK)
        row = stored(on.lease_id)
        assert (row.expires_at, row.last_seen_at) == (far, heard.last_seen_at)

    play(portal, story)


def test_promises_that_cannot_be_written_are_tried_again(portal: Portal) -> None:
    async def story(on: Play) -> None:
        heard = await on.beat()
        kept = on.engine._recent
        assert kept is not None
        promises = kept.take()
        kept._put_back(promises)
        assert (await on.call(Kind.LOOK)).expires_at == heard.expires_at

    play(portal, story)


def test_engine_that_starts_gives_every_live_lease_a_fresh_inactivity_time(portal: Portal) -> None:
    """What the one before promised and could not write is within it."""
    portal.accept(KEY, [module("HANDEL", 5)])
    lease = take(make_client())
    later = NOW + timedelta(seconds=600)

    async def start() -> None:
        Engine(asyncio.get_running_loop(), lambda: later).close()

    asyncio.run(start())
    row = Lease.objects.get(id=lease.id)
    assert (row.expires_at, row.last_seen_at) == (later + INACTIVITY, NOW)


def test_batch_refuses_at_once_while_another_process_holds_the_lock(portal: Portal) -> None:
    batches = Batches(lambda: NOW)
    batches.at_once([]).commit()
    held = connections["default"].copy()
    try:
        with held.cursor() as cursor:
            cursor.execute("BEGIN IMMEDIATE")
            with pytest.raises(Busy):
                batches.at_once([])
            cursor.execute("ROLLBACK")
    finally:
        held.close()
        connection.close()


def test_without_the_comparison_a_released_lease_would_be_prolonged(
    portal: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Recent, "compare", lambda _self: None)
    with pytest.raises(pytest.fail.Exception):
        test_lease_released_elsewhere_is_not_prolonged(portal)
