"""A portal and a real authority between which time passes as a test says."""

import dataclasses
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings

from licensing.models import ContactState, VirtualKey
from licensing.operations.actors import COMMAND
from licensing.operations.clock import Reading, clock_record, portal_time
from licensing.operations.contact import contact_if_due, contact_now
from licensing.operations.contact_reports import ContactReport
from licensing.operations.entitlements import Entitlement, entitlements
from licensing.operations.installation import ensure_installation, installation_key
from licensing.operations.keys import add_key
from licensing.operations.machine import machine
from licensing.protocol.answers import verify_answer
from licensing.protocol.keys import InstallationKey
from licensing.protocol.messages import (
    ContactAnswer,
    ContactRequest,
    Credentials,
    InstallationInfo,
    KeyAnswer,
    KeyRequest,
)
from licensing.protocol.requests import seal_credentials, sign_request
from tests.authority_process import RunningAuthority

BOOTED_AT = datetime(2026, 1, 1, tzinfo=UTC)
KEY, CUSTOMER, PIN = "5000006622", "123456", "0427"


def no_jitter(low: float, high: float) -> float:
    """The middle, in place of chance."""
    return (low + high) / 2


@dataclass
class Link:
    """The portal of this process, in contact with `authority`; both clocks move together."""

    authority: RunningAuthority
    uniform: Callable[[float, float], float] = no_jitter
    _passed: timedelta = timedelta(0)
    _ahead: timedelta = timedelta(0)

    def local(self) -> datetime:
        """What the portal's own computer takes for the time."""
        return datetime.now(UTC) + self._passed + self._ahead

    def reading(self) -> Reading:
        """The clocks of the portal's own computer: nobody sets the one that counts from its boot."""
        wall = self.local()
        return Reading(wall, wall - self._ahead - BOOTED_AT, "a boot", "a node")

    def now(self) -> datetime:
        """Portal time."""
        return portal_time(clock_record(), self.reading())

    def vendor_time(self) -> datetime:
        """The authority's time."""
        return datetime.now(UTC) + self._passed

    def wait(self, **span: float) -> None:
        """Let time pass, at both ends."""
        self._passed += timedelta(**span)
        self.authority.move_clock(self._passed.total_seconds())

    def wait_until(self, hour: int, minute: int = 0) -> None:
        """Let time pass until it is next that time of the day, in UTC."""
        now = self.vendor_time()
        then = now.replace(hour=hour, minute=minute, second=0, microsecond=0)
        self.wait(seconds=(then - now) % timedelta(days=1) / timedelta(seconds=1))

    def set_local_clock(self, ahead: timedelta) -> None:
        """Set the clock of the portal's computer wrong."""
        self._ahead = ahead

    def contact(self) -> ContactReport:
        """Contact the vendor as the command does."""
        return contact_now(self.now, COMMAND, "command", uniform=self.uniform, pause=_impatient)

    def tick(self) -> ContactReport | None:
        """What the worker does each minute."""
        return contact_if_due(self.now, uniform=self.uniform, pause=_impatient)

    def add(self, number: str = KEY, customer: str = CUSTOMER, pin: str = PIN) -> ContactReport:
        """Add a key and contact the vendor."""
        add_key(self.now(), COMMAND, number, customer, pin)
        return self.contact()

    def code(self, message: str) -> str:
        """What the vendor's desk answers to an activation message: the code, or the reason against one."""
        answer = self.authority.request("POST", "/desk/answer", json={"message": message}).json()
        return str(answer["code"])

    def key(self, number: str = KEY) -> VirtualKey:
        """The key's row as it now is."""
        return VirtualKey.objects.get(number=number)

    def held(self, number: str = KEY) -> Entitlement:
        """What the vendor's words give on the key now."""
        return entitlements()[number]

    def state(self) -> ContactState:
        """The schedule's row as it now is."""
        return ContactState.objects.get(pk=1)

    def next_in_minutes(self) -> float:
        """Minutes until the schedule's next contact."""
        return round((self.state().next_at - self.now()).total_seconds() / 60, 1)


def _impatient(seconds: float) -> None:
    raise AssertionError("nobody else is in contact here")


def link_to(authority: RunningAuthority, **changes: Any) -> Link:
    """Make the installation of this process and point it to the authority; the fixture puts settings back."""
    settings.KEYMANAGER = dataclasses.replace(
        settings.KEYMANAGER, authority_url=authority.url, authority_jwks=authority.jwks_path, **changes
    )
    link = Link(authority)
    ensure_installation(link.now())
    return link


@dataclass
class OtherPortal:
    """Another Key Manager, as far as the vendor sees one: a key pair, a machine, the serials it holds."""

    authority: RunningAuthority
    name: str = "SRV-OTHER"
    machine: str = "sha256:" + "0" * 64
    key: InstallationKey = field(default_factory=InstallationKey.generate)
    serials: dict[str, int] = field(default_factory=dict)

    def contact(
        self, number: str = KEY, *, customer: str = CUSTOMER, pin: str | None = None, release: bool = False
    ) -> KeyAnswer | None:
        """Ask for a key (with its credentials, if a PIN is given) or release it; what the vendor says."""
        request_id = str(uuid.uuid4())
        who = InstallationInfo(self.key.id, self.name, self.machine, "1.0.0")
        credentials = None
        if pin is not None:
            sealed = Credentials(request_id, self.key.id, number, customer, pin, None)
            credentials = seal_credentials(sealed, self.authority.keys)
        keys = () if release else (KeyRequest(number, self.serials.get(number, 0), credentials),)
        released = (number,) if release else ()
        request = ContactRequest(request_id, datetime.now(UTC), who, keys, released)
        answer = self.send(request)
        if answer.keys and answer.keys[0].grant:
            self.serials[number] = int(self.authority.state(number)["serial"])  # type: ignore[call-overload]
        return answer.keys[0] if answer.keys else None

    def send(self, request: ContactRequest) -> ContactAnswer:
        """Send a request and read the answer as a portal does."""
        jws = sign_request(request, self.key)
        response = self.authority.post("/v1/contact", jws)
        assert response.status_code == 200, response.text
        return verify_answer(response.text, self.authority.keys, request, jws)


def copy_of_this_portal(authority: RunningAuthority, number: str = KEY) -> OtherPortal:
    """A copy of this portal's data folder that runs elsewhere, as if on the same machine."""
    serial = VirtualKey.objects.get(number=number).serial
    return OtherPortal(authority, "COPY", machine(), installation_key(), {number: serial})
