"""What the worker does by the clock."""

import pydoc
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django_q.models import Schedule

from licensing import tasks
from licensing.models import Lease, QueueHeartbeat, RollUp
from licensing.operations.clock import UNKNOWN, portal_now
from licensing.schedules import AT_START, REPEATED, declare
from tests.factories import KEY, Portal, make_client, module, take

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)


@pytest.mark.django_db
def test_each_schedule_is_there_once_however_often_declared() -> None:
    declare(NOW)
    declare(NOW + timedelta(hours=1))
    names = [schedule.name for schedule in Schedule.objects.all()]
    assert sorted(names) == sorted(repeated.name for repeated in REPEATED)


@pytest.mark.django_db
def test_doubles_and_what_is_declared_no_more_go() -> None:
    declare(NOW)
    first = Schedule.objects.get(name="contact")
    Schedule.objects.create(name="contact", func="os.system", schedule_type=Schedule.MINUTES, minutes=1)
    Schedule.objects.create(name="gone", func="os.system", schedule_type=Schedule.MINUTES, minutes=1)
    declare(NOW)
    assert Schedule.objects.get(name="contact").pk == first.pk
    assert not Schedule.objects.filter(func="os.system").exists()


@pytest.mark.django_db
def test_a_clock_that_was_set_back_lets_no_schedule_rest() -> None:
    declare(NOW)
    declare(NOW - timedelta(days=365))
    assert {schedule.next_run for schedule in Schedule.objects.all()} == {NOW - timedelta(days=365)}


def test_every_task_exists_and_has_a_deadline() -> None:
    for repeated in REPEATED:
        assert callable(pydoc.locate(repeated.task)), repeated.task
        assert 0 < repeated.seconds < 60
    assert set(AT_START) <= {repeated.name for repeated in REPEATED}


@pytest.mark.parametrize("repeated", REPEATED, ids=lambda repeated: repeated.name)
def test_each_task_is_harmless_when_run_twice(portal: Portal, repeated: object) -> None:
    portal.accept(KEY, [module("HANDEL", 5)], portal_now())
    lease = take(make_client(), "HANDEL", now=portal_now())
    task = getattr(tasks, str(repeated.name))  # type: ignore[attr-defined]
    task()
    task()
    assert lease.ended_at is None


def test_nothing_is_forgotten_while_portal_time_is_not_known(portal: Portal) -> None:
    portal.accept(KEY, [module("HANDEL", 5)], portal_now())
    lease = take(make_client(), "HANDEL", now=portal_now())
    tasks.roll_up()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE licensing_installation SET clock_offset = 'edited'")
    assert portal_now() == UNKNOWN
    for _ in range(2):
        tasks.tidy_leases()
        tasks.roll_up()
        tasks.tidy_history()
    row = Lease.objects.get(id=lease.id)
    assert (row.user, row.ended_at is not None) == ("anna.nowak", True)
    assert RollUp.objects.get(pk=1).until < UNKNOWN


def test_the_heartbeat_moves(portal: Portal) -> None:
    tasks.queue_heartbeat()
    first = QueueHeartbeat.objects.get().at
    tasks.queue_heartbeat()
    assert QueueHeartbeat.objects.get().at > first


def test_settings_of_the_queue_are_those_that_were_tried() -> None:
    from django.conf import settings

    queue = settings.Q_CLUSTER
    assert (queue["catch_up"], queue["max_attempts"], queue["ack_failures"]) == (False, 1, True)
    assert max(repeated.seconds for repeated in REPEATED) <= queue["timeout"] < queue["retry"]
