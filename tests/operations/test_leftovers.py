"""What libraries write and never delete."""

from datetime import timedelta

import pytest
import time_machine
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django_q.models import Failure, Success, Task

from licensing import tasks
from licensing.models import Role
from licensing.operations.actors import COMMAND
from licensing.operations.leftovers import FAILURES_KEPT, forget_failures, forget_sessions
from licensing.operations.users import create_user
from tests.factories import NOW, Portal

pytestmark = pytest.mark.django_db
MOMENT = timedelta(seconds=1)


def make_session(key: str, expires: timedelta) -> None:
    user = create_user(NOW, COMMAND, key, "a good long password", Role.VIEWER)
    Session.objects.create(session_key=key, session_data="x", expire_date=NOW + expires)
    UserSession.objects.create(session_key=key, user=user, ip="10.0.0.1", user_agent="a browser")


def make_task(name: str, *, success: bool) -> None:
    times = {"started": NOW, "stopped": NOW}
    Task.objects.create(id=name, name=name, func="f", success=success, **times)


def kept() -> tuple[list[str], list[str]]:
    models = (Session, UserSession)
    both = [
        sorted(model._default_manager.values_list("session_key", flat=True))  # type: ignore[attr-defined]
        for model in models
    ]
    return both[0], both[1]


def test_sessions_that_are_over_and_what_was_noted_of_them_are_forgotten() -> None:
    make_session("over", -MOMENT)
    make_session("live", timedelta(0))
    make_session("logged-out", MOMENT)
    Session.objects.get(pk="logged-out").delete()
    assert forget_sessions(NOW) == 3
    assert forget_sessions(NOW) == 0
    assert kept() == (["live"], ["live"])


def test_tasks_that_failed_are_forgotten_after_30_days() -> None:
    make_task("failed", success=False)
    make_task("done", success=True)
    assert forget_failures(NOW + FAILURES_KEPT) == 0
    assert forget_failures(NOW + FAILURES_KEPT + MOMENT) == 1
    assert (Failure.objects.count(), Success.objects.count()) == (0, 1)


def test_tidying_forgets_them_by_the_computers_own_clock(portal: Portal) -> None:
    make_session("over", -MOMENT)
    make_task("failed", success=False)
    with time_machine.travel(NOW + FAILURES_KEPT + MOMENT, tick=False):
        tasks.tidy_history()
    assert (kept(), Failure.objects.count()) == (([], []), 0)
