"""What the worker is given to do: each calls one operation and is harmless when run twice."""

from django.conf import settings

from licensing import logs
from licensing.models import Role
from licensing.operations import alerts, forgetting, leftovers, log_pack, mail_queue, rollup, tidy
from licensing.operations import contact as contacts
from licensing.operations import queue_heartbeat as queue
from licensing.operations.actors import Actor
from licensing.operations.clock import UNKNOWN, keep_time, known_now, local_now, portal_now


def contact() -> None:
    """Contact the vendor, if that is due."""
    contacts.contact_if_due(portal_now)


def contact_now(actor: str, role: str) -> None:
    """Contact the vendor because somebody asked for it on a page."""
    contacts.contact_now(portal_now, Actor(actor, Role(role)), "page")


def tidy_leases() -> None:
    """Write down which leases have ended by themselves, and mend what hands left."""
    tidy.tidy_leases(portal_now())


def roll_up() -> None:
    """Put the use of modules together by quarters of an hour and days."""
    now = portal_now()
    if now < UNKNOWN:
        rollup.roll_up(now)


def tidy_history() -> None:
    """Forget what is kept for a time only; while portal time is not known, nobody can say what is old.

    What libraries keep is as old as the computer's own clock says.
    """
    for forget_leftovers in (leftovers.forget_sessions, leftovers.forget_failures):
        forget_leftovers(local_now())
    now = portal_now()
    if now >= UNKNOWN:
        return
    for forget in (
        contacts.forget_attempts,
        mail_queue.forget_mails,
        tidy.forget_refusals,
        forgetting.forget_names,
        forgetting.forget_quarters,
    ):
        forget(now)


def send_mail() -> None:
    """Send the mails that wait. By a time that nobody knows each would have waited for its 24 hours."""
    mail_queue.send_queued_mail(known_now)


def raise_alerts() -> None:
    """Tell the administrator which keys lost contact, or have it back."""
    alerts.raise_alerts(portal_now())


def watch_clock() -> None:
    """Write portal time down, so that it never goes back."""
    keep_time()


def queue_heartbeat() -> None:
    """Show that tasks come out of the queue."""
    queue.beat(portal_now())


def clean_logs() -> None:
    """Drop logs and packed logs that are too old."""
    logs.forget_old(settings.KEYMANAGER.data, local_now())
    log_pack.forget_old(local_now())
