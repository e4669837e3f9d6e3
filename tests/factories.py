"""Makes what a test stands on: a portal with keys that a real authority granted, and ERP clients.

Grants are signed by a vendor of the tests' own, whose public keys are pinned in a file as in a deployment.
"""

import dataclasses
import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path

from django.conf import settings

from licensing.models import ErpClient, Installation, KeyState, VirtualKey
from licensing.operations.clock import clock_record, clocks, portal_time
from licensing.operations.installation import bump_version, ensure_installation
from licensing.operations.lease_values import CheckoutRequest, HeldLease, LeaseCall, Program
from licensing.operations.leases import Checkout, apply_grant, checkout, heartbeat, return_leases
from licensing.operations.machine import machine
from licensing.protocol.grants import sign_grant, verify_grant
from licensing.protocol.keys import AuthoritySecrets
from licensing.protocol.messages import Grant, GrantedModule

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
KEY = "5000006622"
OTHER_KEY = "5000006623"
_counter = itertools.count(1)


@cache
def vendor_secrets() -> AuthoritySecrets:
    """The secrets of the vendor of the tests: one set for the whole run."""
    return AuthoritySecrets.generate()


def module(
    code: str = "HANDEL",
    seats: int | None = 5,
    *,
    expires_on: date | None = None,
    warranty_until: date | None = None,
) -> GrantedModule:
    """A module as a grant gives it."""
    return GrantedModule(code, {"pl": f"{code} pl", "en": f"{code} en"}, seats, expires_on, warranty_until)


@dataclass
class Portal:
    """An installation whose keys were granted by the vendor of the tests."""

    installation: str
    serials: dict[str, int] = field(default_factory=dict)

    def grant(
        self,
        number: str,
        modules: Iterable[GrantedModule],
        issued_at: datetime = NOW,
        life: timedelta = timedelta(hours=72),
    ) -> str:
        """The vendor's next signed grant of a key to this installation."""
        self.serials[number] = serial = self.serials.get(number, 0) + 1
        grant = Grant(
            key=number,
            customer="123456",
            installation=self.installation,
            serial=serial,
            issued_at=issued_at,
            valid_until=issued_at + life,
            modules=tuple(modules),
        )
        return sign_grant(grant, vendor_secrets())

    def accept(
        self,
        number: str,
        modules: Iterable[GrantedModule],
        now: datetime = NOW,
        life: timedelta = timedelta(hours=72),
    ) -> VirtualKey:
        """Store a new grant of the key as an accepted contact does; a key that is not here yet is added."""
        jws = self.grant(number, modules, now, life)
        held = {
            "state": KeyState.ACTIVE,
            "grant": jws,
            "serial": self.serials[number],
            "bound_machine": machine(),
            "last_contact_at": now,
        }
        key, _ = VirtualKey.objects.update_or_create(
            number=number,
            defaults=held,
            create_defaults={**held, "customer": "123456", "added_at": now},
        )
        keys = vendor_secrets().public()
        apply_grant(key, verify_grant(jws, keys, installation=self.installation, key=number), now)
        return key


def pin_vendor(folder: Path) -> None:
    """Pin the public keys of the tests' vendor in the settings of this process, by a file in `folder`."""
    path = folder / "authority-jwks.json"
    path.write_text(vendor_secrets().public().to_json())
    settings.KEYMANAGER = dataclasses.replace(settings.KEYMANAGER, authority_jwks=path)


def make_portal(folder: Path, now: datetime = NOW) -> Portal:
    """An installation without keys. Use the fixture `portal`, which puts the settings back."""
    pin_vendor(folder)
    ensure_installation(now)
    bump_version()
    return Portal(Installation.objects.get(pk=1).thumbprint)


def make_client(name: str | None = None, now: datetime = NOW) -> ErpClient:
    """An ERP client whose token nobody knows."""
    number = next(_counter)
    return ErpClient.objects.create(
        name=name or f"ERP {number}", token_sha256=f"{number:064x}", created_at=now, networks=[]
    )


def request(client: ErpClient, *modules: str, **changes: object) -> CheckoutRequest:
    """A checkout of these modules by one user on one workstation."""
    values: dict[str, object] = {
        "client_id": client.pk,
        "modules": modules or ("HANDEL",),
        "optional": (),
        "workstation": "PC-017",
        "user": "anna.nowak",
        "program": Program("ERP Optima", "2026.5.1", date(2026, 9, 1)),
    }
    return CheckoutRequest(**(values | changes))  # type: ignore[arg-type]


def take(client: ErpClient, *modules: str, now: datetime = NOW, **changes: object) -> HeldLease:
    """A lease of these modules, just given."""
    (outcome,) = checkout([request(client, *modules, **changes)], now)
    if not isinstance(outcome, Checkout):
        raise outcome
    return outcome.lease


def beat(client: ErpClient, lease: HeldLease, now: datetime) -> HeldLease:
    """The lease after a heartbeat; a refusal is raised."""
    (outcome,) = heartbeat([LeaseCall(client.pk, lease.id)], now)
    if not isinstance(outcome, HeldLease):
        raise outcome
    return outcome


def give_back(client: ErpClient, lease: HeldLease, now: datetime) -> None:
    """Return the lease; a refusal is raised."""
    (outcome,) = return_leases([LeaseCall(client.pk, lease.id)], now)
    if outcome is not None:
        raise outcome


def clock_offset() -> timedelta:
    """How far portal time is ahead of the wall clock now."""
    reading = clocks()
    return portal_time(clock_record(), reading) - reading.wall
