"""Serials: lost answers are forgiven, two copies of one installation are found out."""

import json
import random
from dataclasses import dataclass
from datetime import timedelta

from licensing.protocol import ContactAnswer, ContactRequest, decode_bytes
from tests.authority.material import NOW, NUMBER, OTHER_MACHINE, Ask, Installation, Vendor, bind, renew
from tests.authority_process import module


def test_lost_answers_are_forgiven_however_many(vendor: Vendor, portal: Installation) -> None:
    vendor.contact(portal, bind())
    assert [vendor.serial(portal, renew(1)) for _ in range(5)] == [2, 3, 4, 5, 6]
    assert vendor.serial(portal, renew(6)) == 7
    assert [vendor.serial(portal, renew(6)) for _ in range(3)] == [8, 9, 10]


def test_a_serial_older_than_the_last_reported_one_betrays_a_copy(
    vendor: Vendor, portal: Installation
) -> None:
    vendor.contact(portal, bind())
    vendor.contact(portal, renew(1))
    vendor.contact(portal, renew(2))
    assert vendor.outcome(portal, renew(1)) == "clone_suspected"


def test_a_serial_that_was_given_but_lies_between_betrays_a_copy(
    vendor: Vendor, portal: Installation
) -> None:
    vendor.contact(portal, bind())
    vendor.contact(portal, renew(1))
    vendor.contact(portal, renew(1))
    assert vendor.outcome(portal, renew(2)) == "clone_suspected"


def test_a_serial_never_given_betrays_a_copy(vendor: Vendor, portal: Installation) -> None:
    vendor.contact(portal, bind())
    assert vendor.outcome(portal, renew(9)) == "clone_suspected"


def test_suspicion_holds_for_both_copies_until_one_is_bound_anew(
    vendor: Vendor, portal: Installation
) -> None:
    vendor.contact(portal, bind())
    vendor.contact(portal, renew(1))
    assert vendor.outcome(portal, renew(0)) == "clone_suspected"
    assert vendor.outcome(portal, renew(2)) == "clone_suspected"
    assert vendor.serial(portal, bind(serial=2)) == 3
    assert vendor.serial(portal, renew(3)) == 4


def test_the_other_copy_is_suspected_at_once_after_binding_anew(vendor: Vendor, portal: Installation) -> None:
    vendor.contact(portal, bind())
    vendor.contact(portal, bind(serial=1))
    assert vendor.outcome(portal, renew(1)) == "clone_suspected"


def test_a_suspected_key_stays_bound_when_it_is_released_without_credentials(
    vendor: Vendor, portal: Installation
) -> None:
    vendor.contact(portal, bind())
    vendor.outcome(portal, renew(9))
    assert vendor.contact(portal, release=[NUMBER]).released == (NUMBER,)
    newcomer = vendor.installation()
    assert vendor.outcome(newcomer, bind()) == "active_elsewhere"
    vendor.contact(portal, bind())
    vendor.contact(portal, release=[NUMBER])
    assert vendor.outcome(newcomer, bind()) == "granted"


def test_a_reset_ends_suspicion(vendor: Vendor, portal: Installation) -> None:
    vendor.contact(portal, bind())
    vendor.outcome(portal, renew(9))
    vendor.reset()
    assert vendor.outcome(portal, renew(1)) == "not_bound"
    assert vendor.serial(portal, bind()) == 2


def test_a_copy_on_another_machine_makes_nobody_suspected(vendor: Vendor, portal: Installation) -> None:
    vendor.contact(portal, bind())
    copy = Installation(vendor.keys, "COPY", OTHER_MACHINE, portal.key)
    assert vendor.outcome(copy, renew(0)) == "machine_changed"
    assert vendor.serial(portal, renew(1)) == 2


def test_a_suspended_key_does_not_mistake_its_installation_for_a_copy(
    vendor: Vendor, portal: Installation
) -> None:
    vendor.contact(portal, bind())
    vendor.contact(portal, renew(1))
    vendor.suspend()
    assert vendor.outcome(portal, renew(1)) == "suspended"
    vendor.suspend(suspended=False)
    assert vendor.serial(portal, renew(1)) == 3


@dataclass
class Copy:
    """A portal that keeps its open request, and loses some of the answers."""

    vendor: Vendor
    who: Installation
    chance: random.Random
    serial: int = 0
    lost_share: float = 0.2
    open_request: tuple[ContactRequest, str] | None = None
    contacts: int = 0
    refusal: str | None = None

    def contact(self, number_of: int) -> None:
        """One attempt: the open request again, or a new one; one in a hundred is given up."""
        if self.open_request is None or self.chance.random() < 0.01:
            self.open_request = self.who.ask(renew(self.serial) if self.serial else bind())
        now = NOW + timedelta(minutes=number_of)
        answer = self.vendor.application.contact.answer(self.open_request[1], now)
        self.contacts += 1
        if self.chance.random() >= self.lost_share:
            self._accept(answer)

    def _accept(self, answer: ContactAnswer) -> None:
        self.open_request = None
        (key,) = answer.keys
        self.refusal = key.reason
        if key.grant is not None:
            # Whether the grant verifies is another test's matter, and would take most of the time here.
            payload = json.loads(decode_bytes(key.grant.split(".")[1]))
            self.serial = max(self.serial, payload["serial"])


def test_ten_thousand_contacts_with_a_fifth_of_the_answers_lost_raise_no_suspicion(
    vendor: Vendor, portal: Installation
) -> None:
    vendor.add_key(modules=[module("HANDEL", 5)])
    # Ten thousand forced writes would take most of the time, and durability is another test's matter.
    vendor.application.store._connection.execute("PRAGMA synchronous = OFF")
    honest = Copy(vendor, portal, random.Random(4711))
    for number in range(10_000):
        honest.contact(number)
        assert honest.refusal is None, number
    assert honest.serial > 7_000


def test_two_copies_are_found_at_the_second_contact_of_the_less_busy_one_at_the_latest(
    vendor: Vendor, portal: Installation
) -> None:
    chance = random.Random(4712)
    for _ in range(50):
        first = Copy(vendor, portal, chance, lost_share=0)
        first.contact(0)
        for number in range(chance.randrange(1, 5)):
            first.contact(number)
        second = Copy(vendor, portal, chance, serial=first.serial, lost_share=0)
        busy, idle = chance.sample([first, second], 2)
        idle_contacts = 0
        while not (busy.refusal or idle.refusal):
            for _ in range(chance.randrange(1, 4)):
                busy.contact(1)
            idle.contact(1)
            idle_contacts += 1
        assert "clone_suspected" in (busy.refusal, idle.refusal)
        assert idle_contacts <= 2
        vendor.contact(portal, Ask(NUMBER, 0, "0427"))
