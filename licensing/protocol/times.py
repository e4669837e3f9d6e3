"""Instants and days as the messages write them: RFC 3339 in UTC with `Z`, and last good days."""

import re
from datetime import UTC, date, datetime, timedelta

from .errors import MalformedMessage

_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?Z")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)
LATEST = datetime(9999, 7, 1, tzinfo=UTC)
"""Beyond these an instant is no time but a program's "never" or "not set"; so near to the calendar's ends no
span could be added and no time zone shown. Portal time that is unknown (9999-01-01) lies within."""


def parse_instant(text: str) -> datetime:
    """The aware UTC instant written as RFC 3339 with `Z`; beyond microseconds it is cut off.

    Raises MalformedMessage for anything else, and for what lies beyond EARLIEST and LATEST.
    """
    if not _INSTANT.fullmatch(text):
        raise MalformedMessage("an instant is not RFC 3339 in UTC with Z")
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise MalformedMessage("an instant names no moment of the calendar") from None
    if not EARLIEST <= instant <= LATEST:
        raise MalformedMessage("an instant at an end of the calendar")
    return instant


def format_instant(instant: datetime) -> str:
    """RFC 3339 in UTC with `Z` and always six decimals, so that instants sort as text."""
    if instant.tzinfo is None:
        raise ValueError("an instant without a time zone cannot be written")
    return instant.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def parse_day(text: str) -> date:
    """The day written as `YYYY-MM-DD`. Raises MalformedMessage for anything else."""
    if not _DAY.fullmatch(text):
        raise MalformedMessage("a date is not written as YYYY-MM-DD")
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise MalformedMessage("a date names no day of the calendar") from None


def end_of_day(day: date) -> datetime:
    """The instant at which `day`, a last good day, ends: 24:00 UTC.

    The last day of the calendar, which vendors write for "for ever", ends at its own midnight,
    so that every time zone can still show the result.
    """
    if day < date.max:
        day += timedelta(days=1)
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
