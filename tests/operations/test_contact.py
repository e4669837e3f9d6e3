"""Contact with a real authority: what it brings, and what each failure leaves as it was."""

import faulthandler
import random
import sys
import uuid
from datetime import timedelta

import msgspec
import pytest
from django.db import connection

from licensing.models import ContactAttempt, Event, HeldCodePack, OpenRequest, Role, VirtualKey
from licensing.operations.actors import Actor
from licensing.operations.answers import KeyLine
from licensing.operations.contact import contact_if_due, contact_now, forget_attempts
from licensing.operations.contact_schedule import plan_after_failure
from licensing.operations.errors import Refused
from licensing.operations.keys import add_key, edit_key, remove_key
from licensing.operations.lease_values import LeaseCall
from licensing.operations.leases import checkout, look
from licensing.operations.status import status
from tests.factories import clock_offset, make_client, request, take
from tests.vendor_link import KEY, PIN, Link

COMMAND = Actor("test", Role.ADMINISTRATOR)
OTHER = "5000006623"


def codes(link: Link) -> set[str]:
    return {module.code for module in link.held().grant.modules}


def test_contact_activates_a_key_and_brings_its_modules(link: Link) -> None:
    report = link.add()
    assert report.is_ok
    assert report.lines == (KeyLine(KEY, "granted"),)
    assert codes(link) == {"HANDEL", "KASA", "FAKTURY", "SRODKI_TRWALE"}
    key = link.key()
    assert (key.state, key.refusal, key.serial) == ("active", "", 1)
    assert Event.objects.filter(kind="key_activated", subject=KEY).count() == 1
    assert link.held().contact_deadline == link.held().grant.valid_until


def test_contact_keeps_the_pin_only_until_the_key_is_active(link: Link) -> None:
    add_key(link.now(), COMMAND, KEY, "123456", PIN)
    assert VirtualKey.objects.filter(pin__isnull=False).count() == 1
    link.contact()
    assert VirtualKey.objects.filter(pin__isnull=False).count() == 0


def test_contact_brings_the_code_pack(link: Link) -> None:
    link.add()
    assert HeldCodePack.objects.get().pack == 1


def test_contact_renews_a_grant_without_credentials(link: Link) -> None:
    link.add()
    first = link.held().contact_deadline
    link.wait(hours=2)
    assert link.contact().lines == (KeyLine(KEY, "granted"),)
    assert link.held().contact_deadline - first > timedelta(hours=1, minutes=59)
    assert link.key().serial == 2


def test_contact_may_be_asked_for_by_an_operator_but_not_by_a_viewer(link: Link) -> None:
    contact_now(link.now, Actor("olga", Role.OPERATOR), "page")
    with pytest.raises(Refused) as refused:
        contact_now(link.now, Actor("wanda", Role.VIEWER), "page")
    assert refused.value.code == "not_permitted"


def test_contact_tells_what_each_key_got(link: Link) -> None:
    add_key(link.now(), COMMAND, OTHER, "123456", "9999")
    report = link.add()
    assert report.lines == (KeyLine(KEY, "granted"), KeyLine(OTHER, "refused", "wrong_credentials"))
    assert [line.is_good for line in report.lines] == [True, False]
    assert Event.objects.get(kind="key_refused").subject == OTHER


def test_contact_with_nothing_to_ask_still_reaches_the_vendor(link: Link) -> None:
    report = link.contact()
    assert (report.is_ok, report.lines) == (True, ())


# --- failures ------------------------------------------------------------------------------------------

FAILURES = {
    "refuse": "connection_lost",
    "error_500": "http_status",
    "busy_503": "busy",
    "html": "not_the_vendor",
    "redirect": "redirected",
    "truncated": "connection_lost",
    "huge": "too_large",
    "bad_signature": "forged",
    "wrong_key": "forged",
    "other_request": "wrong_answer",
    "other_installation": "wrong_answer",
    "lose_answer": "connection_lost",
}


@pytest.mark.parametrize(("mode", "outcome"), FAILURES.items())
def test_contact_that_fails_changes_nothing_but_the_cause_shown(link: Link, mode: str, outcome: str) -> None:
    link.add()
    client = make_client()
    lease = take(client, "HANDEL", now=link.now())
    before = (link.held(), link.key().serial, clock_offset())
    link.wait(minutes=10)
    link.authority.mode(mode)
    report = link.contact()
    assert (report.outcome, report.lines) == (outcome, ())
    assert (link.held(), link.key().serial, clock_offset()) == before
    assert look(LeaseCall(client.pk, lease.id), link.now()) == msgspec.structs.replace(lease, limit=None)
    assert status(link.now()).reasons == ("contact_failing",)
    assert "127.0.0.1" in report.sentence()
    link.authority.mode("ok")
    assert link.contact().lines == (KeyLine(KEY, "granted"),)
    assert status(link.now()).reasons == ()


@pytest.mark.full
@pytest.mark.parametrize("mode", ["blackhole", "drip"])
def test_contact_with_a_vendor_that_is_too_slow_ends_after_15_seconds(link: Link, mode: str) -> None:
    link.add()
    link.authority.mode(mode)
    assert link.contact().outcome == "too_slow"
    attempt = ContactAttempt.objects.get(outcome="too_slow")
    assert attempt.finished_at is not None
    assert attempt.finished_at - attempt.started_at < timedelta(seconds=17)
    link.authority.mode("ok")
    assert link.contact().lines == (KeyLine(KEY, "granted"),)


def test_contact_that_gets_the_last_answer_again_is_told_as_such(link: Link) -> None:
    link.add()
    link.contact()
    link.authority.mode("stale")
    assert link.contact().outcome == "wrong_answer"


def test_a_failed_contact_leaves_the_request_open_and_sends_the_same_bytes_again(link: Link) -> None:
    link.authority.mode("lose_answer")
    link.add()
    first = OpenRequest.objects.get()
    link.authority.mode("html")
    link.contact()
    again = OpenRequest.objects.get()
    assert (again.jws, again.request_id, again.sendings) == (first.jws, first.request_id, 2)
    link.authority.mode("ok")
    assert link.contact().lines == (KeyLine(KEY, "granted"),)
    assert not OpenRequest.objects.exists()
    # The answer that was lost had been given already: the same one came again.
    assert (link.key().serial, link.authority.state()["serial"]) == (1, 1)


def test_a_request_is_stored_before_it_is_sent(link: Link) -> None:
    link.authority.mode("refuse")
    link.add()
    attempt = ContactAttempt.objects.get()
    assert OpenRequest.objects.get().request_id == attempt.request_id


def test_an_open_request_is_given_up_after_80_hours(link: Link) -> None:
    link.authority.mode("refuse")
    link.add()
    first = OpenRequest.objects.get().request_id
    link.wait(hours=79)
    link.contact()
    assert OpenRequest.objects.get().request_id == first
    link.wait(hours=1)
    link.contact()
    assert OpenRequest.objects.get().request_id != first
    assert Event.objects.get(kind="request_given_up").data["reason"] == "too_old"


def test_an_exported_request_is_given_up_after_30_days(link: Link) -> None:
    link.authority.mode("refuse")
    link.add()
    OpenRequest.objects.update(exported_at=link.now())
    first = OpenRequest.objects.get().request_id
    link.wait(days=29)
    link.contact()
    assert OpenRequest.objects.get().request_id == first
    link.wait(days=1)
    link.contact()
    assert OpenRequest.objects.get().request_id != first


def test_an_open_request_edited_by_hand_is_made_anew(link: Link) -> None:
    link.authority.mode("refuse")
    link.add()
    OpenRequest.objects.update(jws="edited")
    link.authority.mode("ok")
    assert link.contact().lines == (KeyLine(KEY, "granted"),)


def test_a_request_that_the_authority_knows_from_before_is_given_up_and_made_anew_at_once(link: Link) -> None:
    link.authority.mode("lose_answer")
    link.add()
    kept = OpenRequest.objects.values().get()
    link.authority.mode("ok")
    link.contact()
    link.contact()
    OpenRequest.objects.create(**kept)
    report = link.contact()
    assert (report.is_ok, report.lines) == (True, (KeyLine(KEY, "granted"),))
    assert ContactAttempt.objects.filter(outcome="replayed").count() == 1
    assert Event.objects.get(kind="request_given_up").data["reason"] == "replayed"


def test_lost_answers_raise_no_suspicion(link: Link) -> None:
    link.add()
    for _ in range(5):
        link.wait(hours=2)
        link.authority.mode("lose_answer")
        link.contact()
        link.authority.mode("ok")
        assert link.contact().lines == (KeyLine(KEY, "granted"),)
    assert link.authority.state()["clone_suspected"] is False


def contact_often(link: Link, times: int) -> None:
    """Contacts every two hours, of which one in five loses its answer; none raises suspicion."""
    chance = random.Random(20261124)
    link.add()
    for _ in range(times):
        link.wait(hours=2)
        is_lost = chance.random() < 0.2
        link.authority.mode("lose_answer" if is_lost else "ok")
        report = link.contact()
        assert report.is_ok is not is_lost
        assert all(line.is_good for line in report.lines)
    assert link.authority.state()["clone_suspected"] is False


def test_sixty_contacts_with_lost_answers_raise_no_suspicion(link: Link) -> None:
    contact_often(link, 60)


@pytest.mark.full
def test_ten_thousand_contacts_with_lost_answers_raise_no_suspicion(link: Link) -> None:
    # More than two years of contacts take longer than a test that hangs may.
    faulthandler.dump_traceback_later(1500, exit=True, file=sys.__stderr__)
    contact_often(link, 10_000)


def test_after_72_hours_without_contact_all_stops_and_after_a_contact_all_works_again(link: Link) -> None:
    link.add()
    client = make_client()
    link.authority.mode("refuse")
    link.wait(hours=71, minutes=50)
    link.contact()
    lease = take(client, "HANDEL", now=link.now())
    assert lease.expires_at == link.held().contact_deadline
    link.wait(minutes=15)
    (outcome,) = checkout([request(client, "HANDEL")], link.now())
    assert isinstance(outcome, Refused)
    assert (outcome.code, status(link.now()).light) == ("contact_lost", "red")
    link.authority.mode("ok")
    link.contact()
    take(client, "HANDEL", now=link.now())
    ended = look(LeaseCall(client.pk, lease.id), link.now())
    assert (ended.state, ended.ended_reason) == ("ended", "contact_lost")


def test_an_answer_given_up_on_raises_no_suspicion(link: Link) -> None:
    link.add()
    link.authority.mode("lose_answer")
    link.contact()
    link.wait(hours=81)
    link.contact()
    link.authority.mode("ok")
    link.wait(hours=81)
    assert link.contact().lines == (KeyLine(KEY, "granted"),)


def test_a_grant_that_ran_out_on_its_way_is_accepted_and_a_new_contact_follows(link: Link) -> None:
    link.authority.mode("lose_answer")
    link.add()
    link.authority.mode("ok")
    link.wait(hours=75)
    assert link.contact().is_ok
    assert link.key().serial == 2
    assert link.held().contact_deadline > link.now() + timedelta(hours=71)


# --- what changes meanwhile ----------------------------------------------------------------------------


def open_request(link: Link) -> None:
    """Leave a request open about the key KEY."""
    link.authority.mode("refuse")
    link.add()
    link.authority.mode("ok")


def test_a_key_added_meanwhile_is_asked_for_in_the_next_contact_which_follows_at_once(link: Link) -> None:
    link.authority.add_key(OTHER, pin="1111")
    open_request(link)
    add_key(link.now(), COMMAND, OTHER, "123456", "1111")
    assert link.contact().lines == (KeyLine(KEY, "granted"), KeyLine(OTHER, "granted"))
    assert ContactAttempt.objects.filter(outcome="ok").count() == 2


def test_a_refusal_of_what_was_edited_meanwhile_does_not_hold_the_key_back(link: Link) -> None:
    link.authority.mode("refuse")
    link.add(pin="9999")
    link.authority.mode("ok")
    edit_key(link.now(), COMMAND, KEY, pin=PIN)
    assert link.contact().lines == (KeyLine(KEY, "granted"),)
    assert link.key().state == "active"


def test_a_grant_for_a_key_edited_meanwhile_makes_it_active(link: Link) -> None:
    open_request(link)
    edit_key(link.now(), COMMAND, KEY, email="jan@firma.example")
    link.contact()
    assert (link.key().state, link.key().serial) == ("active", 2)


def test_a_key_removed_meanwhile_is_released_in_the_next_contact(link: Link) -> None:
    open_request(link)
    remove_key(link.now(), COMMAND, KEY)
    assert link.contact().lines == (KeyLine(KEY, "released"),)
    assert link.authority.state()["bound_to"] is None
    assert status(link.now()).release_pending == ()


def test_a_key_removed_and_added_again_meanwhile_takes_no_old_grant(link: Link) -> None:
    open_request(link)
    remove_key(link.now(), COMMAND, KEY)
    add_key(link.now(), COMMAND, KEY, "123456", PIN)
    link.contact()
    assert (link.key().state, link.key().serial) == ("active", 2)


def test_a_key_is_removed_online_and_free_for_another_at_once(link: Link) -> None:
    link.add()
    remove_key(link.now(), COMMAND, KEY)
    assert status(link.now()).release_pending == (KEY,)
    assert link.contact().lines == (KeyLine(KEY, "released"),)
    assert status(link.now()).release_pending == ()
    assert Event.objects.filter(kind="key_released").count() == 1


# --- the clock -------------------------------------------------------------------------------------------


def test_the_portal_learns_the_vendors_time(link: Link) -> None:
    link.set_local_clock(timedelta(hours=5))
    link.contact()
    assert abs(link.now() - link.vendor_time()) < timedelta(seconds=2)
    link.set_local_clock(timedelta(hours=-5))
    link.contact()
    assert abs(link.now() - link.vendor_time()) < timedelta(seconds=2)


def test_a_request_sent_again_teaches_no_clock(link: Link) -> None:
    link.authority.mode("lose_answer")
    link.contact()
    link.authority.mode("ok")
    link.authority.move_clock(-3600)
    assert link.contact().is_ok
    assert abs(clock_offset()) < timedelta(seconds=5)


def test_an_offset_edited_by_hand_makes_time_unknown_until_the_next_contact(link: Link) -> None:
    link.add()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE licensing_installation SET clock_offset = 'gAAAAA'")
    assert status(link.now()).reasons == ("contact_lost",)
    assert link.contact().is_ok
    assert abs(link.now() - link.vendor_time()) < timedelta(seconds=2)
    assert status(link.now()).light == "green"


# --- the schedule ----------------------------------------------------------------------------------------


def test_the_next_contact_is_due_in_two_hours_give_or_take_five_minutes(link: Link) -> None:
    link.add()
    assert link.next_in_minutes() == pytest.approx(120, abs=0.2)
    link.uniform = lambda low, high: low
    link.contact()
    assert link.next_in_minutes() == pytest.approx(115, abs=0.2)
    link.uniform = lambda low, high: high
    link.contact()
    assert link.next_in_minutes() == pytest.approx(125, abs=0.2)


def test_the_worker_contacts_when_it_is_due_and_not_before(link: Link) -> None:
    link.add()
    assert link.tick() is None
    link.wait(hours=2, seconds=5)
    report = link.tick()
    assert report is not None
    assert report.lines == (KeyLine(KEY, "granted"),)
    assert link.tick() is None
    assert ContactAttempt.objects.order_by("started_at").last().trigger == "schedule"  # type: ignore[union-attr]


def test_the_worker_leaves_a_portal_without_keys_alone(link: Link) -> None:
    assert link.tick() is None
    assert not ContactAttempt.objects.exists()


def test_adding_a_key_makes_a_contact_due(link: Link) -> None:
    link.contact()
    add_key(link.now(), COMMAND, KEY, "123456", PIN)
    assert link.tick() is not None


def test_failures_are_followed_by_attempts_after_1_2_4_8_16_and_then_30_minutes(link: Link) -> None:
    link.add()
    link.wait(hours=2, minutes=1)
    link.authority.mode("error_500")
    pauses = []
    for _ in range(7):
        assert link.tick() is not None
        pauses.append(link.next_in_minutes())
        link.wait(minutes=pauses[-1], seconds=5)
    assert pauses == pytest.approx([1, 2, 4, 8, 16, 30, 30], abs=0.2)
    link.authority.mode("ok")
    link.tick()
    assert (link.state().failures, link.next_in_minutes()) == (0, pytest.approx(120, abs=0.2))


def test_retry_after_binds_the_schedule_but_not_who_asks(link: Link) -> None:
    link.add()
    link.authority.mode("busy_503")
    report = link.contact()
    assert (report.outcome, report.params["retry_after"]) == ("busy", 60)
    link.authority.mode("ok")
    assert link.tick() is None
    assert link.contact().is_ok


def test_retry_after_binds_the_schedule_through_later_failures_until_it_is_over(link: Link) -> None:
    link.add()
    plan_after_failure(link.now(), scheduled=True, retry_after=3000, uniform=link.uniform)
    link.authority.mode("error_500")
    link.contact()
    assert link.next_in_minutes() == pytest.approx(50, abs=0.2)
    link.authority.mode("busy_503")
    link.contact()
    assert link.next_in_minutes() == pytest.approx(50, abs=0.2), "nor does a shorter one"
    link.authority.mode("error_500")
    link.wait(minutes=50, seconds=5)
    assert link.tick() is not None
    assert link.next_in_minutes() == pytest.approx(2, abs=0.2)


def test_a_contact_that_succeeds_ends_retry_after(link: Link) -> None:
    link.add()
    plan_after_failure(link.now(), scheduled=True, retry_after=3000, uniform=link.uniform)
    assert link.contact().is_ok
    link.authority.mode("error_500")
    link.contact()
    assert link.next_in_minutes() == pytest.approx(1, abs=0.2)


def test_a_retry_after_noted_by_a_wrong_clock_is_not_waited_for(link: Link) -> None:
    link.add()
    type(link.state()).objects.update(not_before=link.now() + timedelta(days=400))
    link.authority.mode("error_500")
    link.contact()
    assert link.next_in_minutes() == pytest.approx(1, abs=0.2)


def test_a_failed_contact_that_somebody_asked_for_does_not_put_the_schedule_off(link: Link) -> None:
    link.add()
    link.authority.mode("error_500")
    for _ in range(4):
        link.contact()
    assert link.next_in_minutes() == pytest.approx(1, abs=0.2)
    assert link.state().failures == 1


def test_a_plan_made_by_a_wrong_clock_is_not_waited_for(link: Link) -> None:
    link.add()
    type(link.state()).objects.update(next_at=link.now() + timedelta(days=400))
    assert link.tick() is not None


def test_attempts_are_forgotten_after_30_days(link: Link) -> None:
    link.add()
    link.wait(days=31)
    link.contact()
    assert forget_attempts(link.now()) == 1
    assert ContactAttempt.objects.count() == 1


def test_an_attempt_whose_process_died_blocks_for_half_a_minute_and_is_told(link: Link) -> None:
    link.add()
    dead = ContactAttempt.objects.create(id=uuid.uuid4(), started_at=link.now(), trigger="page")
    type(link.state()).objects.update(claim=dead.pk, claimed_until=link.now() + timedelta(seconds=30))
    link.wait(hours=3)
    type(link.state()).objects.update(claimed_until=link.now() + timedelta(seconds=30))
    assert contact_if_due(link.now) is None
    link.wait(seconds=31)
    assert contact_if_due(link.now) is not None
    dead.refresh_from_db()
    assert dead.outcome == "interrupted"
