"""The portal at one moment, for a page: each thing read at most once, and only if somebody asks for it."""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from licensing.models import Installation, VirtualKey
from licensing.models.sealed import SealBroken

from . import clock
from .clock import ClockRecord, portal_time, read_record
from .entitlements import Entitlement, entitlements
from .status import Status, read_keys, status


@dataclass(frozen=True)
class Moment:
    """Portal time `now`, and what holds then. Never kept longer than one request: it does not grow old."""

    now: datetime
    clock: ClockRecord | None
    # What entitlements stand on; None before the first start.
    installation: tuple[str, str, str | None] | None

    @cached_property
    def keys(self) -> list[VirtualKey]:
        """The rows of the keys with their grants, by number."""
        return read_keys()

    @cached_property
    def held(self) -> dict[str, Entitlement]:
        """What the vendor's words give, by the number of the key."""
        return entitlements(self.installation, self.keys)

    @cached_property
    def status(self) -> Status:
        """How things stand."""
        return status(self.now, self.keys, self.held)


def moment() -> Moment:
    """This moment. Only edges call this."""
    rows = Installation.objects.filter(pk=1)
    columns = ("thumbprint", "authority_key_set", "newest_serials")
    try:
        row = rows.values_list(*columns, "clock_offset").first()
    except SealBroken:
        installation = rows.values_list(*columns).first()
        return Moment(portal_time(None, clock.clocks()), None, installation)
    record = read_record(row[3] if row else None)
    return Moment(portal_time(record, clock.clocks()), record, row[:3] if row else None)
