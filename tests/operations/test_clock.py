"""Portal time: what moves it, what does not, and who is told."""

import dataclasses
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from licensing.models import Event, Installation
from licensing.operations import clock
from licensing.operations.clock import (
    Anchor,
    ClockRecord,
    Reading,
    clock_record,
    keep_time,
    learn_offset,
    local_now,
    portal_now,
    portal_time,
    system_clocks,
    wall_clock_ahead,
)
from tests.factories import NOW, Portal

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
BOOT = Reading(NOW, HOUR, "boot-1", "node-a")


@dataclass
class Computer:
    """A computer whose clocks a test sets."""

    reading: Reading = BOOT

    def __call__(self) -> Reading:
        return self.reading

    def run(self, span: timedelta) -> None:
        """Time passes while it runs."""
        self.reading = dataclasses.replace(
            self.reading, wall=self.reading.wall + span, boot=self.reading.boot + span
        )

    def set_wall(self, by: timedelta) -> None:
        self.reading = dataclasses.replace(self.reading, wall=self.reading.wall + by)

    def boot(self, off: timedelta = MINUTE, name: str = "boot-2") -> None:
        """It is switched off for a while and started again."""
        self.reading = dataclasses.replace(
            self.reading, wall=self.reading.wall + off, boot=MINUTE, boot_id=name
        )


@pytest.fixture
def computer(portal: Portal, monkeypatch: pytest.MonkeyPatch) -> Computer:
    """The computer of a portal that has written down its first mark."""
    computer = Computer()
    monkeypatch.setattr(clock, "clocks", computer)
    keep_time()
    return computer


def kinds() -> list[str]:
    return list(Event.objects.filter(kind__startswith="clock").order_by("pk").values_list("kind", flat=True))


def test_portal_time_goes_on_with_the_computer(computer: Computer) -> None:
    assert portal_now() == NOW
    computer.run(72 * HOUR)
    assert portal_now() == NOW + 72 * HOUR


@pytest.mark.parametrize("by", [-3 * DAY, -365 * DAY, 365 * DAY, HOUR, -HOUR])
def test_a_wall_clock_that_is_set_changes_nothing_while_the_computer_runs(
    computer: Computer, by: timedelta
) -> None:
    computer.run(10 * HOUR)
    computer.set_wall(by)
    assert portal_now() == NOW + 10 * HOUR
    keep_time()
    computer.run(10 * HOUR)
    assert portal_now() == NOW + 20 * HOUR


@pytest.mark.parametrize(("by", "kind"), [(-3 * DAY, "clock_set_back"), (365 * DAY, "clock_set_forward")])
def test_a_wall_clock_that_was_set_is_told_once_and_so_is_its_way_back(
    computer: Computer, by: timedelta, kind: str
) -> None:
    computer.set_wall(by)
    for _ in range(3):
        keep_time()
        computer.run(MINUTE)
    assert kinds() == [kind]
    assert Event.objects.get(kind=kind).data == {"by_seconds": abs(by).total_seconds()}
    assert wall_clock_ahead() == by
    computer.set_wall(-by)
    keep_time()
    assert len(kinds()) == 2
    assert wall_clock_ahead() == timedelta(0)


def test_less_than_five_minutes_are_not_worth_telling(computer: Computer) -> None:
    computer.set_wall(4 * MINUTE)
    keep_time()
    assert kinds() == []


def test_a_clock_set_back_across_a_boot_costs_no_running_time_but_the_last_minute(computer: Computer) -> None:
    for _ in range(30):
        computer.run(MINUTE)
        keep_time()
    computer.run(MINUTE / 2)
    computer.set_wall(-3 * DAY)
    computer.boot()
    assert timedelta(0) <= portal_now() - (NOW + 30 * MINUTE) <= 5 * MINUTE
    before = portal_now()
    computer.run(HOUR)
    keep_time()
    assert portal_now() == before + HOUR


def test_time_while_switched_off_is_seen_by_a_wall_clock_that_is_right(computer: Computer) -> None:
    computer.boot(off=10 * HOUR)
    assert portal_now() == NOW + 10 * HOUR


def test_booting_again_and_again_with_an_old_clock_never_goes_back(computer: Computer) -> None:
    seen = [portal_now()]
    for number in range(5):
        computer.run(20 * MINUTE)
        keep_time()
        computer.set_wall(-DAY)
        computer.boot(name=f"boot-{number + 2}")
        keep_time()
        seen.append(portal_now())
    assert seen == sorted(seen)
    assert seen[-1] >= NOW + 5 * 20 * MINUTE


def test_a_clock_set_forward_across_a_boot_is_healed_by_the_vendors_time(computer: Computer) -> None:
    computer.set_wall(365 * DAY)
    computer.boot()
    keep_time()
    assert portal_now() > NOW + 365 * DAY
    right = NOW + 2 * MINUTE
    assert learn_offset(right, portal_now()) == right
    assert portal_now() == right
    assert kinds()[-1] == "clock_was_ahead"
    computer.run(HOUR)
    assert portal_now() == right + HOUR
    computer.set_wall(-365 * DAY)
    assert portal_now() == right + HOUR, "nor does setting the clock right change it"


def test_the_vendors_time_moves_portal_time_forward_too(computer: Computer) -> None:
    learn_offset(NOW + 3 * HOUR, portal_now())
    assert portal_now() == NOW + 3 * HOUR
    assert kinds() == ["clock_was_behind"]
    assert wall_clock_ahead() == timedelta(0), "the difference is known and needs no word"


def test_daylight_saving_changes_nothing(computer: Computer) -> None:
    spring = datetime(2027, 3, 28, 0, 30, tzinfo=UTC)
    computer.reading = dataclasses.replace(BOOT, wall=spring, boot=BOOT.boot + (spring - NOW))
    keep_time()
    computer.run(2 * HOUR)
    assert portal_now() == spring + 2 * HOUR
    assert kinds() == []


def test_a_broken_seal_makes_every_deadline_pass_until_the_next_contact(computer: Computer) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE licensing_installation SET clock_offset = %s", ["gAAAAA"])
    assert portal_now() == clock.UNKNOWN
    keep_time()
    assert portal_now() == clock.UNKNOWN, "a mark written now would forgive the edit"
    learn_offset(NOW, portal_now())
    assert portal_now() == NOW


@pytest.mark.parametrize("text", ["0", "[]", '{"offset": "x"}', '{"offset": 0, "nodes": {"a": []}}', "x"])
def test_a_record_that_is_none_counts_as_a_broken_seal(computer: Computer, text: str) -> None:
    Installation.objects.update(clock_offset=text)
    assert clock_record() is None


def test_an_old_copy_of_the_database_does_not_turn_time_back_on_the_same_boot(computer: Computer) -> None:
    kept = Installation.objects.get().clock_offset
    computer.run(50 * HOUR)
    keep_time()
    Installation.objects.update(clock_offset=kept)
    assert portal_now() == NOW + 50 * HOUR


# --- several nodes ---------------------------------------------------------------------------------------


def test_another_node_begins_no_earlier_than_the_first(computer: Computer) -> None:
    computer.run(HOUR)
    keep_time()
    record = clock_record()
    behind = Reading(NOW - DAY, 500 * HOUR, "boot-b", "node-b")
    assert portal_time(record, behind) == NOW + HOUR
    ahead = dataclasses.replace(behind, wall=NOW + 2 * HOUR)
    assert portal_time(record, ahead) == NOW + 2 * HOUR


def test_each_node_counts_by_its_own_boot_clock(computer: Computer) -> None:
    computer.reading = Reading(NOW, 500 * HOUR, "boot-b", "node-b")
    keep_time()
    computer.run(HOUR)
    computer.set_wall(-DAY)
    assert portal_now() == NOW + HOUR
    assert set(clock_record().nodes) == {"node-a", "node-b"}  # type: ignore[union-attr]


def test_the_record_keeps_few_nodes(computer: Computer) -> None:
    for number in range(40):
        computer.reading = dataclasses.replace(BOOT, node=f"node-{number}")
        keep_time()
    assert len(clock_record().nodes) <= clock.MOST_NODES + 1  # type: ignore[union-attr]


# --- the computer's own clocks ---------------------------------------------------------------------------


def test_a_boot_clock_that_counts_from_1970_is_compared_with_none_that_does_not() -> None:
    record = ClockRecord(nodes={"node-a": Anchor(NOW, HOUR, "boot-1")})
    faked = Reading(NOW + HOUR, timedelta(days=20000), "boot-1:1970", "node-a")
    assert portal_time(record, faked) == NOW + HOUR


def test_without_a_name_for_the_boot_the_later_time_counts() -> None:
    record = ClockRecord(nodes={"node-a": Anchor(NOW, HOUR, "")})
    assert portal_time(record, Reading(NOW - DAY, 3 * HOUR, "", "node-a")) == NOW + 2 * HOUR
    assert portal_time(record, Reading(NOW + DAY, 3 * HOUR, "", "node-a")) == NOW + DAY
    assert portal_time(record, Reading(NOW - DAY, MINUTE, "", "node-a")) == NOW


def test_the_system_tells_its_clocks() -> None:
    first, second = system_clocks(), system_clocks()
    assert abs(first.wall - local_now()) < MINUTE
    assert second.boot >= first.boot > timedelta(0)
    assert (first.boot_id, first.node) == (second.boot_id, second.node)
