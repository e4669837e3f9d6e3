"""Activation without a network: the challenge, the vendor's desk, and what is accepted of its codes."""

import json
import re
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings as django_settings
from django.db import IntegrityError, connection, transaction

from authority.folder import SECRETS_FILE, Vault
from authority.packs import code_of
from licensing.models import (
    Challenge,
    Event,
    HeldCodePack,
    Installation,
    OfflineActivation,
    Role,
    SlotAttempts,
    VirtualKey,
)
from licensing.operations.activation import activate_offline, offline_challenge
from licensing.operations.actors import Actor
from licensing.operations.answers import KeyLine
from licensing.operations.entitlements import entitlements
from licensing.operations.errors import Refused
from licensing.operations.keys import add_key
from licensing.operations.lease_values import LeaseCall
from licensing.operations.leases import Checkout, checkout, heartbeat
from licensing.operations.status import status
from licensing.protocol.codes import read_code, reorderings
from licensing.protocol.encoding import encode_bytes
from licensing.protocol.errors import Mistyped
from licensing.protocol.packs import verify_code_pack
from licensing.protocol.slots import slot_end, slot_of
from licensing.protocol.symbols import ALPHABET, group
from tests.authority_process import module
from tests.factories import make_client, request, take
from tests.vendor_link import KEY, Link

OPERATOR = Actor("olga", Role.OPERATOR)
OTHER = "5000006623"


@pytest.fixture
def dark(link: Link) -> Link:
    """An active key, and a vendor out of reach since: it is 08:00."""
    link.wait_until(8)
    link.add()
    link.authority.mode("refuse")
    return link


def code_for(link: Link, language: str = "PL") -> str:
    return link.code(offline_challenge(link.now(), language).message)


def enter(link: Link, code: str) -> Any:
    return activate_offline(link.now(), OPERATOR, code, "sms")


def refusal(call: Callable[..., object], *args: Any) -> Refused:
    with pytest.raises(Refused) as refused:
        call(*args)
    return refused.value


def about(left: datetime, right: datetime) -> bool:
    return abs(left - right) < timedelta(seconds=10)


# --- the challenge ---------------------------------------------------------------------------------------


def test_the_message_is_one_short_sms(dark: Link) -> None:
    challenge = offline_challenge(dark.now(), "PL")
    assert re.fullmatch(r"ERP PL ([0-9A-Z]{4}-){6}[0-9A-Z]{4}", challenge.message)
    assert offline_challenge(dark.now(), "en").message.startswith("ERP EN ")
    assert (challenge.keys, challenge.codes_left, challenge.attempts_left) == ((KEY,), 30, 10)
    assert challenge.valid_until == slot_end(slot_of(dark.now())) + timedelta(hours=2)


def test_the_nonce_is_drawn_once_for_a_pack_and_day(dark: Link) -> None:
    first = offline_challenge(dark.now(), "PL").message
    dark.wait(hours=3)
    assert offline_challenge(dark.now(), "PL").message == first
    dark.wait(days=1)
    assert offline_challenge(dark.now(), "PL").message != first
    assert Challenge.objects.count() == 2


def test_an_installation_that_was_never_in_contact_has_no_pack(link: Link) -> None:
    assert refusal(offline_challenge, link.now(), "PL").code == "no_pack"
    assert refusal(enter, link, "SZ20-1PT6-J6XY-XDCK").code == "no_pack"
    assert refusal(enter, link, "SZ20-1PT6-J6XY-XDCJ").code == "mistyped", "told before anything else"


def test_a_pack_has_codes_for_30_days(dark: Link) -> None:
    dark.wait(days=29)
    assert offline_challenge(dark.now(), "PL").codes_left == 1
    dark.wait(days=1)
    assert refusal(offline_challenge, dark.now(), "PL").code == "pack_used_up"


def test_a_pack_edited_by_hand_is_none(dark: Link) -> None:
    HeldCodePack.objects.update(jws=HeldCodePack.objects.get().jws[:-4] + "AAAA")
    assert refusal(offline_challenge, dark.now(), "PL").code == "no_pack"


# --- renewing --------------------------------------------------------------------------------------------


def test_a_code_renews_every_module_for_72_hours_from_its_entry(dark: Link) -> None:
    dark.wait(hours=70)
    renewal = enter(dark, code_for(dark))
    assert about(renewal.valid_until, dark.now() + timedelta(hours=72))
    assert renewal.keys == {KEY: renewal.valid_until}
    assert dark.held().contact_deadline == renewal.valid_until
    assert renewal.codes_left == 26


def test_a_lease_lives_on_after_a_renewal_and_carries_the_proof(dark: Link) -> None:
    client = make_client()
    dark.wait(hours=71, minutes=50)
    lease = take(client, "HANDEL", now=dark.now())
    assert about(lease.expires_at, dark.now() + timedelta(minutes=10))
    code = code_for(dark)
    enter(dark, code)
    (after,) = heartbeat([LeaseCall(client.pk, lease.id)], dark.now())
    assert not isinstance(after, Refused)
    assert about(after.expires_at, dark.now() + timedelta(minutes=30))
    proof = after.keys[KEY].activation
    assert proof is not None
    assert (proof.slot, group(proof.code)) == (slot_of(dark.now()), code)


def test_what_stopped_for_want_of_contact_works_again_after_a_code(dark: Link) -> None:
    client = make_client()
    dark.wait(hours=73)
    (outcome,) = checkout([request(client, "HANDEL")], dark.now())
    assert isinstance(outcome, Refused)
    assert outcome.code == "contact_lost"
    enter(dark, code_for(dark))
    (outcome,) = checkout([request(client, "HANDEL")], dark.now())
    assert isinstance(outcome, Checkout)


def test_a_code_on_each_of_the_following_days_renews_again(dark: Link) -> None:
    for day in range(1, 4):
        dark.wait(days=1)
        assert enter(dark, code_for(dark)).codes_left == 29 - day
        assert about(dark.held().contact_deadline, dark.now() + timedelta(hours=72))


def test_a_code_asked_late_at_night_is_accepted_after_midnight_until_two(dark: Link) -> None:
    dark.wait_until(23, 50)
    code, midnight = code_for(dark), slot_end(slot_of(dark.now()))
    dark.wait(minutes=20)
    assert enter(dark, code).valid_until == midnight + timedelta(hours=72)


def test_the_last_challenge_of_a_pack_is_shown_and_answered_until_two(dark: Link) -> None:
    dark.wait(days=29, hours=15, minutes=50)
    last = offline_challenge(dark.now(), "PL")
    dark.wait(minutes=20)
    assert offline_challenge(dark.now(), "PL") == last
    assert enter(dark, code_for(dark)).codes_left == 0
    assert refusal(offline_challenge, dark.now(), "PL").code == "pack_used_up"


def test_the_last_challenge_of_a_pack_is_not_shown_after_two(dark: Link) -> None:
    dark.wait(days=29, hours=18)
    assert refusal(offline_challenge, dark.now(), "PL").code == "pack_used_up"


def test_the_last_challenge_of_a_pack_is_not_shown_once_its_attempts_are_used_up(dark: Link) -> None:
    dark.wait(days=29, hours=15, minutes=50)
    slot = offline_challenge(dark.now(), "PL").slot
    SlotAttempts.objects.create(slot=slot, attempts=10)
    dark.wait(minutes=20)
    assert refusal(offline_challenge, dark.now(), "PL").code == "pack_used_up"


def test_a_code_of_yesterday_is_wrong_after_two(dark: Link) -> None:
    dark.wait_until(23, 50)
    code = code_for(dark)
    dark.wait(hours=2, minutes=11)
    assert refusal(enter, dark, code).code == "wrong_code"


def test_yesterdays_code_is_not_accepted_after_todays(dark: Link) -> None:
    dark.wait_until(23, 50)
    yesterdays = code_for(dark)
    dark.wait(minutes=20)
    enter(dark, code_for(dark))
    assert refusal(enter, dark, yesterdays).code == "already_used"


def test_a_renewal_never_brings_a_deadline_forward(link: Link) -> None:
    link.wait_until(8)
    link.add()
    deadline = link.held().contact_deadline
    code = code_for(link)
    enter(link, code)
    assert link.held().contact_deadline >= deadline
    link.wait_until(23, 55)
    link.contact()
    deadline = link.held().contact_deadline
    link.wait(minutes=10)
    assert link.held().contact_deadline == deadline


def test_a_renewal_is_written_down_with_who_and_how(dark: Link) -> None:
    enter(dark, code_for(dark))
    event = Event.objects.get(kind="activated_offline")
    assert (event.actor, event.data["channel"], event.data["keys"]) == ("olga", "sms", [KEY])


def test_a_viewer_may_not_activate(dark: Link) -> None:
    code = code_for(dark)
    viewer = Actor("wanda", Role.VIEWER)
    assert refusal(activate_offline, dark.now(), viewer, code, "sms").code == "not_permitted"


def test_a_code_renews_only_the_keys_of_its_pack(dark: Link) -> None:
    add_key(dark.now(), Actor("anna", Role.ADMINISTRATOR), OTHER, "123456", "1111")
    assert enter(dark, code_for(dark)).keys.keys() == {KEY}


def test_an_older_code_keeps_its_worth_for_a_key_that_a_newer_pack_leaves_out(link: Link) -> None:
    link.wait_until(8)
    link.authority.add_key(OTHER, pin="1111", modules=[module("KADRY", 2)])
    link.add()
    link.add(OTHER, pin="1111")
    link.wait(hours=30)
    proven = enter(link, code_for(link)).valid_until
    link.authority.suspend(OTHER)
    link.wait(hours=22)
    link.contact()
    link.authority.mode("refuse")
    link.wait(hours=5)
    enter(link, code_for(link))
    assert about(link.held().contact_deadline, link.now() + timedelta(hours=72))
    assert link.held(OTHER).contact_deadline == proven


# --- refusals --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "code", ["", "ABC", "2F57-3P3V-1234-123", "!!!!-3P3V-1234-1234", "SZ20-1PT6-J6XY-XDCJ"]
)
def test_a_mistyped_code_is_told_and_not_counted(dark: Link, code: str) -> None:
    assert refusal(enter, dark, code).code == "mistyped"
    assert offline_challenge(dark.now(), "PL").attempts_left == 10


def test_a_single_slip_is_told_as_mistyped(dark: Link) -> None:
    code = code_for(dark)
    other = ALPHABET[(ALPHABET.index(code[0]) + 1) % 32]
    assert refusal(enter, dark, other + code[1:]).code == "mistyped"


def test_a_code_may_be_typed_in_any_case_with_letters_for_digits(dark: Link) -> None:
    code = code_for(dark)
    assert (
        enter(dark, f"  {code.lower().replace('0', 'o').replace('1', 'l').replace('-', ' ')} ").codes_left
        == 29
    )


def test_the_same_code_again_is_told_as_used(dark: Link) -> None:
    code = code_for(dark)
    enter(dark, code)
    assert refusal(enter, dark, code).code == "already_used"
    assert OfflineActivation.objects.count() == 1
    assert offline_challenge(dark.now(), "PL").used


def test_boxes_in_another_order_are_told_as_such(dark: Link) -> None:
    code = code_for(dark)
    swapped = next(order for order in reorderings(code.replace("-", "")) if _reads(order))
    assert refusal(enter, dark, swapped).code == "wrong_order"
    enter(dark, code)


def _reads(code: str) -> bool:
    try:
        return bool(read_code(code))
    except Mistyped:
        return False


WRONG = "SZ20-1PT6-J6XY-XDCK"


def test_another_installations_code_is_wrong(dark: Link) -> None:
    refused = refusal(enter, dark, WRONG)
    assert (refused.code, refused.data["attempts_left"]) == ("wrong_code", 9)


def test_the_code_of_a_superseded_pack_is_wrong(dark: Link) -> None:
    code = code_for(dark)
    dark.authority.add_key(modules=[module("HANDEL", 7)])
    dark.authority.mode("ok")
    dark.contact()
    assert HeldCodePack.objects.get().pack == 2
    assert refusal(enter, dark, code).code == "wrong_code"


def test_after_ten_wrong_codes_only_the_next_day_helps(dark: Link) -> None:
    code = code_for(dark)
    for _ in range(10):
        assert refusal(enter, dark, WRONG).code == "wrong_code"
    assert refusal(enter, dark, code).code == "too_many_attempts"
    assert offline_challenge(dark.now(), "PL").attempts_left == 0
    dark.wait(days=1)
    enter(dark, code_for(dark))


def test_a_suspended_or_shrunk_key_gets_no_code_at_the_desk(dark: Link) -> None:
    message = offline_challenge(dark.now(), "PL").message
    dark.authority.suspend(KEY)
    assert dark.code(message) == "suspended"
    dark.authority.suspend(KEY, suspended=False)
    dark.authority.add_key(modules=[module("HANDEL", 1)])
    assert dark.code(message) == "needs_contact"
    dark.authority.reset(KEY)
    assert dark.code(message) == "needs_contact"


# --- what the database can and cannot give ---------------------------------------------------------------


def test_an_activation_edited_by_hand_proves_nothing_beyond_its_slot(dark: Link) -> None:
    dark.wait(hours=70)
    enter(dark, code_for(dark))
    slot = OfflineActivation.objects.get().slot
    OfflineActivation.objects.update(activated_at=dark.now() + timedelta(days=300))
    assert dark.held().contact_deadline == slot_end(slot) + timedelta(hours=72)
    OfflineActivation.objects.update(slot=slot + 1)
    assert dark.held().contact_deadline == dark.held().grant.valid_until
    OfflineActivation.objects.update(slot=slot, code="ABCDEFGHJKMNPQRS")
    assert dark.held().contact_deadline == dark.held().grant.valid_until
    OfflineActivation.objects.update(code="ż" * 16)
    assert dark.held().contact_deadline == dark.held().grant.valid_until
    OfflineActivation.objects.update(pack_jws="edited")
    assert dark.held().contact_deadline == dark.held().grant.valid_until


def everything_stored() -> str:
    """Whatever the portal keeps, each sealed value opened as whoever has the key file can."""
    kept = []
    for model in apps.get_models():
        for row in model.objects.values():
            kept += [repr(row), *(value.hex() for value in row.values() if isinstance(value, bytes))]
    kept += [path.read_text(errors="replace") for path in django_settings.KEYMANAGER.data.glob("*.key")]
    return "".join(kept)


def test_nothing_stored_holds_a_code_that_was_not_revealed(dark: Link) -> None:
    revealed = code_for(dark)
    enter(dark, revealed)
    stored = everything_stored()
    private = json.loads(Installation.objects.get().private_key)["d"]
    assert private in stored, "what is sealed was opened"
    vault = Vault.from_json((dark.authority.folder / SECRETS_FILE).read_bytes())
    held = HeldCodePack.objects.get()
    owner = Installation.objects.get().thumbprint
    pack = verify_code_pack(held.jws, dark.authority.keys, installation=owner)
    codes = [code_of(vault, pack, pack.first_slot + day) for day in range(30)]
    assert group(codes[0]) == revealed
    assert codes[0] in stored, "a code that was entered is kept: it is the proof"
    assert not [code for code in codes[1:] if code[:15] in stored]
    for secret in (vault.codes, vault.digests):
        assert not any(form in stored for form in (secret.hex(), encode_bytes(secret), repr(secret)[2:-1]))


def test_attempts_are_limited_by_the_database_itself(dark: Link) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        SlotAttempts.objects.create(slot=1, attempts=11)


def test_a_pack_that_is_bad_or_not_newer_is_left_aside(dark: Link) -> None:
    held = HeldCodePack.objects.get()
    dark.authority.mode("ok")
    dark.wait(minutes=5)
    assert dark.contact().lines == (KeyLine(KEY, "granted"),)
    again = HeldCodePack.objects.get()
    assert (again.pack, again.jws, again.received_at) == (held.pack, held.jws, held.received_at)


def test_the_pack_names_the_keys_with_their_serials(dark: Link) -> None:
    held = HeldCodePack.objects.get()
    installation = dark.held().grant.installation
    pack = verify_code_pack(held.jws, dark.authority.keys, installation=installation)
    assert dict(pack.keys) == {KEY: VirtualKey.objects.get().serial}


def test_the_light_follows_a_renewal(dark: Link) -> None:
    dark.wait(hours=73)
    assert status(dark.now()).light == "red"
    enter(dark, code_for(dark))
    assert "contact_lost" not in status(dark.now()).reasons
    assert entitlements()[KEY].activation is not None


# --- two at once -----------------------------------------------------------------------------------------


def at_once(*calls: Callable[[], object]) -> list[object]:
    """The outcomes of calls made by threads that start together; a refusal counts by its code."""
    outcomes: list[object] = []
    gate = threading.Barrier(len(calls))

    def run(call: Callable[[], object]) -> None:
        gate.wait()
        try:
            outcomes.append(call())
        except Refused as refused:
            outcomes.append(refused.code)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


@pytest.mark.django_db(transaction=True)
def test_the_right_code_entered_by_two_at_once_renews_once(dark: Link) -> None:
    code = code_for(dark)
    outcomes = at_once(*[lambda: enter(dark, code)] * 4)
    assert sorted(map(str, outcomes))[1:] == ["already_used"] * 3
    assert Event.objects.filter(kind="activated_offline").count() == 1


@pytest.mark.django_db(transaction=True)
def test_guesses_made_at_once_are_ten_in_all(dark: Link) -> None:
    for _ in range(7):
        refusal(enter, dark, WRONG)
    outcomes = at_once(*[lambda: enter(dark, WRONG)] * 6)
    assert sorted(map(str, outcomes)) == ["too_many_attempts"] * 3 + ["wrong_code"] * 3


@pytest.mark.django_db(transaction=True)
def test_a_nonce_drawn_by_two_at_once_is_one(dark: Link) -> None:
    messages = at_once(*[lambda: offline_challenge(dark.now(), "PL").message] * 4)
    assert len(set(messages)) == 1
