"""A year of a small company, for the pictures: `python -m tools.past` fills the data folder of a demo.

The log-ins of every working day are played out on the seats that there are; whoever finds none free is
refused, comes back some minutes later, or does without. The product itself rolls the year up and forgets what
it would have forgotten by now.
"""

import heapq
import os
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from licensing.models import ContactAttempt, Lease, Refusal

DAYS = 365
# One of the colleagues who are invited, who may only look, and what all of them log in with.
VIEWER, PASSWORD = "marek.pawlak", "a good long password"
SEED = 2026
PROGRAM = {"program_name": "ERP Optima", "program_version": "2026.5.1"}
# The seats by module and key; None: not counted.
SEATS: Mapping[str, list[tuple[str, int | None]]] = {
    "HANDEL": [("5000006622", 5), ("5000006623", 2)],
    "KASA": [("5000006622", 5)],
    "FAKTURY": [("5000006622", 3)],
    "CRM": [("5000006622", 1)],
    "SRODKI_TRWALE": [("5000006622", None)],
    "KADRY": [("5000006623", 2)],
}
# Who works with what; the later ones in each row were hired in the course of the year.
WORK: Mapping[tuple[str, ...], list[str]] = {
    ("HANDEL",): ["anna.nowak", "jan.kowalski", "ewa.wiśniewska", "paweł.dąbrowski", "marek.pawlak"],
    ("HANDEL", "KASA"): ["piotr.zieliński", "maria.lewandowska", "tomasz.mazur", "zofia.krawczyk"],
    ("HANDEL", "FAKTURY"): ["olga.sikora", "adam.szymański"],
    ("SRODKI_TRWALE", "FAKTURY"): ["krystyna.wójcik", "hanna.duda"],
    ("KADRY",): ["barbara.kamińska"],
    ("CRM",): ["julia.woźniak", "robert.baran"],
}
CONTACT_EVERY = timedelta(hours=2)
CONTACTS_KEPT = timedelta(days=30)
# A night in which the provider had trouble, some days ago.
OUTAGE = (timedelta(days=9, hours=11), timedelta(days=9))
ENDS = ("returned", "expired", "released_by_admin")
REASONS = ("poszła na urlop", "program się zawiesił", "komputer do naprawy", "koniec zmiany")


@dataclass
class Stock:
    """The numbered seats, each with the instant at which it falls free."""

    held: dict[tuple[str, str, int], datetime] = field(default_factory=dict)

    def place(self, code: str, at: datetime) -> tuple[str, int | None] | None:
        """The first seat of a module that is free, or None."""
        for key, seats in SEATS[code]:
            if seats is None:
                return key, None
            for seat in range(1, seats + 1):
                if self.held.get((code, key, seat), at) <= at:
                    return key, seat
        return None


@dataclass(order=True)
class LogIn:
    """Somebody who starts his program at an instant, for the n-th time after a refusal."""

    at: datetime
    user: str
    codes: tuple[str, ...]
    again: int = 0


@dataclass
class Day:
    """The log-ins of one working day, played out."""

    chance: random.Random
    client: int
    leases: list["Lease"] = field(default_factory=list)
    refusals: list["Refusal"] = field(default_factory=list)

    def play(self, waiting: list[LogIn], until: datetime) -> None:
        """Serve the log-ins that come before `until` in their order, those that come back included."""
        stock = Stock()
        heapq.heapify(waiting)
        while waiting:
            log_in = heapq.heappop(waiting)
            if log_in.at < until:
                self._serve(log_in, stock, waiting, until)

    def _serve(self, log_in: LogIn, stock: Stock, waiting: list[LogIn], until: datetime) -> None:
        from licensing.models import Lease, Refusal

        who = {
            "client_id": self.client,
            "user": log_in.user,
            "workstation": workstation(log_in.user),
            **PROGRAM,
        }
        places = {code: stock.place(code, log_in.at) for code in log_in.codes}
        full = [code for code, place in places.items() if place is None]
        if full:
            row = Refusal(at=log_in.at, modules=log_in.codes, causes=full, code="no_free_seat", **who)
            self.refusals.append(row)
            if log_in.again < 2 and self.chance.random() < 0.7:
                later = log_in.at + timedelta(minutes=self.chance.randrange(3, 12))
                heapq.heappush(waiting, LogIn(later, log_in.user, log_in.codes, log_in.again + 1))
            return
        end = log_in.at + timedelta(minutes=self.chance.randrange(25, 190))
        if end > until:
            return
        modules = []
        for code, place in places.items():
            key, seat = place or ("", None)
            modules.append({"code": code, "key": key, "seat": seat})
            if seat is not None:
                stock.held[code, key, seat] = end
        row = Lease(
            modules=modules, taken_at=log_in.at, last_seen_at=end, expires_at=end, ended_at=end,
            ended_reason=self.chance.choices(ENDS, (30, 4, 1))[0], **who,
        )  # fmt: skip
        self.leases.append(row)


def workstation(user: str) -> str:
    """The computer of somebody."""
    users = [name for names in WORK.values() for name in names]
    return f"PC-{17 + users.index(user):03}"


def log_ins(chance: random.Random, day: date, progress: float) -> Iterator[LogIn]:
    """Who starts which program when on a day; `progress` of the year has passed."""
    from licensing.operations.usage import start_of_day

    morning = start_of_day(day) + timedelta(hours=7)
    for codes, users in WORK.items():
        hired = max(1, round(len(users) * (0.55 + 0.5 * progress)))
        for user in users[:hired]:
            if chance.random() < 0.12:
                continue  # ill, travelling, or on holiday
            for hours in (0.2, 3.2, 5.6)[: chance.choice((1, 2, 2, 3))]:
                yield LogIn(morning + timedelta(hours=hours, seconds=chance.randrange(9000)), user, codes)


def write_use(chance: random.Random, client: int, now: datetime) -> None:
    """Write a year's leases and refusals, roll them up, and forget the leases that are too old."""
    from licensing.models import Lease, Refusal, RollUp, UsageDay, UsageQuarter
    from licensing.operations.rollup import roll_up
    from licensing.operations.tidy import forget_ended_leases
    from licensing.operations.usage import day_of

    days = Day(chance, client)
    today = day_of(now)
    for back in range(DAYS, -1, -1):
        day = today - timedelta(days=back)
        if day.weekday() < 5:
            days.play(list(log_ins(chance, day, 1 - back / DAYS)), now)
    Lease.objects.bulk_create(days.leases, batch_size=500)
    Refusal.objects.bulk_create(days.refusals, batch_size=500)
    # What the worker has put together since the demo began lacks all this.
    for model in (RollUp, UsageQuarter, UsageDay):
        model.objects.all().delete()
    roll_up(now)
    forget_ended_leases(now)
    _tell_of_releases(chance, days.leases)


def _tell_of_releases(chance: random.Random, leases: list["Lease"]) -> None:
    """The events of the leases that an administrator ended."""
    from licensing.models import Event

    released = [lease for lease in leases if lease.ended_reason == "released_by_admin"][-12:]
    for lease in released:
        codes = [module["code"] for module in lease.modules]
        data = {"user": lease.user, "workstation": lease.workstation, "modules": codes}
        Event.objects.create(
            at=lease.ended_at, kind="lease_released", actor="admin", subject=str(lease.pk),
            data=data | {"reason": chance.choice(REASONS)},
        )  # fmt: skip


def contacts(chance: random.Random, now: datetime) -> Iterator["ContactAttempt"]:
    """The contacts of the last 30 days: every two hours, and a night without."""
    from licensing.models import ContactAttempt

    granted = [
        {"number": number, "result": "granted", "reason": None}
        for number in sorted({key for keys in SEATS.values() for key, _ in keys} | {"5000006624"})
    ]
    at = now - CONTACTS_KEPT + timedelta(minutes=20)
    while at < now - timedelta(minutes=30):
        failed = now - OUTAGE[0] < at < now - OUTAGE[1]
        took = timedelta(seconds=15 if failed else chance.uniform(0.3, 1.4))
        outcome = "connect_timeout" if failed else "ok"
        yield ContactAttempt(
            started_at=at, finished_at=at + took, trigger="schedule", actor="portal", outcome=outcome,
            params={"host": "licencje.comarch.pl", "port": 443} if failed else {},
            results=[] if failed else granted,
        )  # fmt: skip
        at += timedelta(minutes=30) if failed else CONTACT_EVERY + timedelta(minutes=chance.randrange(-5, 6))


def invite_colleagues(now: datetime) -> str:
    """Users of each role. Gives the path of the link that the last one has not used yet."""
    from licensing.models import Role
    from licensing.operations.actors import Actor
    from licensing.operations.users import create_user, invitation, invite_user

    boss = Actor("admin", Role.ADMINISTRATOR)
    create_user(now, boss, "ewa.wiśniewska", PASSWORD, Role.OPERATOR, "ewa@demo.example")
    create_user(now, boss, VIEWER, PASSWORD, Role.VIEWER)
    user = invite_user(now, boss, "zofia.krawczyk", Role.OPERATOR, "zofia@demo.example")
    return "invitations/{}/{}".format(*invitation(user))


def main() -> None:
    """Fill the data folder that KEYMANAGER_DATA names; print the path of an invitation."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "keymanager.settings")
    import django

    django.setup()
    from licensing.models import ContactAttempt, ErpClient, VirtualKey

    chance, now = random.Random(SEED), datetime.now(UTC)
    write_use(chance, ErpClient.objects.values_list("pk", flat=True)[0], now)
    ContactAttempt.objects.bulk_create(contacts(chance, now), batch_size=500)
    # The keys were there all the time; the one with the wrong PIN has just been added.
    VirtualKey.objects.exclude(grant=None).update(added_at=now - timedelta(days=DAYS))
    print(invite_colleagues(now))


if __name__ == "__main__":
    main()
