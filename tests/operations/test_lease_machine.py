"""Leases against a simple model of them: whatever happens in whatever order, both say the same."""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from licensing.models import Role
from licensing.operations.actors import Actor
from licensing.operations.errors import Refused
from licensing.operations.invariants import check_invariants
from licensing.operations.leases import (
    HeldLease,
    LeaseCall,
    checkout,
    end_leases_of_key,
    expire_overdue,
    heartbeat,
    look,
    release,
    return_leases,
)
from licensing.operations.modules import list_modules
from licensing.operations.tidy import tidy_leases
from tests.factories import KEY, NOW, OTHER_KEY, Portal, make_client, make_portal, module, request

INACTIVITY = timedelta(seconds=1800)
OPERATOR = Actor("olga", Role.OPERATOR)
CODES = ("A", "B", "C")
ORDER = ("module_unknown", "module_expired", "contact_lost", "warranty_expired", "no_free_seat")


@dataclass
class ModelSeat:
    key: str
    code: str
    number: int
    ends_at: datetime | None = None


@dataclass
class ModelLease:
    seats: list[ModelSeat]
    taken_at: datetime
    expires_at: datetime
    withdrawn: dict[str, datetime] = field(default_factory=dict)
    ended: tuple[str, datetime] | None = None


@dataclass
class ModelModule:
    seats: int | None
    end: datetime | None


@dataclass
class ModelKey:
    deadline: datetime
    modules: dict[str, ModelModule]


class Model:
    """The contract in its plainest words: lists, loops, no database."""

    def __init__(self) -> None:
        self.keys: dict[str, ModelKey] = {}
        self.leases: list[ModelLease] = []

    def held(self, key: str, code: str) -> list[tuple[ModelLease, ModelSeat]]:
        return [
            (lease, seat)
            for lease in self.leases
            if lease.ended is None
            for seat in lease.seats
            if (seat.key, seat.code) == (key, code)
        ]

    def bounds(self, lease: ModelLease) -> dict[str, datetime]:
        """What limits a lease, by the reason with which it would end."""
        found = {}
        if lease.seats:
            found["contact_lost"] = min(self.keys[seat.key].deadline for seat in lease.seats)
        modules = [self.keys[seat.key].modules.get(seat.code) for seat in lease.seats]
        ends = [each.end for each in modules if each is not None and each.end is not None]
        if ends:
            found["module_expired"] = min(ends)
        if all(seat.ends_at is not None for seat in lease.seats):
            found["withdrawn"] = max(seat.ends_at for seat in lease.seats if seat.ends_at is not None)
        return found

    def pass_time(self, now: datetime) -> None:
        for lease in self.leases:
            if lease.ended is None and lease.expires_at <= now:
                reasons = [name for name, end in self.bounds(lease).items() if end == lease.expires_at]
                lease.ended = (reasons[0] if reasons else "expired", lease.expires_at)
            lease.seats = [seat for seat in lease.seats if seat.ends_at is None or seat.ends_at > now]

    def refusal(self, key: str, code: str, now: datetime) -> str | None:
        granted = self.keys[key].modules[code]
        if granted.end is not None and granted.end <= now:
            return "module_expired"
        if self.keys[key].deadline <= now:
            return "contact_lost"
        if granted.seats is not None and len(self.held(key, code)) >= granted.seats:
            return "no_free_seat"
        return None

    def pick(self, code: str, now: datetime, only: str | None) -> str:
        """The key that gives the module, or the reason why none does."""
        keys = [
            number for number in self.keys if code in self.keys[number].modules and only in (None, number)
        ]
        keys.sort(key=lambda number: (-self.keys[number].deadline.timestamp(), number))
        reasons = ["module_unknown"]
        for number in keys:
            reason = self.refusal(number, code, now)
            if reason is None:
                return number
            reasons.append(reason)
        return max(reasons, key=ORDER.index)

    def checkout(
        self, modules: list[str], optional: list[str], now: datetime, only: str | None
    ) -> ModelLease | str:
        if only is not None and only not in self.keys:
            return "key_unknown"
        picked = {code: self.pick(code, now, only) for code in modules}
        reasons = [found for found in picked.values() if found in ORDER]
        if reasons:
            return min(reasons, key=ORDER.index)
        picked |= {c: key for c in optional if (key := self.pick(c, now, only)) not in ORDER}
        lease = ModelLease([], now, now)
        for code, key in picked.items():
            numbers = {seat.number for _, seat in self.held(key, code)}
            lowest = next(number for number in range(1, 1000) if number not in numbers)
            lease.seats.append(ModelSeat(key, code, lowest))
        lease.expires_at = min(now + INACTIVITY, *self.bounds(lease).values())
        self.leases.append(lease)
        return lease

    def beat(self, lease: ModelLease, now: datetime) -> None:
        lease.expires_at = min(max(lease.expires_at, now + INACTIVITY), *self.bounds(lease).values())

    def accept(self, key: str, deadline: datetime, modules: dict[str, ModelModule], now: datetime) -> None:
        before = self.keys[key].modules if key in self.keys else {}
        self.keys[key] = ModelKey(deadline, modules)
        for code in {*before, *modules, *CODES}:
            granted = modules.get(code)
            seats = 0 if granted is None else granted.seats
            was = before[code].seats if code in before else 0
            if was is None and seats is not None:
                by_age = sorted(self.held(key, code), key=lambda pair: (pair[0].taken_at, pair[1].number))
                for number, (_, seat) in enumerate(by_age, start=1):
                    seat.number = number
            for lease, seat in self.held(key, code):
                if seats is None or seat.number <= seats:
                    seat.ends_at = None
                    lease.withdrawn.pop(code, None)
                elif seat.ends_at is None:
                    seat.ends_at = lease.withdrawn[code] = lease.expires_at
        for lease in self.leases:
            if lease.ended is None and any(seat.key == key for seat in lease.seats):
                lease.expires_at = min(lease.expires_at, *self.bounds(lease).values())
        self.pass_time(now)

    def lose_key(self, key: str, now: datetime) -> None:
        for lease in self.leases:
            if lease.ended is None and any(seat.key == key for seat in lease.seats):
                lease.ended = ("key_inactive", now)
        self.keys.pop(key, None)


granted = st.builds(
    ModelModule,
    seats=st.one_of(st.integers(0, 3), st.none()),
    end=st.sampled_from([None, None, None, datetime(2026, 11, 25, tzinfo=NOW.tzinfo)]),
)
modules = st.dictionaries(st.sampled_from(CODES), granted, min_size=1)
keys = st.sampled_from([KEY, OTHER_KEY])
lives = st.sampled_from(
    [timedelta(hours=72), timedelta(hours=20), timedelta(minutes=40), timedelta(minutes=10)]
)
steps = st.sampled_from(
    [
        timedelta(seconds=1),
        timedelta(minutes=9),
        timedelta(minutes=15),
        timedelta(minutes=30),
        timedelta(hours=16),
    ]
)
wanted = st.lists(st.sampled_from((*CODES, "X")), min_size=1, max_size=3, unique=True)


class LeaseMachine(RuleBasedStateMachine):
    """Does the same to the portal and to the model."""

    folder: Path

    def __init__(self) -> None:
        super().__init__()
        self.atomic = transaction.atomic()
        self.atomic.__enter__()
        self.portal: Portal = make_portal(self.folder)
        self.client = make_client()
        self.model = Model()
        self.now = NOW
        self.leases: list[tuple[HeldLease, ModelLease]] = []

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.atomic.__exit__(None, None, None)

    def a_lease(self, place: int) -> tuple[LeaseCall, ModelLease]:
        lease, model = self.leases[place % len(self.leases)]
        return LeaseCall(self.client.pk, lease.id), model

    @rule(key=keys, granted=modules, life=lives)
    def accept_a_grant(self, key: str, granted: dict[str, ModelModule], life: timedelta) -> None:
        given = [
            module(code, each.seats, expires_on=date(2026, 11, 24) if each.end else None)
            for code, each in granted.items()
        ]
        self.model.pass_time(self.now)
        self.model.accept(key, self.now + life, granted, self.now)
        self.portal.accept(key, given, self.now, life)

    @rule(required=wanted, only=st.sampled_from([None, None, None, KEY, OTHER_KEY]), data=st.data())
    def check_out(self, required: list[str], only: str | None, data: st.DataObject) -> None:
        others = [code for code in (*CODES, "X") if code not in required]
        optional = data.draw(st.lists(st.sampled_from(others), unique=True)) if others else []
        expected = self.model.checkout(required, optional, self.now, only)
        (outcome,) = checkout([request(self.client, *required, optional=tuple(optional), key=only)], self.now)
        if isinstance(expected, str):
            assert isinstance(outcome, Refused)
            assert outcome.code == expected
            return
        assert not isinstance(outcome, Refused), outcome
        self.leases.append((outcome.lease, expected))
        self.agree(outcome.lease, expected)

    def agree(self, lease: HeldLease, model: ModelLease) -> None:
        if model.ended is None:
            assert (lease.state, lease.expires_at) == ("active", model.expires_at)
            assert lease.withdrawn == tuple(sorted(model.withdrawn))
            found = {(held.code, held.key): held.seat for held in lease.modules}
            for seat in model.seats:
                granted = self.model.keys[seat.key].modules.get(seat.code)
                counted = granted is None or granted.seats is not None
                assert found[seat.code, seat.key] == (seat.number if counted else None)
        else:
            assert (lease.ended_reason, lease.ended_at) == model.ended

    @precondition(lambda self: self.leases)
    @rule(place=st.integers(0, 99))
    def beat(self, place: int) -> None:
        call, model = self.a_lease(place)
        (outcome,) = heartbeat([call], self.now)
        if model.ended is not None:
            assert isinstance(outcome, Refused)
            assert (outcome.data["ended_reason"], outcome.data["ended_at"]) == model.ended
            return
        self.model.beat(model, self.now)
        assert isinstance(outcome, HeldLease), outcome.data
        self.agree(outcome, model)

    @precondition(lambda self: self.leases)
    @rule(place=st.integers(0, 99))
    def give_back(self, place: int) -> None:
        call, model = self.a_lease(place)
        model.ended = model.ended or ("returned", self.now)
        assert return_leases([call], self.now) == [None]

    @precondition(lambda self: self.leases)
    @rule(place=st.integers(0, 99))
    def release(self, place: int) -> None:
        call, model = self.a_lease(place)
        assert release([call.lease_id], self.now, OPERATOR) == (model.ended is None)
        model.ended = model.ended or ("released_by_admin", self.now)

    @rule(key=keys)
    def lose_a_key(self, key: str) -> None:
        from licensing.models import VirtualKey

        end_leases_of_key(key, "key_inactive", self.now)
        VirtualKey.objects.filter(number=key).update(state="inactive", grant=None)
        self.model.lose_key(key, self.now)

    @rule(step=steps)
    def let_time_pass(self, step: timedelta) -> None:
        self.now += step
        self.model.pass_time(self.now)

    @rule()
    def let_the_worker_run(self) -> None:
        tidy_leases(self.now)

    @rule()
    def let_the_worker_only_expire(self) -> None:
        expire_overdue(self.now)

    @invariant()
    def every_lease_looks_the_same(self) -> None:
        for lease, model in self.leases[-3:]:
            self.agree(look(LeaseCall(self.client.pk, lease.id), self.now), model)

    @invariant()
    def every_number_is_the_same(self) -> None:
        taken = {(row.key, row.code): (row.taken, row.reason) for row in list_modules(self.now)}
        expected = {
            (number, code): (len(self.model.held(number, code)), self.model.refusal(number, code, self.now))
            for number, key in self.model.keys.items()
            for code in key.modules
        }
        assert taken == expected

    @invariant()
    def nothing_is_wrong(self) -> None:
        assert check_invariants(self.now) == []


def play(folder: Path, examples: int, length: int, *, random: bool = False) -> None:
    """Play the machine, each game in a transaction that is rolled back."""
    LeaseMachine.folder = folder
    run_state_machine_as_test(
        LeaseMachine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=length,
            deadline=None,
            derandomize=not random,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.fixture
def folder(db: None, settings: Any, tmp_path: Path) -> Path:
    settings.KEYMANAGER = settings.KEYMANAGER  # noted, so that it is put back
    return tmp_path


def test_leases_agree_with_a_simple_model(folder: Path) -> None:
    play(folder, examples=25, length=30)


@pytest.mark.full
def test_leases_agree_with_a_simple_model_at_length(folder: Path) -> None:
    play(folder, examples=200, length=50, random=True)
