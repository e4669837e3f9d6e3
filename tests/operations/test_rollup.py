"""Rolling up the history of use: right against a slow and simple reckoning, however often it runs."""

import statistics
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import pytest
from django.db import connection
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from licensing.models import (
    ErpClient,
    KeyState,
    Lease,
    Module,
    Refusal,
    RollUp,
    UsageDay,
    UsageQuarter,
    VirtualKey,
)
from licensing.operations import rollup, usage
from licensing.operations.rollup import BEHIND, roll_up
from licensing.operations.usage import QUARTER, day_of, start_of_day
from tests.factories import KEY, NOW, OTHER_KEY, Portal, beat, give_back, make_client, module, request, take

pytestmark = pytest.mark.django_db

BEGIN = start_of_day(date(2026, 11, 23))
SLOT = timedelta(seconds=100)  # nine in a quarter of an hour
SLOTS_A_DAY = 864
SOON = timedelta(minutes=10)
LOOKED_AT = (-2, -1, 0, 1, 2)


def at(slot: int) -> datetime:
    return BEGIN + slot * SLOT


# --- against a slow and simple reckoning -------------------------------------------------------------------


@dataclass(frozen=True)
class Use:
    """A lease of the modules on one key, by slots; `live` ones were not ended by anybody."""

    user: str
    codes: tuple[str, ...]
    key: str
    first: int
    slots: int
    live: bool


@dataclass(frozen=True)
class Refused:
    """A refusal for want of a seat of these modules."""

    user: str
    codes: tuple[str, ...]
    slot: int


users = st.sampled_from(["anna", "jan", "ewa", "piotr"])
codes = st.sampled_from([("HANDEL",), ("BI",), ("HANDEL", "BI")])
moments = st.one_of(st.integers(250, 480), st.integers(0, 2 * SLOTS_A_DAY - 130))
uses = st.builds(
    Use, users, codes, st.sampled_from([KEY, OTHER_KEY]), moments, st.integers(0, 120), st.booleans()
)
refusals = st.builds(Refused, users, codes, moments)


def store(history: Sequence[Use], refused: Sequence[Refused]) -> None:
    client = ErpClient.objects.create(name="ERP", token_sha256="0", created_at=NOW)
    for number, handel in ((KEY, 2), (OTHER_KEY, 1)):
        key = VirtualKey.objects.create(number=number, customer="1", added_at=NOW, state=KeyState.NEW)
        Module.objects.create(key=key, code="HANDEL", seats=handel, ceiling=handel)
    Module.objects.create(key=key, code="BI", seats=None, ceiling=None)
    who = {"client": client, "workstation": "PC", "program_name": "ERP", "program_version": "1"}
    Lease.objects.bulk_create(
        Lease(
            **who,
            user=use.user,
            modules=[{"code": code, "key": use.key, "seat": None} for code in use.codes],
            taken_at=at(use.first),
            last_seen_at=at(use.first),
            expires_at=at(use.first + use.slots + (0 if use.live else 5)),
            ended_at=None if use.live else at(use.first + use.slots),
            ended_reason="" if use.live else "returned",
        )
        for use in history
    )
    Refusal.objects.bulk_create(
        Refusal(
            **who,
            user=each.user,
            modules=list(each.codes),
            causes=list(each.codes),
            code="no_free_seat",
            at=at(each.slot),
        )
        for each in refused
    )


def levels(history: Sequence[Use], code: str, key: str = "") -> list[int]:
    """How many seats were held in each slot."""
    found = [0] * (3 * SLOTS_A_DAY + 9)
    for use in history:
        if code in use.codes and key in ("", use.key):
            for slot in range(use.first, use.first + use.slots):
                found[slot] += 1
    return found


def got_soon(history: Sequence[Use], user: str, code: str, slot: int) -> bool:
    return any(
        use.user == user and code in use.codes and slot < use.first <= slot + SOON // SLOT for use in history
    )


def naive_quarters(
    history: Sequence[Use], refused: Sequence[Refused], quarters: int
) -> dict[tuple[str, str, datetime], tuple[int, int, int, int, int]]:
    found = {}
    places = [("HANDEL", "", 3), ("HANDEL", KEY, 2), ("HANDEL", OTHER_KEY, 1), ("BI", "", None)]
    for code, key, seats in places:
        every = levels(history, code, key)
        for quarter in range(quarters):
            slots = range(quarter * 9, quarter * 9 + 9)
            here = every[slots.start : slots.stop]
            full = sum(seats is not None and level >= seats for level in here)
            mine = [each for each in refused if each.slot in slots and code in each.codes and not key]
            truly = sum(not got_soon(history, each.user, code, each.slot) for each in mine)
            row = (max(here), sum(here) * 100, full * 100, truly, len(mine) - truly)
            if any(row):
                found[code, key, at(quarter * 9)] = row
    return found


def stored_quarters() -> dict[tuple[str, str, datetime], tuple[int, int, int, int, int]]:
    return {
        (row.module, row.key, row.start): (
            row.peak,
            row.held_seconds,
            row.full_seconds,
            row.refused_true,
            row.refused_false,
        )
        for row in UsageQuarter.objects.all()
    }


def naive_what_if(history: Sequence[Use], refused: Sequence[Refused], day: int, change: int) -> int:
    """The true refusals of HANDEL on a day: slot by slot, with plain lists."""
    first, last = day * SLOTS_A_DAY, (day + 1) * SLOTS_A_DAY
    every = levels(history, "HANDEL")
    began = first
    while began > 0 and any(every[began - 9 : began]):
        began -= 9
    mine = [
        use
        for use in history
        if "HANDEL" in use.codes
        and use.first + use.slots > began
        and use.slots
        and use.first <= last + SOON // SLOT
    ]
    usual = max(6.0, statistics.median([use.slots for use in mine]) if mine else 0)
    holders: list[tuple[str, float, int, bool]] = []  # user, until, since, in truth
    given, turned_away = [], []
    for slot in range(min([began, *[use.first for use in mine]]), last + SOON // SLOT + 1):
        if slot % 9 == 0 and not any(every[slot - 9 : slot]):
            holders = [holder for holder in holders if holder[3]]
        holders = [holder for holder in holders if holder[1] > slot]
        in_truth = sum(use.first < slot < use.first + use.slots for use in mine)
        for use in sorted((use for use in mine if use.first == slot), key=lambda each: each.user):
            in_truth += 1
            holders = [holder for holder in holders if holder[3] or holder[0] != use.user]
            if len(holders) < max(3, in_truth) + change:
                holders.append((use.user, use.first + use.slots, slot, True))
                given.append((use.user, slot))
            else:
                turned_away.append((use.user, slot))
        here = [each for each in refused if each.slot == slot and "HANDEL" in each.codes and slot >= began]
        for each in sorted(here, key=lambda one: one.user):
            alone = each.codes == ("HANDEL",)
            if alone and any(holder[0] == each.user and not holder[3] for holder in holders):
                continue
            if alone and len(holders) < in_truth + change:
                holders.append((each.user, slot + usual, slot, False))
                given.append((each.user, slot))
            else:
                turned_away.append((each.user, slot))
    return sum(
        first <= slot < last
        and not any(who == user and slot < when <= slot + SOON // SLOT for who, when in given)
        for user, slot in turned_away
    )


def check(history: Sequence[Use], refused: Sequence[Refused], stops: Sequence[int]) -> None:
    """Roll two days up, with stops on the way, and reckon them anew."""
    store(history, refused)
    end = at(2 * SLOTS_A_DAY)
    RollUp.objects.create(since=BEGIN, until=BEGIN)
    for stop in sorted(stops):
        roll_up(at(stop))
    roll_up(end + BEHIND)
    assert RollUp.objects.get().until == end
    assert stored_quarters() == naive_quarters(history, refused, 2 * 96)
    for row in UsageDay.objects.filter(module="HANDEL", key=""):
        day = (row.day - date(2026, 11, 23)).days
        expected = {str(change): naive_what_if(history, refused, day, change) for change in LOOKED_AT}
        assert {change: row.what_if[change] for change in expected} == expected
        assert row.what_if["0"] == row.refused_true
    for each in Refusal.objects.all():
        slot = (each.at - BEGIN) // SLOT
        without = [code for code in each.causes if not got_soon(history, each.user, code, slot)]
        assert each.is_true is bool(without)


class AgainstTheNaiveModel(TestCase):
    @settings(max_examples=30)
    @given(
        st.lists(uses, max_size=14),
        st.lists(refusals, max_size=8),
        st.lists(st.integers(0, 2 * SLOTS_A_DAY), max_size=3),
    )
    def test_any_history_rolled_up_in_any_steps(
        self, history: list[Use], refused: list[Refused], stops: list[int]
    ) -> None:
        check(history, refused, stops)

    @pytest.mark.full
    @settings(max_examples=300)
    @given(st.lists(uses, max_size=40), st.lists(refusals, max_size=25))
    def test_longer_histories(self, history: list[Use], refused: list[Refused]) -> None:
        check(history, refused, [])


# --- how it runs ------------------------------------------------------------------------------------------


@pytest.fixture
def client(portal: Portal) -> ErpClient:
    portal.accept(KEY, [module("HANDEL", 1), module("BI", None)])
    return make_client()


def use_for_days(portal: Portal, client: ErpClient, days: int) -> None:
    """Five minutes of HANDEL on each of some days."""
    for day in range(days):
        now = NOW + timedelta(days=day)
        portal.accept(KEY, [module("HANDEL", 1)], now=now)
        give_back(client, take(client, now=now), now + timedelta(minutes=5))


def rows() -> list[tuple[datetime, str, int]]:
    return list(UsageQuarter.objects.order_by("start", "module").values_list("start", "module", "peak"))


def test_a_quarter_is_rolled_up_when_nothing_in_it_can_change_any_more(client: ErpClient) -> None:
    take(client, "HANDEL", "BI")
    assert roll_up(NOW + QUARTER) == 0
    assert roll_up(NOW + QUARTER + BEHIND - timedelta(seconds=1)) == 0
    assert roll_up(NOW + QUARTER + BEHIND) == 1
    assert rows() == [(NOW, "BI", 1), (NOW, "HANDEL", 1)]


def test_rolling_up_again_changes_nothing(client: ErpClient) -> None:
    give_back(client, take(client), NOW + timedelta(minutes=20))
    late = NOW + timedelta(hours=3)
    assert roll_up(late) == 11
    before = rows(), list(UsageDay.objects.values())
    assert roll_up(late) == 0
    assert (rows(), list(UsageDay.objects.values())) == before


def test_after_a_clock_that_was_ahead_the_time_is_rolled_up_anew(client: ErpClient) -> None:
    take(client)
    roll_up(NOW + timedelta(days=3))
    assert roll_up(NOW + timedelta(hours=1)) == 0
    give_back(client, take(client, "BI", now=NOW + timedelta(hours=1)), NOW + timedelta(minutes=80))
    roll_up(NOW + timedelta(hours=4))
    assert dict(UsageDay.objects.values_list("module", "held_seconds")) == {"HANDEL": 1800, "BI": 1200}
    assert RollUp.objects.get().until == NOW + timedelta(hours=3, minutes=45)


def test_a_history_that_was_begun_while_the_clock_was_ahead_begins_when_that_is_corrected(
    portal: Portal,
) -> None:
    roll_up(NOW + timedelta(days=365))
    roll_up(NOW)
    state = RollUp.objects.get()
    assert state.since == state.until < NOW


def test_the_first_day_of_a_module_is_noted_once_though_nobody_uses_it(
    portal: Portal, client: ErpClient
) -> None:
    roll_up(NOW)
    portal.accept(KEY, [module("HANDEL", 2), module("BI", 2), module("NEW", 3)])
    for day in (3, 4, 5):
        roll_up(NOW + timedelta(days=day))
    found = UsageDay.objects.filter(module="NEW").values_list("day", "seats", "peak", "held_seconds")
    assert list(found) == [(day_of(NOW), 3, 0, 0)]


def test_no_more_rows_are_looked_back_at_than_a_task_can_bear(
    client: ErpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for hour in range(60):
        lease = take(client, now=NOW + timedelta(hours=hour))
        for minutes in (20, 40):
            beat(client, lease, NOW + timedelta(hours=hour, minutes=minutes))
        give_back(client, lease, NOW + timedelta(hours=hour + 1))
    roll_up(NOW + timedelta(hours=48))
    read: list[datetime] = []

    def note(start: datetime, end: datetime) -> list[usage.Span]:
        read.append(start)
        return usage.read_spans(start, end)

    monkeypatch.setattr(rollup, "read_spans", note)
    roll_up(NOW + timedelta(hours=48, minutes=30))
    monkeypatch.setattr(usage, "MOST_ROWS", 5)
    roll_up(NOW + timedelta(hours=60))
    today = start_of_day(day_of(NOW + timedelta(hours=48)))
    assert read[:2] == [NOW, today - timedelta(hours=5)]
    day = UsageDay.objects.get(module="HANDEL", key="", day=day_of(NOW) + timedelta(days=1))
    assert (day.peak, day.held_seconds) == (1, 24 * 3600)


def test_after_an_outage_it_catches_up_day_by_day(portal: Portal, client: ErpClient) -> None:
    use_for_days(portal, client, 4)
    roll_up(NOW + timedelta(days=5))
    assert UsageDay.objects.filter(module="HANDEL", key="").count() == 4
    assert set(UsageDay.objects.values_list("held_seconds", flat=True)) == {300}


@pytest.mark.parametrize(("day", "hours"), [(date(2026, 10, 25), 25), (date(2027, 3, 28), 23)])
def test_a_day_on_which_clocks_change_is_caught_up_with_all_its_hours(
    client: ErpClient, day: date, hours: int
) -> None:
    take(client)
    evening, night = start_of_day(day) - timedelta(hours=3), start_of_day(day + timedelta(days=1))
    Lease.objects.update(taken_at=evening, ended_at=night + timedelta(hours=1), ended_reason="returned")
    roll_up(night + timedelta(hours=2))
    whole = UsageDay.objects.get(module="HANDEL", key="", day=day)
    assert (whole.peak, whole.held_seconds) == (1, hours * 3600)
    assert UsageQuarter.objects.filter(start__gte=start_of_day(day), start__lt=night).count() == hours * 4


def test_a_lease_that_ended_without_anybody_noticing_counts_until_its_end(client: ErpClient) -> None:
    lease = take(client)
    beat(client, lease, NOW + timedelta(minutes=10))
    roll_up(NOW + timedelta(hours=2))
    assert UsageDay.objects.get(key="", module="HANDEL").held_seconds == 40 * 60


def test_seats_that_the_vendor_took_away_count_until_they_ended(portal: Portal, client: ErpClient) -> None:
    lease = take(client, "HANDEL", "BI")
    portal.accept(KEY, [module("BI", None)], now=NOW + timedelta(minutes=1))
    for minutes in (20, 40, 60):
        beat(client, lease, NOW + timedelta(minutes=minutes))
    roll_up(NOW + timedelta(hours=3))
    held = dict(UsageDay.objects.values_list("module", "held_seconds"))
    assert held == {"HANDEL": 30 * 60, "BI": 90 * 60}


def test_a_module_on_one_key_has_one_row_a_module_on_two_has_three(portal: Portal, client: ErpClient) -> None:
    portal.accept(OTHER_KEY, [module("BI", None)])
    take(client, "HANDEL", "BI")
    take(client, "BI", key=OTHER_KEY)
    roll_up(NOW + QUARTER + BEHIND)
    assert set(UsageQuarter.objects.values_list("module", "key", "peak", "seats")) == {
        ("HANDEL", "", 1, 1),
        ("BI", "", 2, None),
        ("BI", KEY, 1, None),
        ("BI", OTHER_KEY, 1, None),
    }


def test_minutes_at_the_limit_are_those_without_a_free_seat(client: ErpClient) -> None:
    give_back(client, take(client, "HANDEL", "BI"), NOW + timedelta(minutes=7))
    roll_up(NOW + timedelta(hours=1))
    full = dict(UsageQuarter.objects.values_list("module", "full_seconds"))
    assert full == {"HANDEL": 420, "BI": 0}


def test_a_refusal_is_false_where_the_user_got_the_module_within_ten_minutes(client: ErpClient) -> None:
    from licensing.operations.leases import checkout

    lease = take(client, user="jan.lis")
    checkout([request(client, "HANDEL"), request(client, "HANDEL", user="ewa.kot")], NOW)
    give_back(client, lease, NOW + timedelta(minutes=9))
    take(client, "HANDEL", now=NOW + timedelta(minutes=10))
    assert set(Refusal.objects.values_list("is_true", flat=True)) == {None}
    roll_up(NOW + QUARTER + BEHIND)
    assert dict(Refusal.objects.values_list("user", "is_true")) == {"anna.nowak": False, "ewa.kot": True}
    quarter = UsageQuarter.objects.get()
    assert (quarter.refused_true, quarter.refused_false) == (1, 1)


def test_a_refusal_for_another_reason_is_no_want_of_a_seat(client: ErpClient) -> None:
    from licensing.operations.leases import checkout

    checkout([request(client, "NOTHING")], NOW)
    roll_up(NOW + timedelta(hours=1))
    assert Refusal.objects.get().is_true is True
    assert not UsageQuarter.objects.exists()


def test_days_are_those_of_the_portals_time_zone(client: ErpClient) -> None:
    night = datetime(2026, 11, 24, 22, 50, tzinfo=NOW.tzinfo)  # ten minutes to midnight in Warsaw
    give_back(client, take(client, now=night), night + timedelta(minutes=20))
    roll_up(night + timedelta(hours=2))
    assert dict(UsageDay.objects.filter(module="HANDEL").values_list("day", "held_seconds")) == {
        date(2026, 11, 24): 600,
        date(2026, 11, 25): 600,
    }
    assert day_of(night) == date(2026, 11, 24)


@pytest.mark.django_db(transaction=True)
def test_of_several_that_roll_up_at_once_each_stretch_is_stored_once(
    portal: Portal, client: ErpClient
) -> None:
    use_for_days(portal, client, 6)
    late = NOW + timedelta(days=7)
    done: list[int] = []

    def work() -> None:
        done.append(roll_up(late))
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    state = RollUp.objects.get()
    assert sum(done) <= (state.until - state.since) // QUARTER
    roll_up(late)
    assert RollUp.objects.get().until >= late - BEHIND - QUARTER
    assert list(UsageDay.objects.values_list("held_seconds", flat=True)) == [300] * 6
