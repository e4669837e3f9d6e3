"""Portal time: the one clock, asked at the edges and handed down.

It is anchored on this computer's boot clock, which nobody sets: while the computer runs, a wall clock that
is moved changes nothing. After another boot it goes on from the last mark written (plus the time since that
boot) or follows the wall clock, whichever is later. The vendor's signed time sets it anew, backwards too
(vendor-protocol.md, "Time").

All is kept sealed. Where the seal does not open, whoever edited it gains nothing: portal time is then
unknown, and every deadline counts as passed until the next contact.
"""

import json
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F

from licensing.models import Installation, QueueHeartbeat
from licensing.models.sealed import SealBroken

from .actors import PORTAL
from .errors import Refused
from .events import record as record_event
from .machine import machine_of_host

# Later than any deadline that a vendor can sign.
UNKNOWN = datetime(9999, 1, 1, tzinfo=UTC)
# A difference that is worth telling.
NOTICEABLE = timedelta(minutes=5)
# A difference that could make a silence of the worker out of nothing; its sign of life comes every minute.
WORTH_SHIFTING = timedelta(minutes=1)
# No computer runs that long: a boot clock beyond it counts from 1970, as faked ones do.
LONGEST_UPTIME = timedelta(days=30 * 365)
MOST_NODES = 16
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
NOTHING = timedelta(0)


@dataclass(frozen=True, slots=True)
class Reading:
    """This computer's clocks, read together.

    `boot` is the time since the boot that `boot_id` names (empty where the system has no name for it).
    """

    wall: datetime
    boot: timedelta
    boot_id: str
    node: str

    @property
    def uptime(self) -> timedelta:
        """Since the boot; nothing where the boot clock is none."""
        return self.boot if NOTHING < self.boot < LONGEST_UPTIME else NOTHING


@dataclass(frozen=True, slots=True)
class Anchor:
    """What portal time was on one computer when its boot clock read `boot`: its high-water mark.

    `told` is the difference of the wall clock that the administrator was told of.
    """

    portal: datetime
    boot: timedelta
    boot_id: str
    told: timedelta = NOTHING


@dataclass(frozen=True)
class ClockRecord:
    """What is kept sealed: how far the vendor's clock is ahead of the wall clock, and an anchor per node."""

    offset: timedelta = NOTHING
    nodes: Mapping[str, Anchor] = field(default_factory=dict)


def system_clocks() -> Reading:
    """The clocks of this computer."""
    boot = timedelta(microseconds=_boot_nanoseconds() // 1000)
    kind = "" if boot < LONGEST_UPTIME else ":1970"
    return Reading(datetime.now(UTC), boot, _boot_id() + kind, _node(settings.KEYMANAGER.machine_id_file))


# The border to the computer, which tests may replace.
clocks: Callable[[], Reading] = system_clocks


def local_now() -> datetime:
    """The computer's own wall clock, in UTC."""
    return datetime.now(UTC)


def portal_now() -> datetime:
    """Portal time, in UTC. Only edges call this."""
    return portal_time(clock_record(), clocks())


def known_now() -> datetime:
    """Portal time; while that is unknown this computer's own, for what only has to go on."""
    now = portal_now()
    return now if now < UNKNOWN else local_now()


def portal_time(record: ClockRecord | None, reading: Reading) -> datetime:
    """Portal time by what is recorded and by this computer's clocks; None where the seal is broken."""
    if record is None:
        return UNKNOWN
    anchor, by_wall = record.nodes.get(reading.node), reading.wall + record.offset
    if anchor is not None and anchor.boot_id == reading.boot_id and anchor.boot <= reading.boot:
        going_on = anchor.portal + (reading.boot - anchor.boot)
        return going_on if reading.boot_id else max(going_on, by_wall)
    marks = [other.portal for other in record.nodes.values()]
    if anchor is not None and anchor.boot_id != reading.boot_id:
        marks.append(anchor.portal + reading.uptime)
    return max(by_wall, *marks) if marks else by_wall


def clock_record() -> ClockRecord | None:
    """What is recorded; None where the seal does not open. Nothing before the first start."""
    try:
        stored = Installation.objects.values_list("clock_offset", flat=True).filter(pk=1).first()
    except SealBroken:
        return None
    return read_record(stored)


def read_record(stored: str | None) -> ClockRecord | None:
    """The record as the installation's row holds it; None where it is none, empty without a row."""
    try:
        return _parse(stored) if stored is not None else ClockRecord()
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
        return None


def wall_clock_ahead() -> timedelta:
    """How far the wall clock has been set forward (below zero: back) since the vendor's time was learned."""
    return clock_ahead(clock_record())


def clock_ahead(record: ClockRecord | None) -> timedelta:
    """The same by a record that has been read already."""
    reading = clocks()
    if record is None:
        return NOTHING
    return reading.wall + record.offset - portal_time(record, reading)


def keep_time() -> None:
    """Write portal time down as the mark that it never goes back behind; tell of a wall clock that moved."""
    with transaction.atomic():
        if not Installation.objects.select_for_update().filter(pk=1).exists():
            return
        record, reading = clock_record(), clocks()
        if record is None:
            return
        now = portal_time(record, reading)
        before = record.nodes.get(reading.node)
        told = before.told if before is not None else NOTHING
        ahead = reading.wall + record.offset - now
        if abs(ahead - told) > NOTICEABLE:
            _tell_moved(ahead - told, now)
            told = ahead
        anchor = Anchor(now, reading.boot, reading.boot_id, told)
        newest = sorted(record.nodes.items(), key=lambda node: node[1].portal)[-MOST_NODES:]
        _store(ClockRecord(record.offset, {**dict(newest), reading.node: anchor}))


def learn_offset(answered_at: datetime, now: datetime) -> datetime:
    """Set portal time by the vendor's clock, in the caller's transaction; returns the portal time it now is.

    Args:
        answered_at: the vendor's time in an on-line answer that came at the first sending of its request.
        now: the portal time at which that answer came.
    """
    Installation.objects.select_for_update().filter(pk=1).exists()
    record, reading = clock_record(), clocks()
    late = NOTHING
    if record is not None:
        late = max(NOTHING, portal_time(record, reading) - now)
        if abs(now - answered_at) > NOTICEABLE:
            kind = "clock_was_ahead" if now > answered_at else "clock_was_behind"
            record_event(kind, answered_at, PORTAL, by_seconds=round(abs(now - answered_at).total_seconds()))
        if abs(now - answered_at) > WORTH_SHIFTING:
            _shift_heartbeat(now, answered_at)
    portal = answered_at + late
    # The other nodes' anchors are of the time before: each makes its own anew.
    nodes = {reading.node: Anchor(portal, reading.boot, reading.boot_id)}
    _store(ClockRecord(portal - reading.wall, nodes))
    return answered_at


def _shift_heartbeat(now: datetime, answered_at: datetime) -> None:
    """Let the worker have been silent as long by the time learned as it was by the time before."""
    QueueHeartbeat.objects.filter(at__lte=now).update(at=F("at") + (answered_at - now))


def new_record() -> str:
    """The record of a new installation, as it is stored."""
    return _text(ClockRecord())


def _tell_moved(by: timedelta, now: datetime) -> None:
    kind = "clock_set_forward" if by > NOTHING else "clock_set_back"
    record_event(kind, now, PORTAL, by_seconds=round(abs(by).total_seconds()))


def _store(record: ClockRecord) -> None:
    Installation.objects.filter(pk=1).update(clock_offset=_text(record))


def _text(record: ClockRecord) -> str:
    nodes = {
        name: [
            anchor.portal.isoformat(), _microseconds(anchor.boot), anchor.boot_id, _microseconds(anchor.told)
        ]
        for name, anchor in record.nodes.items()
    }  # fmt: skip
    return json.dumps({"offset": _microseconds(record.offset), "nodes": nodes})


def _parse(text: str) -> ClockRecord:
    stored: Any = json.loads(text)
    nodes = {
        name: Anchor(
            datetime.fromisoformat(portal),
            timedelta(microseconds=boot),
            boot_id,
            timedelta(microseconds=told),
        )
        for name, (portal, boot, boot_id, told) in stored["nodes"].items()
    }
    return ClockRecord(timedelta(microseconds=stored["offset"]), nodes)


def _microseconds(span: timedelta) -> int:
    return span // timedelta(microseconds=1)


def _boot_nanoseconds() -> int:
    # It goes on while the computer sleeps, unlike the monotonic clock.
    name = getattr(time, "CLOCK_BOOTTIME", None)
    return time.clock_gettime_ns(name) if name is not None else time.monotonic_ns()


@lru_cache(maxsize=1)
def _boot_id() -> str:
    try:
        return BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""


@lru_cache(maxsize=4)
def _node(machine_id_file: Path) -> str:
    """This computer among those that share the database; cloned ones may have one machine id."""
    try:
        return f"{machine_of_host()} {socket.gethostname()}"
    except Refused:
        return socket.gethostname()
