"""What libraries write and never delete: sessions, records of log-ins, tasks that failed.

They reckon by the computer's own clock, so that is what `now` is here.
"""

from datetime import datetime, timedelta

from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.db.models import Model, QuerySet
from django_q.models import Failure

from .tidy import AT_ONCE

FAILURES_KEPT = timedelta(days=30)


def forget_sessions(now: datetime) -> int:
    """Delete sessions that are over, and what was noted of their log-ins. Gives the number of both."""
    forgotten = _delete(Session.objects.filter(expire_date__lt=now))
    there = Session.objects.values("session_key")
    return forgotten + _delete(UserSession.objects.exclude(session_key__in=there))


def forget_failures(now: datetime) -> int:
    """Delete what was kept of tasks that failed more than 30 days ago. Gives their number."""
    return _delete(Failure.objects.filter(stopped__lt=now - FAILURES_KEPT))


def _delete(old: "QuerySet[Model]") -> int:
    """A part at a time, so that no checkout waits long."""
    forgotten = 0
    while keys := list(old.values_list("pk", flat=True)[:AT_ONCE]):
        old.model._default_manager.filter(pk__in=keys).delete()
        forgotten += len(keys)
    return forgotten
