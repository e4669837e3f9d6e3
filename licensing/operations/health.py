"""What this node cannot serve without, and what only needs the administrator."""

import os
import shutil
from datetime import datetime, timedelta
from functools import lru_cache

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Q

from licensing.models import Installation, MailState, OutgoingMail, QueueHeartbeat
from licensing.models.sealed import SealBroken

from .database import is_writable
from .status import status

# The worker's sign of life comes every minute.
WORKER_SILENT_AFTER = timedelta(minutes=3)
MAIL_FAILING_AFTER = timedelta(minutes=15)
MAIL_FAILED_LATELY = timedelta(days=7)
DISK_LOW_BYTES = 500 * 1024 * 1024
STATUS_WARNINGS = ("contact_failing", "contact_lost", "no_active_key")


def failing() -> list[str]:
    """Codes of what is missing: `database`, `migrations`, `key_file`; empty when the node can serve."""
    try:
        if not is_writable():
            return ["database"]
        if not _migrated():
            return ["migrations"]
        Installation.objects.values_list("private_key", flat=True).filter(pk=1).first()
    except SealBroken:
        return ["key_file"]
    except (DatabaseError, OSError):
        return ["database"]
    # What was read of it serves on, but no process that is started next.
    return [] if os.access(settings.KEYMANAGER.key_file, os.R_OK) else ["key_file"]


@lru_cache(maxsize=1)
def _all_applied() -> bool:
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        # An exception is not remembered; that all are applied stays true for this process's code.
        raise _Behind
    return True


class _Behind(Exception):
    """Some migration is not applied yet."""


def _migrated() -> bool:
    try:
        return _all_applied()
    except _Behind:
        return False


def warnings(now: datetime) -> list[str]:
    """Codes of what the administrator should see to; the node serves all the same."""
    found = [reason for reason in status(now).reasons if reason in STATUS_WARNINGS]
    if worker_silent(now):
        found.append("worker_silent")
    if mail_failing(now):
        found.append("mail_failing")
    if shutil.disk_usage(settings.KEYMANAGER.data).free < DISK_LOW_BYTES:
        found.append("disk_low")
    return found


def mail_failing(now: datetime) -> bool:
    """Whether mails wait for long, or could not be delivered within the last days."""
    tried = OutgoingMail.objects.filter(attempts__gt=0, created_at__lt=now - MAIL_FAILING_AFTER)
    failed = Q(state=MailState.FAILED, created_at__gte=now - MAIL_FAILED_LATELY)
    return tried.filter(Q(state=MailState.QUEUED) | failed).exists()


def worker_silent(now: datetime) -> bool:
    """Whether nothing has come out of the worker's queue for a while."""
    last = QueueHeartbeat.objects.values_list("at", flat=True).filter(pk=1).first()
    return last is None or now - last > WORKER_SILENT_AFTER
