"""What a portal would say to the authority, and an authority without its network, told what time it is."""

import json
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from authority.application import Application, open_application
from authority.exchange import Request
from licensing.protocol import (
    AuthorityKeys,
    CodePack,
    ContactAnswer,
    ContactRequest,
    Credentials,
    Grant,
    InstallationInfo,
    InstallationKey,
    KeyAnswer,
    KeyRequest,
    format_message,
    make_challenge,
    seal_credentials,
    sign_request,
    slot_of,
    verify_code_pack,
    verify_grant,
)
from tests.authority_process import DEMO_MODULES, Modules

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
NUMBER = "5000006622"
OTHER = "5000006623"
PIN = "0427"
MACHINE = "sha256:" + "ab" * 32
OTHER_MACHINE = "sha256:" + "cd" * 32


@dataclass(frozen=True)
class Ask:
    """One key in a contact: by credentials if `pin` is given, else as one that is active already."""

    number: str = NUMBER
    serial: int = 0
    pin: str | None = None
    customer: str = "123456"
    email: str = "admin@firma.pl"


def bind(
    number: str = NUMBER,
    pin: str = PIN,
    *,
    serial: int = 0,
    customer: str = "123456",
    email: str = "admin@firma.pl",
) -> Ask:
    return Ask(number, serial, pin, customer, email)


def renew(serial: int, number: str = NUMBER) -> Ask:
    return Ask(number, serial)


@dataclass
class Installation:
    """A portal as the authority sees it."""

    authority: AuthorityKeys
    name: str = "SRV-ERP"
    machine: str = MACHINE
    key: InstallationKey = field(default_factory=InstallationKey.generate)

    def ask(
        self, *asked: Ask, release: Iterable[str] = (), request_id: str | None = None
    ) -> tuple[ContactRequest, str]:
        """A request and its signed form."""
        request_id = request_id or str(uuid.uuid4())
        request = ContactRequest(
            request_id=request_id,
            sent_at=NOW,
            installation=InstallationInfo(self.key.id, self.name, self.machine, "1.0.0"),
            keys=tuple(KeyRequest(ask.number, ask.serial, self._sealed(request_id, ask)) for ask in asked),
            release=tuple(release),
        )
        return request, sign_request(request, self.key)

    def _sealed(self, request_id: str, ask: Ask) -> str | None:
        if ask.pin is None:
            return None
        given = Credentials(request_id, self.key.id, ask.number, ask.customer, ask.pin, ask.email)
        return seal_credentials(given, self.authority)

    def grant(self, answer: KeyAnswer) -> Grant:
        """The grant in an answer about a key."""
        assert answer.grant is not None, answer
        return verify_grant(answer.grant, self.authority, installation=self.key.id, key=answer.number)

    def pack(self, answer: ContactAnswer) -> CodePack:
        """The code pack in an answer."""
        assert answer.codes is not None
        return verify_code_pack(answer.codes, self.authority, installation=self.key.id)


def message_of(pack: CodePack, now: datetime, nonce: int = 7, *, language: str = "PL") -> str:
    """The message that the holder of a pack sends on a day."""
    challenge = make_challenge(
        installation=pack.installation,
        lowest_key=pack.lowest_key,
        pack=pack.pack,
        slot=slot_of(now),
        nonce=nonce,
        challenge_key=pack.challenge_key,
    )
    return format_message(language, challenge)


class Vendor:
    """The authority's rules over a data folder of their own."""

    def __init__(self, tmp_path: Path, *, control: bool = True) -> None:
        self.folder = tmp_path / "authority"
        self.application: Application = open_application(self.folder, control=control)
        self.keys = self.application.vault.keys.public()

    def installation(self, name: str = "SRV-ERP", machine: str = MACHINE) -> Installation:
        return Installation(self.keys, name, machine)

    def contact(
        self, who: Installation, *asked: Ask, release: Iterable[str] = (), now: datetime = NOW
    ) -> ContactAnswer:
        """A contact with a request of its own."""
        return self.application.contact.answer(who.ask(*asked, release=release)[1], now)

    def outcome(self, who: Installation, ask: Ask, now: datetime = NOW) -> str:
        """`granted`, or the reason against it, for a contact about one key."""
        (answer,) = self.contact(who, ask, now=now).keys
        return answer.reason or answer.result

    def serial(self, who: Installation, ask: Ask, now: datetime = NOW) -> int:
        """The serial of the grant that a contact about one key brings."""
        (answer,) = self.contact(who, ask, now=now).keys
        return who.grant(answer).serial

    def add_key(
        self,
        number: str = NUMBER,
        *,
        customer: str = "123456",
        pin: str = PIN,
        modules: Modules = DEMO_MODULES,
    ) -> None:
        self.control("keys", {"number": number, "customer": customer, "pin": pin, "modules": list(modules)})

    def control(self, path: str, members: Mapping[str, object] | None = None) -> None:
        """Does what `POST /_control/<path>` does."""
        request = Request(
            "POST", f"/_control/{path}", {}, json.dumps(members or {}).encode(), from_loopback=True
        )
        response = self.application.handle(request)
        assert response.status == 200, response.body

    def suspend(self, number: str = NUMBER, suspended: bool = True) -> None:
        self.control(f"keys/{number}/suspend", {"suspended": suspended})

    def reset(self, number: str = NUMBER) -> None:
        self.control(f"keys/{number}/reset")

    def close(self) -> None:
        self.application.store.close()
