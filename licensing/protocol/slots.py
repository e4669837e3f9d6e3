"""Slots: the UTC days that offline codes count in, from 2020-01-01."""

from datetime import UTC, datetime, timedelta
from typing import Final

_FIRST = datetime(2020, 1, 1, tzinfo=UTC)
OVERLAP: Final = timedelta(hours=2)
"""How long a day's challenge stays good after its day."""
CODE_LIFE: Final = timedelta(hours=72)
"""What one activation code gives from the moment of its entry, but at most from the end of its slot."""


def slot_of(instant: datetime) -> int:
    """The slot in which `instant` lies."""
    return (instant - _FIRST) // timedelta(days=1)


def slot_start(slot: int) -> datetime:
    """The first instant of a slot, 00:00 UTC."""
    return _FIRST + timedelta(days=slot)


def slot_end(slot: int) -> datetime:
    """The instant at which a slot is over, 24:00 UTC."""
    return slot_start(slot + 1)


def valid_slots(now: datetime) -> tuple[int, ...]:
    """The slots whose challenge is good at `now`: today's, then for two hours past midnight yesterday's."""
    today = slot_of(now)
    return (today, today - 1) if now - slot_start(today) < OVERLAP else (today,)


def code_deadline(slot: int, entered_at: datetime) -> datetime:
    """Until when a code of `slot` that was entered at `entered_at` lets modules work."""
    return min(entered_at, slot_end(slot)) + CODE_LIFE


def latest_code_deadline(slot: int) -> datetime:
    """The latest instant that a code of `slot` can prove, whenever it was entered."""
    return slot_end(slot) + CODE_LIFE
