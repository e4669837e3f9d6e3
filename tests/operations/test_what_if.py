"""How many would have been refused with fewer or more seats."""

from datetime import datetime, timedelta

import pytest

from licensing.operations.usage import Span
from licensing.operations.what_if import CHANGES, Want, by_change, replay
from tests.factories import KEY, NOW


def at(minutes: float) -> datetime:
    return NOW + timedelta(minutes=minutes)


def span(user: str, start: float, end: float) -> Span:
    return Span("HANDEL", KEY, user, at(start), at(end))


def want(user: str, minutes: float, alone: bool = True) -> Want:
    return Want(at(minutes), user, alone)


def refusals(spans: list[Span], wants: list[Want], seats: int, change: int) -> int:
    return len(replay(spans, wants, seats, [change])[change])


TWO = [span("anna", 0, 60), span("jan", 10, 60)]


def test_with_the_seats_that_there_were_the_same_are_refused() -> None:
    assert refusals(TWO, [want("ewa", 20), want("ewa", 25)], 2, 0) == 2


def test_with_one_seat_fewer_whoever_took_the_last_one_is_refused() -> None:
    assert refusals(TWO, [want("ewa", 20)], 2, -1) == 2
    assert refusals(TWO, [want("ewa", 20)], 2, -2) == 3


def test_with_one_seat_more_the_refused_is_served_and_holds_it() -> None:
    assert refusals(TWO, [want("ewa", 20), want("ewa", 25)], 2, 1) == 0
    assert refusals(TWO, [want("ewa", 20), want("piotr", 25)], 2, 1) == 1
    assert refusals(TWO, [want("ewa", 20), want("piotr", 25)], 2, 2) == 0


def test_a_refused_user_would_have_held_the_seat_for_the_usual_time() -> None:
    spans = [*TWO, span("kot", 70, 200), span("lis", 70, 200)]
    late = 20 + 95  # the median of 60, 50, 130 and 130 minutes
    assert refusals(spans, [want("ewa", 20), want("piotr", late - 1)], 2, 1) == 1
    assert refusals(spans, [want("ewa", 20), want("piotr", late)], 2, 1) == 0


def test_who_logs_in_within_ten_minutes_was_not_truly_refused() -> None:
    spans = [span("anna", 0, 60), span("ewa", 65, 90)]
    assert refusals(spans, [want("ewa", 55)], 1, 0) == 0
    assert refusals(spans, [want("ewa", 54)], 1, 0) == 1


def test_who_logs_in_in_truth_gives_back_what_he_has_in_the_replay() -> None:
    spans = [*TWO, span("ewa", 60, 200), span("kot", 60, 200)]
    assert refusals(spans, [want("ewa", 55), want("piotr", 61)], 2, 1) == 0


def test_a_refusal_that_had_a_further_cause_stays_one() -> None:
    assert refusals(TWO, [want("ewa", 20, alone=False)], 2, 5) == 1


def test_a_quarter_of_an_hour_without_use_begins_the_replay_anew() -> None:
    spans = [span("anna", 0, 300), span("jan", 330, 400), span("kot", 340, 400)]
    # The usual time would let ewa hold her seat from 290 to 360.
    assert refusals(spans, [want("ewa", 290), want("piotr", 350)], 1, 1) == 0


def test_more_held_than_the_seats_of_today_is_set_right() -> None:
    assert refusals(TWO, [], 1, 0) == 0
    assert refusals(TWO, [], 1, -1) == 1


def test_nothing_that_happened_is_no_refusal() -> None:
    assert refusals([], [], 3, -20) == 0
    assert refusals([], [want("ewa", 0)], 0, 0) == 1
    assert refusals([], [want("ewa", 0)], 0, 1) == 0


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_stored_counts_the_refusals_of_its_time_only(change: int) -> None:
    found = {change: [at(-1), at(0), at(5), at(10)]}
    assert by_change(found, at(0), at(10)) == {str(change): 2}
