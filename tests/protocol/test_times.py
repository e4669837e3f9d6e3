"""Instants and days: RFC 3339 in UTC with Z, and last good days that end at 24:00 UTC."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from licensing.protocol import MalformedMessage, end_of_day, format_instant, parse_day, parse_instant
from tests.protocol.material import INSTANTS


@given(INSTANTS)
def test_instants_survive_a_round_trip(instant: datetime) -> None:
    text = format_instant(instant)
    assert parse_instant(text) == instant
    assert len(text) == len("2026-11-24T08:00:00.000000Z")


@given(st.datetimes(timezones=st.just(UTC)), st.datetimes(timezones=st.just(UTC)))
def test_written_instants_sort_as_text(one: datetime, other: datetime) -> None:
    assert (one < other) == (format_instant(one) < format_instant(other))


def test_an_instant_of_another_zone_is_written_in_utc() -> None:
    warsaw = timezone(timedelta(hours=1))
    assert format_instant(datetime(2026, 11, 24, 9, tzinfo=warsaw)) == "2026-11-24T08:00:00.000000Z"


def test_an_instant_without_a_zone_cannot_be_written() -> None:
    with pytest.raises(ValueError, match="time zone"):
        format_instant(datetime(2026, 11, 24))


def test_fractions_of_a_second_may_have_nine_digits() -> None:
    read = parse_instant("2026-11-24T08:00:00.123456789Z")
    assert read == datetime(2026, 11, 24, 8, 0, 0, 123456, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-11-24",
        "2026-11-24T08:00:00",
        "2026-11-24T08:00:00+00:00",
        "2026-11-24T08:00:00+01:00",
        "2026-11-24 08:00:00Z",
        "2026-11-24t08:00:00z",
        "2026-11-24T08:00Z",
        "2026-11-24T08:00:00.Z",
        "2026-11-24T08:00:00,5Z",
        "2026-11-24T24:00:00Z",
        "2026-11-24T08:00:60Z",
        "2026-02-30T08:00:00Z",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00Z",
        "1899-12-31T23:59:59.999999Z",
        "9999-07-01T00:00:00.000001Z",
        "9999-12-31T23:59:59Z",
        "20261124T080000Z",
        "2026-W48-2T08:00:00Z",
        "2026-11-24T08:00:00Z\n",
        "２026-11-24T08:00:00Z",
    ],
)
def test_what_is_no_instant_is_malformed(text: str) -> None:
    with pytest.raises(MalformedMessage):
        parse_instant(text)


@pytest.mark.parametrize(
    "text", ["", "2027-3-31", "20270331", "2027-02-29", "2027-W01-1", "2027-03-31T00:00:00Z"]
)
def test_what_is_no_day_is_malformed(text: str) -> None:
    with pytest.raises(MalformedMessage):
        parse_day(text)


def test_a_last_good_day_ends_at_24_utc() -> None:
    assert end_of_day(parse_day("2027-03-31")) == datetime(2027, 4, 1, tzinfo=UTC)


def test_the_last_day_of_the_calendar_can_still_be_shown_everywhere() -> None:
    end = end_of_day(date.max)
    assert end.astimezone(timezone(timedelta(hours=14))).year == 9999
