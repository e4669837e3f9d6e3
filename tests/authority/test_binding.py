"""Binding, granting, refusing and releasing keys, in the order of the contract."""

from datetime import timedelta

import pytest

from tests.authority.material import (
    NOW,
    NUMBER,
    OTHER,
    OTHER_MACHINE,
    Installation,
    Vendor,
    bind,
    renew,
)
from tests.authority_process import module


def test_right_credentials_bind_an_unbound_key_and_grant_its_modules(
    vendor: Vendor, portal: Installation
) -> None:
    answer = vendor.contact(portal, bind())
    grant = portal.grant(answer.keys[0])
    assert answer.answered_at == NOW
    assert (grant.serial, grant.customer, grant.issued_at) == (1, "123456", NOW)
    assert grant.valid_until == NOW + timedelta(hours=72)
    assert [(given.code, given.seats) for given in grant.modules] == [
        ("HANDEL", 5),
        ("KASA", 5),
        ("FAKTURY", 3),
        ("SRODKI_TRWALE", None),
    ]


def test_a_bound_key_is_granted_again_without_credentials(vendor: Vendor, portal: Installation) -> None:
    assert vendor.serial(portal, bind()) == 1
    assert vendor.serial(portal, renew(1)) == 2
    assert vendor.serial(portal, renew(2)) == 3


def test_an_unbound_key_is_not_given_without_credentials(vendor: Vendor, portal: Installation) -> None:
    assert vendor.outcome(portal, renew(0)) == "not_bound"
    assert vendor.outcome(portal, renew(0, "5000099999")) == "not_bound"


def test_a_key_active_elsewhere_names_its_holder_only_after_right_credentials(
    vendor: Vendor, portal: Installation
) -> None:
    stranger = vendor.installation("SRV-NEW")
    vendor.contact(portal, bind())
    (known,) = vendor.contact(stranger, bind()).keys
    (unknown,) = vendor.contact(stranger, renew(1)).keys
    (wrong,) = vendor.contact(stranger, bind(pin="9999")).keys
    assert (known.reason, known.active_on) == ("active_elsewhere", "SRV-ERP")
    assert (unknown.reason, unknown.active_on) == ("active_elsewhere", None)
    assert (wrong.reason, wrong.active_on) == ("wrong_credentials", None)


def test_the_holder_is_named_as_it_called_itself_last(vendor: Vendor, portal: Installation) -> None:
    vendor.contact(portal, bind())
    portal.name = "SRV-RENAMED"
    vendor.contact(portal, renew(1))
    assert vendor.contact(vendor.installation(), bind()).keys[0].active_on == "SRV-RENAMED"


def test_a_suspended_key_is_refused_with_and_without_credentials_and_comes_back(
    vendor: Vendor, portal: Installation
) -> None:
    vendor.contact(portal, bind())
    vendor.suspend()
    assert vendor.outcome(portal, renew(1)) == "suspended"
    assert vendor.outcome(portal, bind()) == "suspended"
    assert vendor.outcome(portal, bind(pin="9999")) == "wrong_credentials"
    assert vendor.outcome(vendor.installation(), bind()) == "suspended"
    vendor.suspend(suspended=False)
    assert vendor.serial(portal, renew(1)) == 2


def test_a_suspended_unbound_key_is_not_bound_by_credentials(vendor: Vendor, portal: Installation) -> None:
    vendor.suspend()
    assert vendor.outcome(portal, bind()) == "suspended"
    vendor.suspend(suspended=False)
    assert vendor.outcome(portal, renew(0)) == "not_bound"


def test_a_copy_on_another_machine_is_refused_until_bound_anew(vendor: Vendor, portal: Installation) -> None:
    vendor.contact(portal, bind())
    copy = Installation(vendor.keys, "SRV-COPY", OTHER_MACHINE, portal.key)
    assert vendor.outcome(copy, renew(1)) == "machine_changed"
    assert vendor.serial(portal, renew(1)) == 2, "the first goes on"
    assert vendor.serial(copy, bind(serial=1)) == 3
    assert vendor.outcome(portal, renew(2)) == "machine_changed"
    assert vendor.serial(copy, renew(3)) == 4


def test_suspended_comes_before_machine_changed(vendor: Vendor, portal: Installation) -> None:
    vendor.contact(portal, bind())
    vendor.suspend()
    portal.machine = OTHER_MACHINE
    assert vendor.outcome(portal, renew(1)) == "suspended"


def test_binding_anew_takes_any_serial(vendor: Vendor, portal: Installation) -> None:
    vendor.contact(portal, bind())
    assert vendor.serial(portal, bind(serial=77)) == 2
    assert vendor.serial(portal, bind(serial=0)) == 3


def test_a_released_key_is_free_for_another_installation(vendor: Vendor, portal: Installation) -> None:
    vendor.contact(portal, bind())
    answer = vendor.contact(portal, release=[NUMBER])
    assert answer.released == (NUMBER,)
    assert vendor.outcome(portal, renew(1)) == "not_bound"
    assert vendor.serial(vendor.installation(), bind()) == 2, "serials never go back"


@pytest.mark.parametrize("machine", ["sha256:" + "ee" * 32, "cluster:ERP"])
def test_a_release_from_another_machine_does_nothing(
    vendor: Vendor, portal: Installation, machine: str
) -> None:
    vendor.contact(portal, bind())
    copy = Installation(vendor.keys, "COPY", machine, portal.key)
    assert vendor.contact(copy, release=[NUMBER]).released == (NUMBER,)
    assert vendor.serial(portal, renew(1)) == 2


def test_a_strangers_release_does_nothing_and_is_told_as_done(vendor: Vendor, portal: Installation) -> None:
    vendor.contact(portal, bind())
    answer = vendor.contact(vendor.installation(), release=[NUMBER, "5000099999"])
    assert answer.released == (NUMBER, "5000099999")
    assert vendor.serial(portal, renew(1)) == 2


def test_a_key_released_and_asked_for_in_one_request_is_released_first(
    vendor: Vendor, portal: Installation
) -> None:
    vendor.contact(portal, bind())
    plain = vendor.contact(portal, renew(1), release=[NUMBER])
    assert plain.keys[0].reason == "not_bound"
    again = vendor.contact(portal, bind(serial=1), release=[NUMBER])
    assert portal.grant(again.keys[0]).serial == 2


def test_a_reset_key_is_free_and_its_serial_goes_on(vendor: Vendor, portal: Installation) -> None:
    vendor.contact(portal, bind())
    vendor.reset()
    assert vendor.outcome(portal, renew(1)) == "not_bound"
    assert vendor.serial(vendor.installation(), bind()) == 2


def test_each_key_of_a_contact_is_answered_by_itself(vendor: Vendor, portal: Installation) -> None:
    vendor.add_key(OTHER, pin="1111")
    answers = vendor.contact(portal, bind(), bind(OTHER, "2222"), bind("5000070000")).keys
    outcomes = [answer.reason or answer.result for answer in answers]
    assert [answer.number for answer in answers] == [NUMBER, OTHER, "5000070000"]
    assert outcomes == ["granted", "wrong_credentials", "wrong_credentials"]


def test_new_modules_come_with_the_next_grant_and_binding_stays(vendor: Vendor, portal: Installation) -> None:
    vendor.contact(portal, bind())
    vendor.add_key(pin="1234", modules=[module("CRM", 0, expires_on="2027-01-31")])
    (given,) = portal.grant(vendor.contact(portal, renew(1)).keys[0]).modules
    assert (given.code, given.seats, str(given.expires_on)) == ("CRM", 0, "2027-01-31")
    assert vendor.outcome(portal, bind(pin="0427")) == "wrong_credentials", "the old PIN is replaced"
    assert vendor.outcome(portal, bind(pin="1234")) == "granted"
