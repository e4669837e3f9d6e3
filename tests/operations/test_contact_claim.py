"""One contact at a time: whoever else asks joins it, and two workers never do one twice."""

import itertools
import threading
import time
import uuid
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection

from licensing.models import ContactAttempt, ContactState, OpenRequest, Role, VirtualKey
from licensing.operations.actors import Actor
from licensing.operations.answers import KeyLine
from licensing.operations.clock import UNKNOWN
from licensing.operations.contact import contact_if_due, contact_now
from licensing.operations.contact_reports import ContactReport
from licensing.operations.invariants import check_invariants
from licensing.operations.keys import add_key, remove_key
from tests.vendor_link import CUSTOMER, KEY, PIN, Link

pytestmark = pytest.mark.django_db(transaction=True)

ADMIN = Actor("anna", Role.ADMINISTRATOR)
OTHER = "5000006623"


def at_once(count: int, call: Callable[[], ContactReport | None]) -> list[ContactReport | None]:
    """What `count` threads get that make the same call together."""
    found: list[ContactReport | None] = []
    gate = threading.Barrier(count)

    def run() -> None:
        gate.wait()
        try:
            found.append(call())
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def test_all_who_ask_at_once_get_the_result_of_one_attempt_after_another(link: Link) -> None:
    add_key(link.now(), ADMIN, KEY, CUSTOMER, PIN)
    reports = at_once(4, lambda: contact_now(link.now, ADMIN, "page"))
    assert all(report is not None and report.lines == (KeyLine(KEY, "granted"),) for report in reports)
    spans = sorted(ContactAttempt.objects.values_list("started_at", "finished_at"))
    assert all(earlier[1] <= later[0] for earlier, later in itertools.pairwise(spans))
    assert link.authority.state()["serial"] == len(spans)


def test_workers_at_once_make_one_contact(link: Link) -> None:
    add_key(link.now(), ADMIN, KEY, CUSTOMER, PIN)
    reports = at_once(4, lambda: contact_if_due(link.now))
    assert sum(report is not None for report in reports) == 1
    assert ContactAttempt.objects.count() == 1


def start_contact(link: Link) -> threading.Thread:
    """A contact in flight, in a thread of its own."""

    def run() -> None:
        try:
            contact_now(link.now, ADMIN, "page")
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    while not OpenRequest.objects.filter(sendings=1).exists():
        time.sleep(0.01)
    return thread


def test_who_joins_waits_for_the_end_and_gets_its_result(link: Link) -> None:
    add_key(link.now(), ADMIN, KEY, CUSTOMER, PIN)
    other = ContactAttempt.objects.create(id=uuid.uuid4(), started_at=link.now(), trigger="page")
    ContactState.objects.update(claim=other.pk, claimed_until=link.now() + timedelta(seconds=30))
    polls = itertools.count(1)

    def pause(seconds: float) -> None:
        if next(polls) == 3:
            ContactAttempt.objects.update(finished_at=link.now(), outcome="too_slow", params={"host": "x"})

    report = contact_now(link.now, ADMIN, "command", pause=pause)
    assert (report.attempt_id, report.joined, report.outcome) == (other.pk, True, "too_slow")
    assert next(polls) == 4


@pytest.mark.full
def test_who_joins_a_contact_with_a_vendor_that_never_answers_waits_15_seconds(link: Link) -> None:
    add_key(link.now(), ADMIN, KEY, CUSTOMER, PIN)
    link.authority.mode("blackhole")
    thread = start_contact(link)
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        time.sleep(seconds)

    report = contact_now(link.now, ADMIN, "command", pause=pause)
    thread.join()
    assert (report.joined, report.outcome) == (True, "too_slow")
    assert pauses
    assert ContactAttempt.objects.count() == 1
    attempt = ContactAttempt.objects.get()
    assert attempt.finished_at is not None
    assert attempt.finished_at - attempt.started_at < timedelta(seconds=17)


def test_the_worker_does_not_wait_for_a_contact_in_flight(link: Link) -> None:
    add_key(link.now(), ADMIN, KEY, CUSTOMER, PIN)
    dead = ContactAttempt.objects.create(id=uuid.uuid4(), started_at=link.now(), trigger="page")
    ContactState.objects.update(claim=dead.pk, claimed_until=link.now() + timedelta(seconds=30))
    assert contact_if_due(link.now) is None


def test_who_waits_for_a_dead_process_takes_over_when_its_claim_ends(link: Link) -> None:
    add_key(link.now(), ADMIN, KEY, CUSTOMER, PIN)
    dead = ContactAttempt.objects.create(id=uuid.uuid4(), started_at=link.now(), trigger="page")
    ContactState.objects.update(claim=dead.pk, claimed_until=link.now() + timedelta(seconds=30))

    def pause(seconds: float) -> None:
        link.wait(seconds=10)

    report = contact_now(link.now, ADMIN, "command", pause=pause)
    assert (report.joined, report.lines) == (False, (KeyLine(KEY, "granted"),))
    dead.refresh_from_db()
    assert dead.outcome == "interrupted"


def test_who_joins_sees_to_what_the_attempt_in_flight_did_not_ask(link: Link) -> None:
    link.authority.add_key(OTHER, pin="1111")
    add_key(link.now(), ADMIN, KEY, CUSTOMER, PIN)
    link.authority.mode("lose_answer")
    contact_now(link.now, ADMIN, "page")
    add_key(link.now(), ADMIN, OTHER, CUSTOMER, "1111")
    link.authority.mode("ok")
    reports = at_once(2, lambda: contact_now(link.now, ADMIN, "page"))
    for report in reports:
        assert report is not None
        assert {line.number for line in report.lines} == {KEY, OTHER}


def test_a_claim_whose_end_a_wrong_clock_put_far_away_does_not_block(link: Link) -> None:
    add_key(link.now(), ADMIN, KEY, CUSTOMER, PIN)
    ContactState.objects.update(claim=uuid.uuid4(), claimed_until=link.now() + timedelta(days=365))
    assert contact_now(link.now, ADMIN, "command").lines == (KeyLine(KEY, "granted"),)


def test_keys_are_changed_while_answers_are_accepted_and_neither_locks_the_other_out(link: Link) -> None:
    numbers = [f"500000700{place}" for place in range(4)]
    for number in numbers:
        link.authority.add_key(number)
        add_key(link.now(), ADMIN, number, CUSTOMER, PIN)
    errors: list[BaseException] = []

    def change(mine: list[str]) -> None:
        try:
            for number in mine * 3:
                remove_key(link.now(), ADMIN, number)
                add_key(link.now(), ADMIN, number, CUSTOMER, PIN)
        except BaseException as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=change, args=(numbers[place::2],)) for place in range(2)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert contact_now(link.now, ADMIN, "command").is_ok
    for thread in threads:
        thread.join()
    assert errors == []
    assert contact_now(link.now, ADMIN, "command").is_ok
    assert {key.state for key in VirtualKey.objects.all()} == {"active"}
    assert check_invariants(link.now()) == []


def test_while_time_is_unknown_the_worker_goes_on_trying(link: Link) -> None:
    add_key(link.now(), ADMIN, KEY, CUSTOMER, PIN)
    link.authority.mode("refuse")
    assert contact_if_due(lambda: UNKNOWN) is not None
    assert contact_if_due(lambda: UNKNOWN) is not None
    dead = ContactAttempt.objects.create(id=uuid.uuid4(), started_at=UNKNOWN, trigger="page")
    ContactState.objects.update(claim=dead.pk, claimed_until=UNKNOWN + timedelta(seconds=30))
    link.authority.mode("ok")
    report = contact_if_due(lambda: UNKNOWN)
    assert report is not None
    assert report.lines == (KeyLine(KEY, "granted"),)


def test_a_schedule_row_deleted_by_hand_is_made_anew(link: Link) -> None:
    add_key(link.now(), ADMIN, KEY, CUSTOMER, PIN)
    ContactState.objects.all().delete()
    assert contact_now(link.now, ADMIN, "command").is_ok
