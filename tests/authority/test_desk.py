"""The desk's rules: which message gets a code, and the reasons against it in the contract's order."""

import dataclasses
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from authority.desk import NoCode
from licensing.protocol import CodePack, proves, read_code, slot_of
from tests.authority.material import NOW, NUMBER, OTHER, Installation, Vendor, bind, message_of, renew
from tests.authority_process import DEMO_MODULES, module


def ask(vendor: Vendor, message: str, now: datetime = NOW) -> str:
    """The code, or the reason against it."""
    try:
        return vendor.application.desk.answer(message, now, "api")
    except NoCode as refusal:
        return refusal.reason


@pytest.fixture
def pack(vendor: Vendor, portal: Installation) -> CodePack:
    """The pack of an installation with two keys."""
    vendor.add_key(OTHER, pin="1111")
    return portal.pack(vendor.contact(portal, bind(), bind(OTHER, "1111")))


def test_todays_message_gets_the_code_that_the_pack_commits_to(vendor: Vendor, pack: CodePack) -> None:
    code = ask(vendor, message_of(pack, NOW))
    assert [len(box) for box in code.split("-")] == [4, 4, 4, 4]
    assert proves(pack, slot_of(NOW), read_code(code))


def test_case_spaces_and_look_alikes_do_not_matter(vendor: Vendor, pack: CodePack) -> None:
    message = message_of(pack, NOW, language="EN")
    plain = ask(vendor, message)
    typed = message.lower().replace("-", "  ").replace("0", "o").replace("1", "l")
    assert ask(vendor, f"  {typed} \n") == plain


def test_each_day_of_the_pack_has_its_own_code(vendor: Vendor, pack: CodePack) -> None:
    codes = set()
    for day in range(30):
        now = NOW + timedelta(days=day)
        code = ask(vendor, message_of(pack, now), now)
        assert proves(pack, slot_of(now), read_code(code))
        codes.add(code)
    assert len(codes) == 30
    late = NOW + timedelta(days=30)
    assert ask(vendor, message_of(pack, late), late) == "not_this_key"


def test_the_same_message_gets_the_same_code_again(vendor: Vendor, pack: CodePack) -> None:
    message = message_of(pack, NOW)
    assert ask(vendor, message) == ask(vendor, message, NOW + timedelta(hours=3))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda message: "",
        lambda message: message.removeprefix("ERP PL "),
        lambda message: message.replace("PL", "DE"),
        lambda message: message[:-1],
        lambda message: message + "0",
        lambda message: message[:-1] + ("0" if message[-1] != "0" else "2"),
        lambda message: message.replace("-", "_"),
        lambda message: message.replace("2JM1", "2JMU"),
    ],
)
def test_an_unreadable_message_is_mistyped(
    vendor: Vendor, pack: CodePack, spoil: Callable[[str], str]
) -> None:
    assert ask(vendor, spoil(message_of(pack, NOW))) == "mistyped"


def test_a_number_that_was_never_sold_is_unknown(vendor: Vendor, pack: CodePack) -> None:
    other = _changed(pack, keys={"5000000001": 1})
    assert ask(vendor, message_of(other, NOW)) == "unknown_key"


def test_a_message_that_no_pack_fits_is_not_this_key(vendor: Vendor, pack: CodePack) -> None:
    for changes in (
        {"installation": vendor.installation().key.id},
        {"pack": pack.pack + 1},
        {"challenge_key": bytes(32)},
        {"keys": {OTHER: 1}},
    ):
        assert ask(vendor, message_of(_changed(pack, **changes), NOW)) == "not_this_key"


def _changed(original: CodePack, **changes: object) -> CodePack:
    return dataclasses.replace(original, **changes)  # type: ignore[arg-type]


def test_a_superseded_pack_is_still_answered_for_its_holder(
    vendor: Vendor, portal: Installation, pack: CodePack
) -> None:
    now = NOW + timedelta(days=1)
    vendor.contact(portal, renew(1), renew(1, OTHER), now=now)
    assert proves(pack, slot_of(now), read_code(ask(vendor, message_of(pack, now), now)))


@pytest.mark.parametrize("days", [-3, -1, 1, 2])
def test_a_message_of_another_day_is_refused(vendor: Vendor, pack: CodePack, days: int) -> None:
    assert ask(vendor, message_of(pack, NOW + timedelta(days=days))) == "wrong_day"


def test_yesterdays_message_is_good_for_two_hours_after_midnight(vendor: Vendor, pack: CodePack) -> None:
    message = message_of(pack, NOW)
    midnight = datetime(2026, 11, 25, tzinfo=UTC)
    last = midnight + timedelta(hours=2) - timedelta(microseconds=1)
    code = ask(vendor, message, last)
    assert proves(pack, slot_of(NOW), read_code(code))
    assert ask(vendor, message, midnight + timedelta(hours=2)) == "wrong_day"


def test_both_days_may_be_answered_around_midnight(vendor: Vendor, pack: CodePack) -> None:
    midnight = datetime(2026, 11, 25, tzinfo=UTC)
    codes = {ask(vendor, message_of(pack, day), midnight) for day in (NOW, midnight)}
    assert len(codes) == 2
    assert all("-" in code for code in codes)


def test_one_suspended_key_stops_the_code_and_is_named(vendor: Vendor, pack: CodePack) -> None:
    vendor.suspend(OTHER)
    with pytest.raises(NoCode) as refusal:
        vendor.application.desk.answer(message_of(pack, NOW), NOW, "api")
    assert (refusal.value.reason, refusal.value.number) == ("suspended", OTHER)
    vendor.suspend(OTHER, suspended=False)
    assert "-" in ask(vendor, message_of(pack, NOW))


def test_a_key_under_suspicion_stops_the_code(vendor: Vendor, portal: Installation, pack: CodePack) -> None:
    vendor.contact(portal, renew(9, OTHER))
    assert ask(vendor, message_of(pack, NOW)) == "clone_suspected"


def test_a_key_that_left_the_installation_needs_contact(
    vendor: Vendor, portal: Installation, pack: CodePack
) -> None:
    vendor.contact(portal, release=[OTHER])
    assert ask(vendor, message_of(pack, NOW)) == "needs_contact"
    vendor.contact(vendor.installation(), bind(OTHER, "1111"))
    assert ask(vendor, message_of(pack, NOW)) == "needs_contact"


@pytest.mark.parametrize(
    ("modules", "outcome"),
    [
        (DEMO_MODULES[1:], "needs_contact"),
        ([module("HANDEL", 4), *DEMO_MODULES[1:]], "needs_contact"),
        ([*DEMO_MODULES[:3], module("SRODKI_TRWALE", 100)], "needs_contact"),
        ([module("HANDEL", 6), *DEMO_MODULES[1:]], "code"),
        ([module("HANDEL", None), *DEMO_MODULES[1:]], "code"),
        ([*DEMO_MODULES, module("CRM", 1)], "code"),
    ],
)
def test_a_key_that_lost_modules_or_seats_needs_contact_and_one_that_gained_does_not(
    vendor: Vendor, pack: CodePack, modules: list[dict[str, object]], outcome: str
) -> None:
    vendor.add_key(modules=modules)
    answer = ask(vendor, message_of(pack, NOW))
    assert ("code" if "-" in answer else answer) == outcome


def test_another_nonce_of_the_same_day_is_refused_in_whatever_pack(
    vendor: Vendor, portal: Installation, pack: CodePack
) -> None:
    first = message_of(pack, NOW)
    code = ask(vendor, first)
    assert ask(vendor, message_of(pack, NOW, nonce=8)) == "already_answered"
    vendor.add_key(modules=[*DEMO_MODULES, module("CRM", 1)])
    newer = portal.pack(vendor.contact(portal, renew(1), renew(1, OTHER)))
    assert newer.pack == 2
    assert ask(vendor, message_of(newer, NOW, nonce=9)) == "already_answered"
    assert ask(vendor, first) == code


def test_reasons_come_in_the_order_of_the_contract(
    vendor: Vendor, portal: Installation, pack: CodePack
) -> None:
    ask(vendor, message_of(pack, NOW))
    vendor.suspend(NUMBER)
    vendor.contact(portal, renew(9, OTHER))
    yesterday = message_of(pack, NOW - timedelta(days=1), nonce=8)
    today = message_of(pack, NOW, nonce=8)
    assert ask(vendor, yesterday) == "wrong_day"
    assert ask(vendor, today) == "suspended"
    vendor.suspend(NUMBER, suspended=False)
    vendor.reset(NUMBER)
    assert ask(vendor, today) == "clone_suspected"
    vendor.contact(portal, bind(OTHER, "1111"))
    assert ask(vendor, today) == "needs_contact"
    vendor.contact(portal, bind())
    assert ask(vendor, today) == "already_answered"


def test_the_log_tells_what_was_answered_but_no_code(vendor: Vendor, pack: CodePack) -> None:
    message = message_of(pack, NOW)
    code = ask(vendor, message)
    ask(vendor, "ERP PL what")
    vendor.suspend(OTHER)
    ask(vendor, message)
    entries = [(entry.number, entry.outcome) for entry in vendor.application.desk.entries()]
    assert entries == [(OTHER, "suspended"), (None, "mistyped"), (NUMBER, "answered")]
    assert code not in str(vendor.application.desk.entries())
