"""The authority's clock: the computer's, moved by what a demo or a test asked for."""

from datetime import UTC, datetime, timedelta

from .store import Store, read_setting, write_setting

_SETTING = "clock_offset_seconds"


class Clock:
    """Asked once per request, at the edge; everything behind it is told what time it is."""

    def __init__(self, offset_seconds: float = 0) -> None:
        self.offset_seconds = offset_seconds

    def now(self) -> datetime:
        """The present instant, UTC."""
        return datetime.now(UTC) + timedelta(seconds=self.offset_seconds)


def stored_offset(store: Store) -> float:
    """The offset kept from an earlier run: the vendor's time does not jump because a program restarted."""
    with store.transaction() as tx:
        return float(read_setting(tx, _SETTING) or 0)


def store_offset(store: Store, seconds: float) -> None:
    """Keeps the offset for later runs."""
    with store.transaction() as tx:
        write_setting(tx, _SETTING, repr(seconds))
