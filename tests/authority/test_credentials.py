"""Wrong credentials, and what stops guessing them without disturbing a key at work."""

import dataclasses
from datetime import timedelta
from hashlib import sha256

import pytest

from authority.credentials import locked_until
from authority.virtual_keys import find_key
from licensing.protocol import KeyRequest, sign_request
from tests.authority.material import NOW, NUMBER, OTHER, PIN, Installation, Vendor, bind, renew

DAY = timedelta(hours=24)


def lock_end(vendor: Vendor) -> object:
    with vendor.application.store.transaction() as tx:
        return locked_until(tx, NUMBER, NOW)


def guess(vendor: Vendor, who: Installation, times: int) -> list[str]:
    return [vendor.outcome(who, bind(pin="9999")) for _ in range(times)]


def test_unknown_number_wrong_customer_and_wrong_pin_are_told_alike(
    vendor: Vendor, portal: Installation
) -> None:
    asked = bind("5000012345"), bind(customer="654321"), bind(pin="0428")
    assert [vendor.outcome(portal, ask) for ask in asked] == ["wrong_credentials"] * 3


def test_credentials_of_another_request_installation_or_key_are_wrong(
    vendor: Vendor, portal: Installation
) -> None:
    vendor.add_key(OTHER)
    request, _ = portal.ask(bind())
    stolen = request.keys[0].credentials
    thief = vendor.installation()
    assert outcome_with(vendor, thief, NUMBER, stolen, request.request_id) == "wrong_credentials"
    assert outcome_with(vendor, portal, OTHER, stolen, request.request_id) == "wrong_credentials"
    assert outcome_with(vendor, portal, NUMBER, stolen, None) == "wrong_credentials"
    assert outcome_with(vendor, portal, NUMBER, "a..b.c.d", None) == "wrong_credentials"


@pytest.mark.parametrize(
    "sealed", ["", " ", "a b", "....", "ż.ż.ż.ż.ż", "a..b.c.d\n", "\x00", "{}", "a" * 5000]
)
def test_credentials_that_are_no_jwe_are_wrong_for_their_key_alone(
    vendor: Vendor, portal: Installation, sealed: str
) -> None:
    vendor.add_key(OTHER)
    request, _ = portal.ask(bind(OTHER))
    request = dataclasses.replace(request, keys=(KeyRequest(NUMBER, 0, sealed), *request.keys))
    answers = vendor.application.contact.answer(sign_request(request, portal.key), NOW).keys
    assert [answer.reason or answer.result for answer in answers] == ["wrong_credentials", "granted"]


def outcome_with(
    vendor: Vendor, who: Installation, number: str, sealed: str | None, request_id: str | None
) -> str:
    """The outcome of a request that carries credentials sealed for something else."""
    request, _ = who.ask(request_id=request_id)
    request = dataclasses.replace(request, keys=(KeyRequest(number, 0, sealed),))
    (answer,) = vendor.application.contact.answer(sign_request(request, who.key), NOW).keys
    return answer.reason or answer.result


def test_a_long_email_does_not_make_credentials_wrong(vendor: Vendor, portal: Installation) -> None:
    assert vendor.outcome(portal, bind(email="a" * 4084 + "@firma.pl")) == "granted"


def test_after_five_wrong_ones_an_installation_is_locked_out_for_24_hours(
    vendor: Vendor, portal: Installation
) -> None:
    assert guess(vendor, portal, 5) == ["wrong_credentials"] * 5
    assert lock_end(vendor) == NOW + DAY
    assert vendor.outcome(portal, bind()) == "locked"
    assert vendor.outcome(portal, bind(), now=NOW + DAY - timedelta(microseconds=1)) == "locked"
    assert vendor.outcome(portal, bind(), now=NOW + DAY) == "granted"


def test_a_lock_that_ran_out_gives_five_more_tries(vendor: Vendor, portal: Installation) -> None:
    guess(vendor, portal, 5)
    later = NOW + DAY
    tries = [vendor.outcome(portal, bind(pin="9999"), now=later) for _ in range(6)]
    assert tries == ["wrong_credentials"] * 5 + ["locked"]


def test_right_credentials_clear_the_count(vendor: Vendor, portal: Installation) -> None:
    guess(vendor, portal, 4)
    assert vendor.outcome(portal, bind()) == "granted"
    assert guess(vendor, portal, 4) == ["wrong_credentials"] * 4
    assert vendor.outcome(portal, bind(serial=1)) == "granted"


def test_a_lock_holds_for_the_installation_that_guessed_alone(vendor: Vendor, portal: Installation) -> None:
    guess(vendor, vendor.installation(), 6)
    assert vendor.outcome(portal, bind()) == "granted"


def test_twenty_wrong_ones_a_day_lock_the_key_for_every_newcomer(
    vendor: Vendor, portal: Installation
) -> None:
    for _ in range(5):
        guess(vendor, vendor.installation(), 4)
    assert vendor.outcome(portal, bind()) == "locked"
    assert vendor.outcome(portal, bind(), now=NOW + DAY) == "granted"


def test_nineteen_wrong_ones_in_a_day_lock_nobody_new(vendor: Vendor, portal: Installation) -> None:
    for count in (4, 4, 4, 4, 3):
        guess(vendor, vendor.installation(), count)
    assert lock_end(vendor) is None
    late = NOW + DAY
    assert vendor.outcome(vendor.installation(), bind(pin="9999"), now=late) == "wrong_credentials"
    assert vendor.outcome(portal, bind(), now=late) == "granted"


def test_a_key_at_work_is_never_disturbed_by_guesses_of_others(vendor: Vendor, portal: Installation) -> None:
    vendor.contact(portal, bind())
    for _ in range(6):
        guess(vendor, vendor.installation(), 5)
    assert vendor.outcome(vendor.installation(), bind()) == "locked", "not even the holder's name is told"
    assert vendor.outcome(portal, renew(1)) == "granted"
    assert vendor.outcome(portal, bind(serial=2)) == "granted", "it may even be bound anew"


def test_wrong_credentials_when_binding_anew_leave_the_binding(vendor: Vendor, portal: Installation) -> None:
    vendor.contact(portal, bind())
    assert guess(vendor, portal, 6)[-1] == "locked"
    assert vendor.outcome(portal, renew(1)) == "granted"


def test_an_unknown_number_locks_as_a_known_one_does(vendor: Vendor, portal: Installation) -> None:
    outcomes = [vendor.outcome(portal, bind("5000012345")) for _ in range(6)]
    assert outcomes == ["wrong_credentials"] * 5 + ["locked"]


def test_a_repeated_request_counts_once(vendor: Vendor, portal: Installation) -> None:
    for _ in range(4):
        _, jws = portal.ask(bind(pin="9999"))
        for _ in range(5):
            (answer,) = vendor.application.contact.answer(jws, NOW).keys
            assert answer.reason == "wrong_credentials"
    assert vendor.outcome(portal, bind()) == "granted"


def test_a_reset_clears_every_lock(vendor: Vendor, portal: Installation) -> None:
    for _ in range(4):
        guess(vendor, vendor.installation(), 5)
    guess(vendor, portal, 5)
    vendor.reset()
    assert lock_end(vendor) is None
    assert vendor.outcome(portal, bind()) == "granted"


def test_the_database_alone_does_not_tell_a_pin(vendor: Vendor) -> None:
    with vendor.application.store.transaction() as tx:
        key = find_key(tx, NUMBER)
    assert key is not None
    guesses = {f"{NUMBER}|123456|{PIN}", f"123456|{PIN}", PIN}
    assert key.credentials not in guesses | {sha256(guess.encode()).hexdigest() for guess in guesses}
