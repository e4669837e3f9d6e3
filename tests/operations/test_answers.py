"""Answers: accepted as a whole or not, each grant, pack and key set in them judged by itself."""

import dataclasses
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from licensing.models import (
    ContactState,
    Event,
    HeldCodePack,
    Installation,
    OpenRequest,
    Role,
    VirtualKey,
)
from licensing.operations.actors import Actor
from licensing.operations.answers import KeyLine
from licensing.operations.authority_keys import authority_keys
from licensing.operations.contact_reports import ContactReport
from licensing.operations.entitlements import entitlements
from licensing.operations.errors import Refused
from licensing.operations.files import export_request, import_answer
from licensing.operations.keys import add_key, remove_key
from licensing.operations.requests import current_request
from licensing.operations.status import status
from licensing.protocol.answers import sign_answer, sign_key_set
from licensing.protocol.grants import GRANT_LIFE, sign_grant
from licensing.protocol.keys import AuthorityKeys, AuthoritySecrets
from licensing.protocol.messages import CodePack, ContactAnswer, Grant, KeyAnswer
from licensing.protocol.packs import PACK_SLOTS, sign_code_pack
from licensing.protocol.requests import request_sha256
from licensing.protocol.slots import slot_of
from tests.factories import KEY, NOW, OTHER_KEY, Portal, clock_offset, module, vendor_secrets

ADMIN = Actor("anna", Role.ADMINISTRATOR)
OPERATOR = Actor("olga", Role.OPERATOR)
# What programs write where a time is not set, or never comes.
DAWN = datetime(1, 1, 1, tzinfo=UTC)
NEVER = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)


@dataclass
class Desk:
    """The vendor's desk in the hands of the test: it answers whatever the test wants."""

    portal: Portal
    secrets: AuthoritySecrets

    def grant(self, number: str, serial: int, **changes: Any) -> str:
        """A grant for this installation, with what the test changes in it."""
        grant = Grant(
            number, "123456", self.portal.installation, serial, NOW, NOW + timedelta(hours=72), (module(),)
        )
        return sign_grant(dataclasses.replace(grant, **changes), self.secrets)

    def pack(self, number: int, secrets: AuthoritySecrets | None = None) -> str:
        """A code pack for this installation."""
        pack = CodePack(
            self.portal.installation,
            number,
            NOW,
            {KEY: 1},
            b"k" * 32,
            slot_of(NOW),
            (b"c" * 32,) * PACK_SLOTS,
        )
        return sign_code_pack(pack, secrets or self.secrets)

    def answer(self, *keys: KeyAnswer, secrets: AuthoritySecrets | None = None, **changes: Any) -> str:
        """An answer to the open request."""
        asked = current_request()
        assert asked is not None
        answer = ContactAnswer(
            request_id=asked.request.request_id,
            request_sha256=request_sha256(asked.jws),
            installation=self.portal.installation,
            answered_at=NOW,
            keys=keys,
            released=asked.request.release,
        )
        return sign_answer(dataclasses.replace(answer, **changes), secrets or self.secrets)

    def bring(self, *keys: KeyAnswer, **changes: Any) -> ContactReport:
        """Export the request, answer it, and import the answer."""
        export_request(NOW, OPERATOR)
        return import_answer(NOW, OPERATOR, self.answer(*keys, **changes))


@pytest.fixture
def desk(portal: Portal) -> Desk:
    return Desk(portal, vendor_secrets())


def add(*numbers: str) -> None:
    for number in numbers:
        add_key(NOW, ADMIN, number, "123456", "0427")


def granted(desk: Desk, number: str = KEY, serial: int = 1, **changes: Any) -> KeyAnswer:
    return KeyAnswer(number, "granted", grant=desk.grant(number, serial, **changes))


def refusal(answer: str) -> str:
    with pytest.raises(Refused) as refused:
        import_answer(NOW, OPERATOR, answer)
    assert str(refused.value.detail)
    return refused.value.code


# --- each grant by itself --------------------------------------------------------------------------------


BAD_GRANTS: Mapping[str, tuple[Mapping[str, Any], str]] = {
    "another installation's": ({"installation": "A" * 43}, "wrong_message"),
    "another key's": ({"key": "5000009999"}, "wrong_message"),
    "longer than 72 h": ({"valid_until": NOW + timedelta(hours=73)}, "malformed"),
    "without any time": ({"valid_until": NOW}, "malformed"),
    "of the calendar's first day": ({"issued_at": DAWN, "valid_until": DAWN + GRANT_LIFE}, "malformed"),
    "until the calendar's last second": (
        {"issued_at": NEVER - GRANT_LIFE, "valid_until": NEVER},
        "malformed",
    ),
}


@pytest.mark.parametrize("name", BAD_GRANTS)
def test_a_bad_grant_leaves_the_others_good(desk: Desk, name: str) -> None:
    changes, reason = BAD_GRANTS[name]
    add(KEY, OTHER_KEY)
    report = desk.bring(granted(desk, **changes), granted(desk, OTHER_KEY))
    assert report.lines == (KeyLine(KEY, "unusable", reason), KeyLine(OTHER_KEY, "granted"))
    assert list(entitlements()) == [OTHER_KEY]
    assert Event.objects.get(kind="grant_unusable").subject == KEY


def test_a_grant_signed_by_a_stranger_is_left_aside(desk: Desk) -> None:
    add(KEY)
    stranger = Desk(desk.portal, AuthoritySecrets.generate())
    report = desk.bring(KeyAnswer(KEY, "granted", grant=stranger.grant(KEY, 1)))
    assert report.lines == (KeyLine(KEY, "unusable", "bad_signature"),)
    assert entitlements() == {}


def test_a_grant_that_is_not_newer_than_the_one_held_is_left_aside(desk: Desk) -> None:
    add(KEY)
    desk.bring(granted(desk, serial=5))
    assert desk.bring(granted(desk, serial=4)).lines == (KeyLine(KEY, "unusable", "wrong_message"),)
    assert desk.bring(granted(desk, serial=5, modules=(module(seats=99),))).lines[0].result == "unusable"
    assert entitlements()[KEY].grant.serial == 5


def test_the_same_grant_again_is_good(desk: Desk) -> None:
    add(KEY)
    grant = granted(desk, serial=5)
    desk.bring(grant)
    assert desk.bring(grant).lines == (KeyLine(KEY, "granted"),)


def test_a_result_that_cannot_be_read_leaves_the_others_good(desk: Desk) -> None:
    add(KEY, OTHER_KEY)
    unreadable = KeyAnswer(KEY, "refused", reason="a reason of a later version")
    report = desk.bring(unreadable, granted(desk, OTHER_KEY))
    assert report.lines == (KeyLine(KEY, "unusable", "malformed"), KeyLine(OTHER_KEY, "granted"))


def test_a_past_grant_is_accepted_and_a_new_contact_is_due_at_once(desk: Desk) -> None:
    add(KEY)
    past = NOW - timedelta(hours=80)
    desk.bring(granted(desk, serial=3, issued_at=past, valid_until=past + timedelta(hours=72)))
    assert entitlements()[KEY].grant.serial == 3
    assert status(NOW).reasons == ("contact_lost",)
    assert ContactState.objects.get().next_at == NOW


# --- the answer as a whole -------------------------------------------------------------------------------


def test_an_answer_signed_by_a_stranger_changes_nothing(desk: Desk) -> None:
    add(KEY)
    export_request(NOW, OPERATOR)
    assert refusal(desk.answer(granted(desk), secrets=AuthoritySecrets.generate())) == "forged"
    assert OpenRequest.objects.exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"request_id": str(uuid.uuid4())},
        {"request_sha256": "A" * 43},
        {"installation": "A" * 43},
        {"keys": ()},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_an_answer_to_something_else_changes_nothing(desk: Desk, changes: Mapping[str, Any]) -> None:
    add(KEY)
    export_request(NOW, OPERATOR)
    assert refusal(desk.answer(granted(desk), **changes)) == "wrong_answer"
    assert OpenRequest.objects.exists()
    assert entitlements() == {}


@pytest.mark.parametrize("answered_at", [DAWN, NEVER])
def test_an_answer_whose_time_is_at_an_end_of_the_calendar_changes_nothing(
    desk: Desk, answered_at: datetime
) -> None:
    add(KEY)
    export_request(NOW, OPERATOR)
    assert refusal(desk.answer(granted(desk), answered_at=answered_at)) == "answer_damaged"
    assert OpenRequest.objects.exists()
    assert clock_offset() == timedelta(0)


@pytest.mark.parametrize("text", ["", "hello", "a.b.c", "ż"])
def test_what_is_no_answer_at_all_is_told_as_such(desk: Desk, text: str) -> None:
    add(KEY)
    export_request(NOW, OPERATOR)
    assert refusal(text) == "answer_damaged"


def test_an_answer_pasted_with_white_space_around_is_taken(desk: Desk) -> None:
    add(KEY)
    export_request(NOW, OPERATOR)
    assert import_answer(NOW, OPERATOR, f"\ufeff  \n{desk.answer(granted(desk))}\r\n ").is_ok


# --- code packs and key sets -----------------------------------------------------------------------------


def test_the_newest_pack_is_kept(desk: Desk) -> None:
    add(KEY)
    desk.bring(granted(desk), codes=desk.pack(2))
    desk.bring(granted(desk, serial=2), codes=desk.pack(7))
    assert HeldCodePack.objects.get().pack == 7
    report = desk.bring(granted(desk, serial=3), codes=desk.pack(6))
    assert (report.lines[0].result, HeldCodePack.objects.get().pack) == ("granted", 7)


def test_a_pack_that_does_not_verify_leaves_the_answer_good(desk: Desk) -> None:
    add(KEY)
    report = desk.bring(granted(desk), codes=desk.pack(3, AuthoritySecrets.generate()))
    assert report.lines == (KeyLine(KEY, "granted"),)
    assert not HeldCodePack.objects.exists()


def test_a_held_pack_edited_by_hand_gives_way_to_any(desk: Desk) -> None:
    add(KEY)
    desk.bring(granted(desk), codes=desk.pack(2))
    HeldCodePack.objects.update(pack=900, jws="edited")
    desk.bring(granted(desk, serial=2), codes=desk.pack(3))
    assert HeldCodePack.objects.get().pack == 3


def key_set(by: AuthoritySecrets, of: AuthorityKeys, after: int) -> str:
    return sign_key_set(of, NOW + timedelta(minutes=after), by)


def test_the_vendor_changes_its_keys_by_an_answer(desk: Desk) -> None:
    add(KEY)
    new = AuthoritySecrets.generate()
    jwks = key_set(vendor_secrets(), new.public(), 1)
    signed_anew = KeyAnswer(KEY, "granted", grant=Desk(desk.portal, new).grant(KEY, 1))
    assert desk.bring(signed_anew, jwks=jwks).lines == (KeyLine(KEY, "granted"),)
    assert authority_keys() == new.public()
    assert list(entitlements()) == [KEY]
    assert Event.objects.filter(kind="authority_keys_changed").count() == 1


def test_a_grant_signed_by_a_key_just_retired_is_asked_for_anew_at_once(desk: Desk) -> None:
    add(KEY)
    jwks = key_set(vendor_secrets(), AuthoritySecrets.generate().public(), 1)
    ContactState.objects.update(next_at=NOW + timedelta(hours=1))
    assert desk.bring(granted(desk), jwks=jwks).lines == (KeyLine(KEY, "unusable", "bad_signature"),)
    assert ContactState.objects.get().next_at == NOW


def test_key_sets_form_a_chain_of_which_each_is_signed_by_the_one_before(desk: Desk) -> None:
    add(KEY)
    second, third = AuthoritySecrets.generate(), AuthoritySecrets.generate()
    desk.bring(granted(desk), jwks=key_set(vendor_secrets(), second.public(), 1))
    later = Desk(desk.portal, second)
    later.bring(granted(later, serial=2), jwks=key_set(second, third.public(), 2))
    assert authority_keys() == third.public()
    assert len(Installation.objects.get().authority_key_set.split()) == 2


def test_a_key_set_that_is_older_or_a_strangers_is_left_aside(desk: Desk) -> None:
    add(KEY)
    newer = AuthorityKeys((*vendor_secrets().public().keys, *AuthoritySecrets.generate().public().keys))
    older = AuthorityKeys((*vendor_secrets().public().keys, *AuthoritySecrets.generate().public().keys))
    stranger = AuthoritySecrets.generate()
    desk.bring(granted(desk), jwks=key_set(vendor_secrets(), newer, 5))
    desk.bring(granted(desk, serial=2), jwks=key_set(vendor_secrets(), older, 4))
    desk.bring(granted(desk, serial=3), jwks=key_set(stranger, stranger.public(), 9))
    assert authority_keys() == newer


def test_a_key_set_written_into_the_database_by_hand_is_not_believed(desk: Desk) -> None:
    stranger = AuthoritySecrets.generate()
    Installation.objects.update(authority_key_set=key_set(stranger, stranger.public(), 1))
    assert authority_keys() == vendor_secrets().public()


def test_the_last_good_key_file_is_used_while_it_is_being_replaced(desk: Desk, settings: Any) -> None:
    path = settings.KEYMANAGER.authority_jwks
    good = authority_keys()
    path.write_text("half a fi")
    assert authority_keys() == good
    path.unlink()
    assert authority_keys() == good


def test_without_a_key_file_nothing_is_asked_and_that_is_told(desk: Desk, settings: Any) -> None:
    add(KEY)
    settings.KEYMANAGER = dataclasses.replace(settings.KEYMANAGER, authority_jwks=None)
    with pytest.raises(Refused) as refused:
        export_request(NOW, OPERATOR)
    assert refused.value.code == "authority_keys_missing"
    assert entitlements() == {}


def test_the_longest_name_of_another_key_manager_is_kept(desk: Desk) -> None:
    add(KEY)
    name = "Ż" * 255
    report = desk.bring(KeyAnswer(KEY, "refused", reason="active_elsewhere", active_on=name))
    assert report.lines == (KeyLine(KEY, "refused", "active_elsewhere", name),)
    assert VirtualKey.objects.get().active_on == name


# --- by hand ---------------------------------------------------------------------------------------------


def test_a_request_file_is_the_request_alone_on_one_line(desk: Desk) -> None:
    add(KEY)
    exported = export_request(NOW, OPERATOR)
    assert exported.filename == "contact-request-2026-11-24.kmreq"
    assert exported.text == OpenRequest.objects.get().jws + "\n"
    assert not exported.replaces_earlier


def test_exporting_again_gives_the_same_request(desk: Desk) -> None:
    add(KEY)
    first = export_request(NOW, OPERATOR)
    again = export_request(NOW + timedelta(days=3), OPERATOR)
    assert (again.text, again.replaces_earlier) == (first.text, False)


@pytest.mark.parametrize("change", ["added", "removed", "moved"])
def test_exporting_after_a_change_makes_a_new_request_and_says_so(
    desk: Desk, change: str, settings: Any, tmp_path: Any
) -> None:
    add(KEY)
    export_request(NOW, OPERATOR)
    earlier = desk.answer(granted(desk))
    if change == "added":
        add(OTHER_KEY)
    elif change == "removed":
        remove_key(NOW, ADMIN, KEY)
    else:
        path = tmp_path / "other"
        path.write_text("another machine\n")
        settings.KEYMANAGER = dataclasses.replace(settings.KEYMANAGER, machine_id_file=path)
    assert export_request(NOW, OPERATOR).replaces_earlier
    assert refusal(earlier) == "wrong_answer"
    assert Event.objects.get(kind="request_given_up").data["reason"] == "changed"


def test_there_is_nothing_to_export_without_a_key(desk: Desk) -> None:
    with pytest.raises(Refused) as refused:
        export_request(NOW, OPERATOR)
    assert refused.value.code == "nothing_to_ask"


def test_an_answer_is_imported_once(desk: Desk) -> None:
    add(KEY)
    export_request(NOW, OPERATOR)
    answer = desk.answer(granted(desk))
    import_answer(NOW, OPERATOR, answer)
    assert refusal(answer) == "no_open_request"
    assert Event.objects.filter(kind="answer_imported").count() == 1


def test_an_answer_from_a_file_teaches_no_clock(desk: Desk) -> None:
    add(KEY)
    desk.bring(granted(desk), answered_at=NOW - timedelta(hours=48))
    assert clock_offset() == timedelta(0)


def test_an_on_line_answer_held_back_and_brought_as_a_file_teaches_no_clock(desk: Desk) -> None:
    add(KEY)
    export_request(NOW, OPERATOR)
    # As a request that was sent once on-line, and never exported.
    OpenRequest.objects.update(exported_at=None, sendings=1)
    answer = desk.answer(granted(desk), answered_at=NOW)
    before = clock_offset()
    assert import_answer(NOW + timedelta(hours=48), OPERATOR, answer).is_ok
    assert clock_offset() - before == timedelta(0)


def test_a_removed_key_is_released_by_file(desk: Desk) -> None:
    add(KEY)
    desk.bring(granted(desk))
    remove_key(NOW, ADMIN, KEY)
    assert desk.bring().lines == (KeyLine(KEY, "released"),)
    assert status(NOW).release_pending == ()


def test_a_viewer_may_neither_export_nor_import(desk: Desk) -> None:
    viewer = Actor("wanda", Role.VIEWER)
    for call in (lambda: export_request(NOW, viewer), lambda: import_answer(NOW, viewer, "")):
        with pytest.raises(Refused) as refused:
            call()
        assert refused.value.code == "not_permitted"


def numbers(lines: Iterable[KeyLine]) -> list[str]:
    return [line.number for line in lines]


def test_an_answer_about_a_key_removed_since_brings_nothing(desk: Desk) -> None:
    add(KEY, OTHER_KEY)
    export_request(NOW, OPERATOR)
    answer = desk.answer(granted(desk), granted(desk, OTHER_KEY))
    remove_key(NOW, ADMIN, KEY)
    report = import_answer(NOW, OPERATOR, answer)
    assert numbers(report.lines) == [KEY, OTHER_KEY]
    assert list(entitlements()) == [OTHER_KEY]
    assert status(NOW).release_pending == (KEY,)
