"""A year of a company with 2,000 users, as a portal's database holds it.

Leases are whole for the last 35 days; what is older is there as it was rolled up. The rows are written by
bulk SQL; only the last two days are rolled up by the product itself, to see what that costs.
"""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

USERS = 2000
DAYS = 365
WHOLE_DAYS = 35
REFUSALS_A_DAY = 60
EVENTS_A_DAY = 20
# Which part of the users takes a module on a working day.
SHARES = (0.9, 0.6, 0.45, 0.3, 0.2, 0.15, 0.1, 0.08, 0.05, 0.03, 0.02, 0.01)
# The part of those at work who hold a module, by the hour of the day.
HOURS = {
    6: 0.1,
    7: 0.4,
    8: 0.8,
    9: 1,
    10: 1,
    11: 0.95,
    12: 0.8,
    13: 0.9,
    14: 0.95,
    15: 0.7,
    16: 0.4,
    17: 0.15,
}
SEED = 2026


@dataclass(frozen=True)
class Places:
    """The modules by code, each with its key; and the ERP client that takes them."""

    keys: dict[str, str]
    client: int


def write(places: Places, now: datetime) -> datetime:
    """Write the year up to `now`. Gives the instant until which it is rolled up: two days ago."""
    from django.db import transaction

    from licensing.models import RollUp
    from licensing.operations.usage import day_of, floor_quarter, start_of_day

    chance = random.Random(SEED)
    today = day_of(now)
    rolled = start_of_day(today - timedelta(days=1))
    with transaction.atomic():
        _insert("licensing_lease", _leases(chance, places, today))
        _insert("licensing_usagequarter", _quarters(chance, places, today))
        _insert("licensing_usageday", _days(places, today))
        _insert("licensing_refusal", _refusals(chance, places, now, rolled))
        _insert("licensing_event", _events(chance, now))
        since = floor_quarter(start_of_day(today - timedelta(days=DAYS)))
        RollUp.objects.create(since=since, until=rolled)
    return rolled


def _insert(table: str, rows: "Iterator[dict[str, Any]]") -> None:
    from django.db import connection

    first = next(rows)
    columns = ", ".join(f'"{name}"' for name in first)
    places = ", ".join(["%s"] * len(first))
    with connection.cursor() as cursor:
        cursor.executemany(
            f"INSERT INTO {table} ({columns}) VALUES ({places})",
            [tuple(first.values()), *(tuple(row.values()) for row in rows)],
        )


def _instant(moment: datetime) -> str:
    return str(moment.astimezone(UTC).replace(tzinfo=None))


def _working_days(today: date, days: int) -> Iterator[date]:
    for back in range(days, 0, -1):
        day = today - timedelta(days=back)
        if day.weekday() < 5:
            yield day


def _leases(chance: random.Random, places: Places, today: date) -> Iterator[dict[str, Any]]:
    """Each user logs in once or twice on a working day; ended leases only."""
    codes = list(places.keys)
    for day in _working_days(today, WHOLE_DAYS):
        midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
        for user in range(USERS):
            mine = [code for code, share in zip(codes, SHARES, strict=True) if chance.random() < share]
            at = midnight + timedelta(seconds=chance.randrange(5 * 3600, 9 * 3600))
            for _ in range(chance.choice((1, 1, 2))):
                if not mine:
                    break
                end = at + timedelta(
                    seconds=chance.randrange(1200, 5 * 3600), microseconds=chance.randrange(10**6)
                )
                yield {
                    "id": UUID(int=chance.getrandbits(128), version=4).hex,
                    "client_id": places.client,
                    "user": f"user.{user:04}",
                    "workstation": f"PC-{user:04}",
                    "program_name": "ERP Optima",
                    "program_version": "2026.5.1",
                    "built_on": "2026-09-01",
                    "modules": json.dumps(
                        [{"code": code, "key": places.keys[code], "seat": user % 1000 + 1} for code in mine]
                    ),
                    "not_taken": "[]",
                    "withdrawn": "{}",
                    "taken_at": _instant(at),
                    "last_seen_at": _instant(end),
                    "expires_at": _instant(end),
                    "expires_as": "expired",
                    "ended_at": _instant(end),
                    "ended_reason": "returned",
                    "idempotency_key": None,
                    "body_sha256": "",
                }
                at = end + timedelta(minutes=chance.randrange(5, 60))


def _quarters(chance: random.Random, places: Places, today: date) -> Iterator[dict[str, Any]]:
    for day in _working_days(today - timedelta(days=1), DAYS - 1):
        for code, share in zip(places.keys, SHARES, strict=True):
            seats = int(USERS * share)
            for hour, part in HOURS.items():
                for quarter in range(4):
                    peak = min(seats, int(seats * part * chance.uniform(0.9, 1.1)))
                    refused = chance.random() < 0.01
                    start = datetime(day.year, day.month, day.day, hour, 15 * quarter, tzinfo=UTC)
                    yield {
                        "module": code,
                        "key": "",
                        "seats": seats,
                        "peak": peak,
                        "held_seconds": int(peak * 870),
                        "full_seconds": 300 if peak == seats else 0,
                        "refused_true": int(refused),
                        "refused_false": 0,
                        "start": _instant(start),
                    }


def _days(places: Places, today: date) -> Iterator[dict[str, Any]]:
    from licensing.operations.what_if import CHANGES

    what_if = json.dumps({str(change): max(0, 5 - change) for change in CHANGES})
    for day in _working_days(today - timedelta(days=1), DAYS - 1):
        for code, share in zip(places.keys, SHARES, strict=True):
            seats = int(USERS * share)
            yield {
                "module": code,
                "key": "",
                "seats": seats,
                "peak": seats,
                "held_seconds": seats * 8 * 3600,
                "full_seconds": 1800,
                "refused_true": 5,
                "refused_false": 2,
                "day": day.isoformat(),
                "what_if": what_if,
            }


def _refusals(
    chance: random.Random, places: Places, now: datetime, rolled: datetime
) -> Iterator[dict[str, Any]]:
    codes = list(places.keys)
    for day in range(DAYS):
        for _ in range(REFUSALS_A_DAY):
            at = now - timedelta(days=day, seconds=chance.randrange(86400))
            code = chance.choice(codes)
            yield {
                "at": _instant(at),
                "client_id": places.client,
                "user": f"user.{chance.randrange(USERS):04}",
                "workstation": f"PC-{chance.randrange(USERS):04}",
                "program_name": "ERP Optima",
                "program_version": "2026.5.1",
                "modules": json.dumps([code]),
                "causes": json.dumps([code]),
                "code": "no_free_seat",
                "is_true": chance.random() < 0.7 if at < rolled else None,
            }


def _events(chance: random.Random, now: datetime) -> Iterator[dict[str, Any]]:
    for day in range(DAYS):
        for _ in range(EVENTS_A_DAY):
            user = f"user.{chance.randrange(USERS):04}"
            data = {"user": user, "workstation": "PC-1", "modules": ["M0_0"], "reason": "went home"}
            yield {
                "at": _instant(now - timedelta(days=day, seconds=chance.randrange(86400))),
                "kind": "lease_released",
                "actor": "admin",
                "subject": str(UUID(int=chance.getrandbits(128), version=4)),
                "data": json.dumps(data),
            }
