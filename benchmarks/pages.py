"""`python -m benchmarks.pages`: measure every list and chart on a year of history and 2,000 live leases.

The pages are asked for within this process, through the whole of Django, on a SQLite file as in production:
what is measured is the server's time, the number of questions to the database, and what a browser that
comes for the first time has to load. It writes docs/performance-pages.md.
"""

import argparse
import gzip
import re
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet

from . import dataset, machine, year

PAGE = Path(__file__).resolve().parent.parent / "docs" / "performance-pages.md"
MOST_MILLISECONDS, MOST_QUERIES, MOST_KIB, MOST_MIB = 300, 12, 300, 200
KEY, CODE = "5000000000", "M0_0"
PAGES = [
    "/",
    f"/modules/{KEY}/{CODE}",
    "/leases",
    "/leases?group=user",
    "/leases?q=user.19",
    "/configuration",
    "/configuration/contacts",
    "/configuration/mails",
    "/refusals",
    "/refusals?q=user.19&kind=true",
    "/refusals/hours?days=365",
    "/history?days=365",
    f"/history/{CODE}?by=hour&days=30",
    f"/history/{CODE}?by=day&days=365",
    f"/history/{CODE}?by=month&days=1095",
    f"/history/{CODE}/needs?days=365",
    "/events",
    "/events?q=user.19",
    "/clients",
    "/users",
]


@dataclass(frozen=True)
class Seen:
    """One page: milliseconds (median, worst), processor milliseconds, questions, bytes of the first visit."""

    path: str
    median: float
    worst: float
    cpu: float
    queries: int
    weight: int

    @property
    def holds(self) -> bool:
        """Whether it keeps within every limit."""
        return (
            self.median <= MOST_MILLISECONDS
            and self.queries <= MOST_QUERIES
            and self.weight <= MOST_KIB * 1024
        )


@dataclass(frozen=True)
class Size:
    """The database's size in MiB, and what rolling a day up costs."""

    mib: float
    seconds_a_day: float
    replayed: int


def build(folder: Path) -> Size:
    """Make the data: a year of history, and every user with a live lease."""
    (folder / "keymanager.key").write_bytes(Fernet.generate_key())
    secrets = dataset.prepare(folder)
    told = dataset.fill(secrets, keys=2, modules=6, seats=year.USERS)
    from django.db import connection

    from licensing.models import ErpClient, Lease
    from licensing.operations.rollup import roll_up

    now = datetime.now(UTC)
    keys = {code: KEY if code.startswith("M0") else "5000000001" for code in told["codes"]}  # type: ignore[attr-defined]
    rolled = year.write(year.Places(keys, ErpClient.objects.values_list("pk", flat=True)[0]), now)
    _take_live(now)
    began = time.monotonic()
    quarters = roll_up(now)
    seconds = time.monotonic() - began
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        cursor.execute("ANALYZE")
    database = Path(str(connection.settings_dict["NAME"]))
    days = max((now - rolled).total_seconds() / 86400, 1)
    return Size(database.stat().st_size / 2**20, seconds / days, Lease.objects.count() if quarters else 0)


def _take_live(now: datetime) -> None:
    from licensing.models import ErpClient
    from licensing.operations.lease_values import CheckoutRequest, Program
    from licensing.operations.leases import checkout

    client = ErpClient.objects.values_list("pk", flat=True)[0]
    program = Program("ERP Optima", "2026.5.1", None)
    requests = [
        CheckoutRequest(
            client_id=client,
            modules=(CODE, f"M{user % 2}_{user % 5 + 1}"),
            optional=(),
            workstation=f"PC-{user:04}",
            user=f"user.{user:04}",
            program=program,
            key=None,
        )
        for user in range(year.USERS)
    ]
    for first in range(0, len(requests), 250):
        checkout(requests[first : first + 250], now)


def visitor() -> Any:
    """An administrator who is logged in."""
    from django.test import Client

    from licensing.models import Role, User
    from licensing.operations.actors import COMMAND
    from licensing.operations.users import create_user

    create_user(datetime.now(UTC), COMMAND, "admin", "a good long password", Role.ADMINISTRATOR)
    client = Client(headers={"accept-language": "pl", "accept-encoding": "gzip"}, SERVER_NAME="localhost")
    client.force_login(User.objects.get(username="admin"))
    return client


def look(client: Any, path: str, rounds: int) -> Seen:
    """Ask for a page several times."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as asked:
        response = client.get(path)
    queries = len(asked)
    if response.status_code != 200:
        raise SystemExit(f"{path}: {response.status_code}")
    walls, cpus = [], []
    for _ in range(rounds):
        wall, cpu = time.perf_counter(), time.process_time()
        client.get(path)
        walls.append(1000 * (time.perf_counter() - wall))
        cpus.append(1000 * (time.process_time() - cpu))
    weight = len(response.content) + sum(_bytes(client, each) for each in _assets(response))
    return Seen(path, statistics.median(walls), max(walls), statistics.median(cpus), queries, weight)


def _assets(response: Any) -> set[str]:
    content = response.content
    if response.get("Content-Encoding") == "gzip":
        content = gzip.decompress(content)
    return set(re.findall(r'(?:src|href)="(/static/[^"#]+)', content.decode()))


def _bytes(client: Any, path: str) -> int:
    """What the server sends for a static file to a browser that reads gzip."""
    response = client.get(path)
    return len(b"".join(response.streaming_content) if response.streaming else response.content)


def report(seen: list[Seen], size: Size, facts: dict[str, str], others: float) -> str:
    """The page of the documentation."""
    rows = "\n".join(
        f"| `{each.path}` | {each.median:.0f} ms | {each.worst:.0f} ms | {each.cpu:.0f} ms | {each.queries} |"
        f" {each.weight / 1024:.0f} KiB | {'yes' if each.holds else 'no'} |"
        for each in seen
    )
    machine_rows = "\n".join(f"| {name} | {value} |" for name, value in facts.items())
    return f"""# Performance of the pages

`make bench-pages` makes the data of a company with {year.USERS:,} users (a year of history, leases whole for
{year.WHOLE_DAYS} days, every user with a live lease, {year.REFUSALS_A_DAY} refusals and {year.EVENTS_A_DAY}
events a day), asks for each page within one process, through the whole of Django on a SQLite file, and
writes this page. What must hold: {MOST_MILLISECONDS} ms of server time at the median, {MOST_QUERIES}
questions to the database, {MOST_KIB} KiB for a browser's first visit (the page, its sheets
and scripts, as sent), and {MOST_MIB} MiB for the year.

| machine | |
| --- | --- |
{machine_rows}
| date | {datetime.now(UTC).date().isoformat()} |
| load before the run | {others:.1f} processes |

| page | median | worst | processor time | questions | first visit | holds |
| --- | ---: | ---: | ---: | ---: | ---: | --- |
{rows}

The database takes {size.mib:.0f} MiB. Rolling up a day of all users, with the replay of every module for
every change in its seats, took {size.seconds_a_day:.1f} s of the worker's time; it holds no lock while it
reckons.
"""


def main() -> int:
    """Measure; 1 where something that must hold does not."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pages", description=__doc__)
    parser.add_argument(
        "--rounds", type=int, default=11, help="how often each page is asked for (%(default)s)"
    )
    parser.add_argument("--no-page", action="store_true", help="leave docs/performance-pages.md as it is")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="km-pages-") as name:
        folder = Path(name)
        others, facts = machine.load_of_others(), machine.facts(folder)
        size = build(folder)
        print(f"{size.mib:.0f} MiB, {size.seconds_a_day:.1f} s to roll a day up", flush=True)
        from django.core.management import call_command

        call_command("collectstatic", interactive=False, verbosity=0)
        client = visitor()
        seen = []
        for path in PAGES:
            seen.append(look(client, path, options.rounds))
            each = seen[-1]
            print(
                f"{path:45} {each.median:6.0f} ms {each.cpu:6.0f} ms cpu {each.queries:3} queries"
                f" {each.weight / 1024:6.0f} KiB {'' if each.holds else '  TOO MUCH'}",
                flush=True,
            )
    if not options.no_page:
        PAGE.write_text(report(seen, size, facts, others), encoding="utf-8")
    return 0 if all(each.holds for each in seen) and size.mib <= MOST_MIB else 1


if __name__ == "__main__":
    sys.exit(main())
