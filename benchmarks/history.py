"""Whether a run was right: the lease tables are the history of use, and are replayed.

Never more leases than seats at any moment, no seat with two at once, no acknowledged lease missing, none
that was returned still live, one lease for each idempotency key.
"""

import itertools
import json
import os
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from .contenders import ROOT

Rows = Callable[[str], Iterable[tuple[Any, ...]]]


@dataclass(frozen=True)
class Acknowledged:
    """What the load generator was promised: leases by idempotency key, and returns."""

    taken: Mapping[str, str]
    returned: frozenset[str]
    contradictions: tuple[str, ...]


def read_acknowledged(path: Path) -> Acknowledged:
    """The file of `load --acked`."""
    taken: dict[str, str] = {}
    returned, wrong = set(), []
    for line in path.read_text().splitlines():
        kind, *words = line.split()
        if kind == "R":
            returned.add(words[0])
        elif taken.setdefault(words[0], words[1]) != words[1]:
            wrong.append(f"key {words[0]} was given {taken[words[0]]} and {words[1]}")
    return Acknowledged(taken, frozenset(returned), tuple(wrong))


def rows_of(url: str) -> Rows:
    """What runs a query on the database of `sqlite:///PATH` or `postgres://…`."""
    if url.startswith("sqlite:///"):
        path = url.removeprefix("sqlite:///")

        def from_sqlite(query: str) -> list[tuple[Any, ...]]:
            database = sqlite3.connect(path)
            try:
                return database.execute(query).fetchall()
            finally:
                database.close()

        return from_sqlite

    def from_postgres(query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(url) as database:
            return database.execute(query).fetchall()  # type: ignore[arg-type]

    return from_postgres


def portal_mistakes(
    rows: Rows, acknowledged: Acknowledged, seats: Mapping[tuple[str, str], int]
) -> list[str]:
    """What is wrong with a portal's history.

    Args:
        seats: by key number and module code.
    """
    leases = [
        (plain(lease_id), _json(modules), str(taken_at), str(ended_at or expires_at), ended_at, reason, key)
        for lease_id, modules, taken_at, expires_at, ended_at, reason, key in rows(
            "SELECT id, modules, taken_at, expires_at, ended_at, ended_reason, idempotency_key"
            " FROM licensing_lease"
        )
    ]
    held = {lease[0]: lease for lease in leases}
    spans = [
        ((module["key"], module["code"]), module["seat"], taken_at, end)
        for _, modules, taken_at, end, *_ in leases
        for module in modules
    ]
    return [
        *acknowledged.contradictions,
        *_missing(acknowledged, held),
        *_keys_given_to_others(acknowledged, {lease[6]: lease[0] for lease in leases}),
        *_keys_used_twice(lease[6] for lease in leases),
        *_beyond_seats(((place, taken, end) for place, _, taken, end in spans), seats),
        *_seats_held_twice(spans),
    ]


def baseline_mistakes(rows: Rows, acknowledged: Acknowledged, seats: int) -> list[str]:
    """What is wrong with the baseline's history."""
    leases = list(rows("SELECT id, modules, taken_at, expires_at, ended_at FROM baseline_lease"))
    held = {plain(lease_id): (0, 0, 0, 0, ended_at, "returned") for lease_id, *_, ended_at in leases}
    spans = [
        (code, str(taken_at), str(ended_at or expires_at))
        for _, modules, taken_at, expires_at, ended_at in leases
        for code in _json(modules)
    ]
    live = Counter(
        code for _, modules, _, _, ended_at in leases if ended_at is None for code in _json(modules)
    )
    counted = dict(rows("SELECT code, taken FROM baseline_module"))
    wrong = [
        f"{code}: {counted[code]} counted, {live[code]} held"
        for code in counted
        if counted[code] != live[code]
    ]
    return [*_missing(acknowledged, held), *_beyond_seats(spans, dict.fromkeys(counted, seats)), *wrong]


def check_invariants(environment: Mapping[str, str]) -> list[str]:
    """What the portal's own command finds."""
    words = [sys.executable, str(ROOT / "manage.py"), "check_invariants"]
    done = subprocess.run(
        words,
        env={**os.environ, **environment, "LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
    )
    return [] if done.returncode == 0 else (done.stdout + done.stderr).splitlines()


def _missing(acknowledged: Acknowledged, held: Mapping[str, tuple[Any, ...]]) -> Iterator[str]:
    for key, lease_id in acknowledged.taken.items():
        if plain(lease_id) not in held:
            yield f"lease {lease_id} (key {key}) was acknowledged and is missing"
    for lease_id in acknowledged.returned:
        lease = held.get(plain(lease_id))
        if lease is not None and (lease[4] is None or lease[5] != "returned"):
            yield f"lease {lease_id} was returned, and its row does not say so"


def _keys_given_to_others(acknowledged: Acknowledged, keys: Mapping[str | None, str]) -> Iterator[str]:
    for key, lease_id in acknowledged.taken.items():
        if keys.get(key) != plain(lease_id):
            yield f"key {key} was given {lease_id}, and its lease is {keys.get(key)}"


def _keys_used_twice(keys: Iterable[str | None]) -> Iterator[str]:
    for key, count in Counter(key for key in keys if key).items():
        if count > 1:
            yield f"key {key} has {count} leases"


def _beyond_seats(spans: Iterable[tuple[Any, str, str]], seats: Mapping[Any, int]) -> Iterator[str]:
    """Walk through time: what ends at an instant is free for what begins at it."""
    moments = []
    for place, taken, end in spans:
        if taken < end:
            moments += [(taken, 1, place), (end, -1, place)]
    held: Counter[Any] = Counter()
    most: Counter[Any] = Counter()
    for _, change, place in sorted(moments, key=lambda moment: moment[:2]):
        held[place] += change
        most[place] = max(most[place], held[place])
    for place, count in most.items():
        if count > seats[place]:
            yield f"{place}: {count} leases at once, {seats[place]} seats"


def _seats_held_twice(spans: Iterable[tuple[Any, int | None, str, str]]) -> Iterator[str]:
    numbered: dict[Any, list[tuple[str, str]]] = {}
    for place, seat, taken, end in spans:
        if seat is not None:
            numbered.setdefault((place, seat), []).append((taken, end))
    for place, held in numbered.items():
        held.sort()
        for (_, end), (taken, _) in itertools.pairwise(held):
            if taken < end:
                yield f"{place}: held twice at {taken}"


def plain(lease_id: Any) -> str:
    """A lease's id, however a database writes it."""
    return str(lease_id).replace("-", "")


def _json(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value
