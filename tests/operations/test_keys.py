"""Virtual keys: adding, editing, binding anew, removing, and what each refusal of the vendor does."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from licensing.models import Event, PendingRelease, Role, VirtualKey
from licensing.operations.actors import Actor
from licensing.operations.answers import KeyLine
from licensing.operations.errors import Refused
from licensing.operations.keys import add_key, edit_key, rebind_key, remove_key, waits_for_binding
from licensing.operations.lease_values import HeldLease, LeaseCall
from licensing.operations.leases import look
from licensing.operations.machine import machine
from licensing.operations.status import status
from tests.authority_process import module
from tests.factories import make_client, take
from tests.vendor_link import CUSTOMER, KEY, PIN, Link, OtherPortal, copy_of_this_portal

ADMIN = Actor("anna", Role.ADMINISTRATOR)
OTHER = "5000006623"


def move_to_another_computer(settings: Any, tmp_path: Path) -> None:
    """Run on from here on as a copy of the data folder on another computer does."""
    path = tmp_path / "other-machine-id"
    path.write_text("another\n")
    settings.KEYMANAGER = dataclasses.replace(settings.KEYMANAGER, machine_id_file=path)


def refusal(call: Any, *args: Any, **kwargs: Any) -> Refused:
    with pytest.raises(Refused) as refused:
        call(*args, **kwargs)
    return refused.value


def lease_of(link: Link) -> Callable[[], HeldLease]:
    """Take a lease; the call returned looks at it as it then is."""
    client = make_client(now=link.now())
    lease = take(client, "HANDEL", now=link.now())
    return lambda: look(LeaseCall(client.pk, lease.id), link.now())


# --- adding ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("number", "500000662"),
        ("number", "4000006622"),
        ("number", "50000٠6622"),
        ("number", "50000066221"),
        ("customer", ""),
        ("customer", "12a"),
        ("customer", "1" * 21),
        ("pin", "042"),
        ("pin", "04275"),
        ("pin", "٠٤٢٧"),
        ("email", "no-address"),
        ("email", "a" * 241 + "@firma.example"),
    ],
)
def test_add_refuses_a_field_of_the_wrong_shape_with_a_sentence_for_it(
    link: Link, field: str, value: str
) -> None:
    values = {"number": KEY, "customer": CUSTOMER, "pin": PIN, "email": "jan@firma.example", field: value}
    refused = refusal(add_key, link.now(), ADMIN, **values)
    assert refused.code == "validation_failed"
    assert list(refused.data["errors"]) == [field]
    assert not VirtualKey.objects.exists()


def test_add_strips_what_was_typed_around(link: Link) -> None:
    key = add_key(link.now(), ADMIN, f" {KEY} ", " 123456", "0427 ", " jan@firma.example ")
    assert (key.number, key.customer, key.email) == (KEY, "123456", "jan@firma.example")


def test_the_longest_email_is_sent_to_the_vendor(link: Link) -> None:
    email = "a" * 240 + "@firma.example"
    assert add_key(link.now(), ADMIN, KEY, CUSTOMER, PIN, email).email == email
    assert link.contact().lines == (KeyLine(KEY, "granted"),)


def test_add_refuses_a_number_that_is_already_here(link: Link) -> None:
    add_key(link.now(), ADMIN, KEY, CUSTOMER, PIN)
    assert refusal(add_key, link.now(), ADMIN, KEY, CUSTOMER, PIN).code == "key_exists"


def test_add_refuses_the_51st_key(link: Link) -> None:
    for number in range(50):
        add_key(link.now(), ADMIN, f"50000{number:05}", CUSTOMER, PIN)
    assert refusal(add_key, link.now(), ADMIN, KEY, CUSTOMER, PIN).code == "too_many_keys"
    # Fifty keys are asked for in one request.
    assert len(link.contact().lines) == 50


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR])
def test_only_an_administrator_changes_keys(link: Link, role: Role) -> None:
    link.add()
    other = Actor("olga", role)
    assert refusal(add_key, link.now(), other, OTHER, CUSTOMER, PIN).code == "not_permitted"
    assert refusal(edit_key, link.now(), other, KEY, pin=PIN).code == "not_permitted"
    assert refusal(remove_key, link.now(), other, KEY).code == "not_permitted"


def test_the_pin_is_sealed_and_stands_in_no_event(link: Link) -> None:
    add_key(link.now(), ADMIN, KEY, CUSTOMER, "7391")
    with connection.cursor() as cursor:
        cursor.execute("SELECT pin FROM licensing_virtualkey")
        assert "7391" not in cursor.fetchone()[0]
    assert not any("7391" in str(event.data) for event in Event.objects.all())
    assert "7391" not in repr(VirtualKey.objects.get().__dict__)


def test_a_pin_edited_by_hand_counts_as_none(link: Link) -> None:
    add_key(link.now(), ADMIN, KEY, CUSTOMER, PIN)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE licensing_virtualkey SET pin = 'gAAAAA'")
    assert link.contact().lines == ()
    edit_key(link.now(), ADMIN, KEY, pin=PIN)
    assert link.contact().lines == (KeyLine(KEY, "granted"),)


# --- a key that is not active yet ------------------------------------------------------------------------


def test_a_key_with_wrong_credentials_is_not_sent_again_until_it_is_edited(link: Link) -> None:
    assert link.add(pin="9999").lines == (KeyLine(KEY, "refused", "wrong_credentials"),)
    assert (link.key().state, link.key().refusal) == ("new", "wrong_credentials")
    assert link.contact().lines == ()
    edit_key(link.now(), ADMIN, KEY, pin=PIN)
    assert link.key().refusal == ""
    assert link.contact().lines == (KeyLine(KEY, "granted"),)


def test_a_key_that_is_locked_is_held_back_too(link: Link) -> None:
    link.add(pin="0000")
    for pin in ("0001", "0002", "0003", "0004"):
        edit_key(link.now(), ADMIN, KEY, pin=pin)
        link.contact()
    edit_key(link.now(), ADMIN, KEY, pin=PIN)
    assert link.contact().lines == (KeyLine(KEY, "refused", "locked"),)
    assert link.contact().lines == ()
    link.wait(hours=25)
    edit_key(link.now(), ADMIN, KEY, pin=PIN)
    assert link.contact().lines == (KeyLine(KEY, "granted"),)


def test_a_key_active_elsewhere_is_tried_again_at_each_contact_and_names_the_other(link: Link) -> None:
    other = OtherPortal(link.authority)
    other.contact(pin=PIN)
    assert link.add().lines == (KeyLine(KEY, "refused", "active_elsewhere", "SRV-OTHER"),)
    assert (link.key().state, link.key().active_on) == ("new", "SRV-OTHER")
    assert link.contact().lines == (KeyLine(KEY, "refused", "active_elsewhere", "SRV-OTHER"),)
    assert Event.objects.filter(kind="key_refused").count() == 1
    other.contact(release=True)
    assert link.contact().lines == (KeyLine(KEY, "granted"),)
    assert (link.key().refusal, link.key().active_on) == ("", "")


def test_a_suspended_key_that_is_not_active_yet_is_tried_again(link: Link) -> None:
    link.authority.suspend(KEY)
    assert link.add().lines == (KeyLine(KEY, "refused", "suspended"),)
    assert link.contact().lines == (KeyLine(KEY, "refused", "suspended"),)
    link.authority.suspend(KEY, suspended=False)
    assert link.contact().lines == (KeyLine(KEY, "granted"),)


def test_editing_without_a_change_is_refused_with_what_to_do(link: Link) -> None:
    link.add(pin="9999")
    refused = refusal(edit_key, link.now(), ADMIN, KEY)
    assert refused.code == "validation_failed"
    assert list(refused.data["errors"]) == ["pin"]


def test_editing_changes_only_what_is_given(link: Link) -> None:
    link.add(pin="9999")
    edit_key(link.now(), ADMIN, KEY, customer="222")
    key = VirtualKey.objects.get()
    assert (key.customer, key.pin, key.revision) == ("222", "9999", 2)


def test_a_key_that_is_not_here_cannot_be_edited_or_removed(link: Link) -> None:
    assert refusal(edit_key, link.now(), ADMIN, KEY, pin=PIN).code == "key_unknown"
    assert refusal(remove_key, link.now(), ADMIN, KEY).code == "key_unknown"


# --- an active key ---------------------------------------------------------------------------------------


def test_an_active_key_cannot_be_edited_or_bound_anew_while_nobody_asks_for_it(link: Link) -> None:
    link.add()
    assert refusal(edit_key, link.now(), ADMIN, KEY, customer="1").code == "key_is_active"
    assert refusal(rebind_key, link.now(), ADMIN, KEY, PIN).code == "key_is_active"


def test_an_active_key_that_became_active_elsewhere_stops_at_once_and_is_asked_no_more(link: Link) -> None:
    link.add()
    look_at = lease_of(link)
    link.authority.reset(KEY)
    OtherPortal(link.authority).contact(pin=PIN)
    assert link.contact().lines == (KeyLine(KEY, "refused", "active_elsewhere"),)
    assert (link.key().state, link.key().grant) == ("inactive", None)
    assert (look_at().state, look_at().ended_reason) == ("ended", "key_inactive")
    assert link.contact().lines == ()
    assert refusal(edit_key, link.now(), ADMIN, KEY, customer="123456").code == "validation_failed"
    edit_key(link.now(), ADMIN, KEY, pin=PIN)
    assert link.contact().lines == (KeyLine(KEY, "refused", "active_elsewhere", "SRV-OTHER"),)
    assert link.key().state == "new"


def test_a_suspended_active_key_goes_on_until_its_grant_runs_out(link: Link) -> None:
    link.add()
    deadline = link.held().contact_deadline
    link.authority.suspend(KEY)
    link.wait(hours=2)
    assert link.contact().lines == (KeyLine(KEY, "refused", "suspended"),)
    assert (link.key().state, link.key().refusal) == ("active", "suspended")
    assert link.held().contact_deadline == deadline
    link.authority.suspend(KEY, suspended=False)
    assert link.contact().lines == (KeyLine(KEY, "granted"),)
    assert link.key().refusal == ""
    assert Event.objects.filter(kind="key_accepted_again").count() == 1


def test_a_key_that_the_vendor_unbound_is_bound_anew_by_its_pin(link: Link) -> None:
    link.add()
    link.authority.reset(KEY)
    assert link.contact().lines == (KeyLine(KEY, "refused", "not_bound"),)
    assert link.key().state == "active"
    rebind_key(link.now(), ADMIN, KEY, PIN)
    assert link.contact().lines == (KeyLine(KEY, "granted"),)


def test_another_machine_is_noticed_and_healed_by_the_pin_without_a_lease_ending(
    link: Link, settings: Any, tmp_path: Path
) -> None:
    link.add()
    look_at = lease_of(link)
    deadline = link.held().contact_deadline
    move_to_another_computer(settings, tmp_path)
    assert link.contact().lines == (KeyLine(KEY, "refused", "machine_changed"),)
    assert waits_for_binding(link.key())
    assert link.held().contact_deadline == deadline
    rebind_key(link.now(), ADMIN, KEY, PIN)
    assert link.contact().lines == (KeyLine(KEY, "granted"),)
    assert not waits_for_binding(link.key())
    assert look_at().state == "active"


def test_a_key_waits_for_binding_as_soon_as_the_machine_is_another(
    link: Link, settings: Any, tmp_path: Path
) -> None:
    link.add()
    assert not waits_for_binding(link.key())
    move_to_another_computer(settings, tmp_path)
    assert waits_for_binding(link.key())
    rebind_key(link.now(), ADMIN, KEY, PIN)
    assert link.contact().lines == (KeyLine(KEY, "granted"),)


def test_a_wrong_pin_for_binding_anew_changes_nothing_and_is_forgotten(
    link: Link, settings: Any, tmp_path: Path
) -> None:
    link.add()
    deadline = link.held().contact_deadline
    move_to_another_computer(settings, tmp_path)
    link.contact()
    rebind_key(link.now(), ADMIN, KEY, "9999")
    assert link.contact().lines == (KeyLine(KEY, "refused", "wrong_credentials"),)
    assert link.held().contact_deadline == deadline
    assert not VirtualKey.objects.filter(pin__isnull=False).exists()
    assert waits_for_binding(link.key())
    # Without a PIN it goes on as before.
    assert link.contact().lines == (KeyLine(KEY, "refused", "machine_changed"),)
    rebind_key(link.now(), ADMIN, KEY, PIN)
    assert link.contact().lines == (KeyLine(KEY, "granted"),)


def test_a_pin_for_binding_anew_is_kept_while_the_key_is_suspended(
    link: Link, settings: Any, tmp_path: Path
) -> None:
    link.add()
    move_to_another_computer(settings, tmp_path)
    link.contact()
    link.authority.suspend(KEY)
    rebind_key(link.now(), ADMIN, KEY, PIN)
    assert link.contact().lines == (KeyLine(KEY, "refused", "suspended"),)
    link.authority.suspend(KEY, suspended=False)
    assert link.contact().lines == (KeyLine(KEY, "granted"),)


def test_a_pin_entered_while_a_request_is_open_is_sent_in_the_next(
    link: Link, settings: Any, tmp_path: Path
) -> None:
    link.add()
    link.authority.mode("refuse")
    link.contact()
    link.authority.mode("ok")
    move_to_another_computer(settings, tmp_path)
    rebind_key(link.now(), ADMIN, KEY, PIN)
    # The open request still speaks for the old machine, and is granted.
    assert link.contact().lines == (KeyLine(KEY, "granted"),)
    assert link.authority.state()["machine"] == machine()
    assert not VirtualKey.objects.filter(pin__isnull=False).exists()


def test_two_copies_are_suspected_at_the_second_contact_of_the_less_busy_one(link: Link) -> None:
    link.add()
    copy = copy_of_this_portal(link.authority)
    assert copy.contact().result == "granted"  # type: ignore[union-attr]
    assert link.contact().lines == (KeyLine(KEY, "granted"),)
    answer = copy.contact()
    assert (answer.result, answer.reason) == ("refused", "clone_suspected")  # type: ignore[union-attr]
    assert link.contact().lines == (KeyLine(KEY, "refused", "clone_suspected"),)
    assert link.key().state == "active"
    rebind_key(link.now(), ADMIN, KEY, PIN)
    assert link.contact().lines == (KeyLine(KEY, "granted"),)
    assert copy.contact().reason == "clone_suspected"  # type: ignore[union-attr]


# --- removing --------------------------------------------------------------------------------------------


def test_removing_a_key_ends_its_leases_at_once(link: Link) -> None:
    link.add()
    look_at = lease_of(link)
    removal = remove_key(link.now(), ADMIN, KEY)
    assert not removal.needs_vendor
    assert (look_at().state, look_at().ended_reason) == ("ended", "key_removed")
    assert Event.objects.get(kind="key_removed").subject == KEY


def test_a_key_removed_without_the_vendor_is_pending_and_released_at_the_next_contact(link: Link) -> None:
    link.add()
    link.authority.mode("refuse")
    remove_key(link.now(), ADMIN, KEY)
    link.contact()
    assert status(link.now()).release_pending == (KEY,)
    other = OtherPortal(link.authority)
    link.authority.mode("ok")
    assert other.contact(pin=PIN).reason == "active_elsewhere"  # type: ignore[union-attr]
    assert link.contact().lines == (KeyLine(KEY, "released"),)
    assert other.contact(pin=PIN).result == "granted"  # type: ignore[union-attr]


def test_a_release_pending_key_that_is_added_again_is_no_longer_pending(link: Link) -> None:
    link.add()
    remove_key(link.now(), ADMIN, KEY)
    add_key(link.now(), ADMIN, KEY, CUSTOMER, PIN)
    assert status(link.now()).release_pending == ()
    assert link.contact().lines == (KeyLine(KEY, "granted"),)


def test_a_key_that_waits_to_be_bound_anew_is_bound_by_its_pin_and_then_released(
    link: Link, settings: Any, tmp_path: Path
) -> None:
    link.add()
    move_to_another_computer(settings, tmp_path)
    link.contact()
    assert not remove_key(link.now(), ADMIN, KEY, PIN).needs_vendor
    assert link.contact().lines == (KeyLine(KEY, "released"),)
    assert link.authority.state()["bound_to"] is None
    assert not PendingRelease.objects.exists()


def test_without_its_pin_such_a_key_is_freed_by_the_vendor_alone(
    link: Link, settings: Any, tmp_path: Path
) -> None:
    link.add()
    move_to_another_computer(settings, tmp_path)
    link.contact()
    assert remove_key(link.now(), ADMIN, KEY).needs_vendor
    assert Event.objects.get(kind="release_needs_vendor").data == {}
    # The vendor names it among the released, though nothing was done.
    assert link.contact().lines == (KeyLine(KEY, "needs_vendor"),)
    assert link.authority.state()["bound_to"] is not None
    assert not PendingRelease.objects.exists()
    assert not Event.objects.filter(kind="key_released").exists()


def test_a_release_from_another_machine_than_at_the_removal_frees_nothing(
    link: Link, settings: Any, tmp_path: Path
) -> None:
    link.add()
    assert not remove_key(link.now(), ADMIN, KEY).needs_vendor
    move_to_another_computer(settings, tmp_path)
    assert link.contact().lines == (KeyLine(KEY, "needs_vendor"),)
    assert link.authority.state()["bound_to"] is not None
    assert Event.objects.filter(kind="release_needs_vendor").count() == 1
    assert not Event.objects.filter(kind="key_released").exists()


def test_with_a_wrong_pin_such_a_key_stays_bound_and_that_is_told(
    link: Link, settings: Any, tmp_path: Path
) -> None:
    link.add()
    move_to_another_computer(settings, tmp_path)
    link.contact()
    assert not remove_key(link.now(), ADMIN, KEY, "9999").needs_vendor
    assert link.contact().lines == (KeyLine(KEY, "needs_vendor", "wrong_credentials"),)
    assert link.authority.state()["bound_to"] is not None
    assert Event.objects.get(kind="release_needs_vendor").data["reason"] == "wrong_credentials"
    assert not PendingRelease.objects.exists()
    assert not Event.objects.filter(kind="key_released").exists()


def test_such_a_key_is_freed_by_adding_it_again_with_the_right_pin_and_removing_it(
    link: Link, settings: Any, tmp_path: Path
) -> None:
    link.add()
    move_to_another_computer(settings, tmp_path)
    link.contact()
    remove_key(link.now(), ADMIN, KEY, "9999")
    link.contact()
    assert link.add().lines == (KeyLine(KEY, "granted"),)
    remove_key(link.now(), ADMIN, KEY)
    assert link.contact().lines == (KeyLine(KEY, "released"),)
    assert link.authority.state()["bound_to"] is None


def test_such_a_removal_waits_while_the_key_is_suspended(link: Link, settings: Any, tmp_path: Path) -> None:
    link.add()
    move_to_another_computer(settings, tmp_path)
    link.contact()
    link.authority.suspend(KEY)
    remove_key(link.now(), ADMIN, KEY, PIN)
    assert link.contact().lines == (KeyLine(KEY, "refused", "suspended"),)
    assert status(link.now()).release_pending == (KEY,)
    link.authority.suspend(KEY, suspended=False)
    assert link.contact().lines == (KeyLine(KEY, "released"),)


def test_a_key_on_another_machine_that_is_then_suspended_still_waits_to_be_bound_anew(
    link: Link, settings: Any, tmp_path: Path
) -> None:
    link.add()
    link.authority.suspend(KEY)
    move_to_another_computer(settings, tmp_path)
    # The vendor tells of the suspension first, so nobody has asked to bind anything anew.
    assert link.contact().lines == (KeyLine(KEY, "refused", "suspended"),)
    assert waits_for_binding(link.key())
    rebind_key(link.now(), ADMIN, KEY, PIN)
    link.authority.suspend(KEY, suspended=False)
    assert link.contact().lines == (KeyLine(KEY, "granted"),)
    assert not waits_for_binding(link.key())


def test_a_suspected_key_that_is_then_suspended_still_waits_to_be_bound_anew(link: Link) -> None:
    link.add()
    copy = copy_of_this_portal(link.authority)
    copy.contact()
    link.contact()
    copy.contact()
    assert link.contact().lines == (KeyLine(KEY, "refused", "clone_suspected"),)
    link.authority.suspend(KEY)
    assert link.contact().lines == (KeyLine(KEY, "refused", "suspended"),)
    assert waits_for_binding(link.key())
    remove_key(link.now(), ADMIN, KEY, PIN)
    link.authority.suspend(KEY, suspended=False)
    assert link.contact().lines == (KeyLine(KEY, "released"),)
    assert link.authority.state()["bound_to"] is None


def test_a_key_that_the_vendor_has_unbound_is_released_without_being_bound_first(link: Link) -> None:
    link.add()
    link.authority.reset(KEY)
    link.contact()
    rebind_key(link.now(), ADMIN, KEY, "9999")
    assert link.contact().lines == (KeyLine(KEY, "refused", "wrong_credentials"),)
    assert waits_for_binding(link.key())
    assert not remove_key(link.now(), ADMIN, KEY).needs_vendor
    assert link.contact().lines == (KeyLine(KEY, "released"),)


def test_a_key_whose_machine_is_the_same_again_waits_no_longer_once_it_is_granted(
    link: Link, settings: Any, tmp_path: Path
) -> None:
    link.add()
    before = settings.KEYMANAGER
    move_to_another_computer(settings, tmp_path)
    link.contact()
    settings.KEYMANAGER = before
    assert waits_for_binding(link.key())
    assert link.contact().lines == (KeyLine(KEY, "granted"),)
    assert not waits_for_binding(link.key())


def test_such_a_removal_is_done_where_the_key_is_active_elsewhere(
    link: Link, settings: Any, tmp_path: Path
) -> None:
    link.add()
    move_to_another_computer(settings, tmp_path)
    link.contact()
    link.authority.reset(KEY)
    OtherPortal(link.authority).contact(pin=PIN)
    remove_key(link.now(), ADMIN, KEY, PIN)
    link.contact()
    assert status(link.now()).release_pending == ()
    assert link.authority.state()["bound_to"] is not None


def test_a_pin_of_the_wrong_shape_removes_nothing(link: Link, settings: Any, tmp_path: Path) -> None:
    link.add()
    move_to_another_computer(settings, tmp_path)
    link.contact()
    assert refusal(remove_key, link.now(), ADMIN, KEY, "12").code == "validation_failed"
    assert link.key().state == "active"


def test_a_second_key_of_another_customer_is_asked_for_in_the_same_contact(link: Link) -> None:
    link.authority.add_key(OTHER, customer="654321", pin="2222", modules=[module("BI", 1)])
    link.add()
    assert link.add(OTHER, "654321", "2222").lines == (KeyLine(KEY, "granted"), KeyLine(OTHER, "granted"))
