"""The page "Worker": whether it works, what waits for it if not, and what to do."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from licensing.models import MailState, OutgoingMail, QueueHeartbeat, Role
from licensing.operations.health import WORKER_SILENT_AFTER

from .access import needs
from .moments import moment_of


@needs(Role.VIEWER)
def worker(request: HttpRequest) -> HttpResponse:
    """Say it plainly; what stands still is told beside what goes on all the same."""
    seen = moment_of(request)
    last = QueueHeartbeat.objects.values_list("at", flat=True).filter(pk=1).first()
    context = {
        "last_seen_at": last,
        "works": last is not None and seen.now - last <= WORKER_SILENT_AFTER,
        "next_contact_at": seen.status.next_contact_at,
        "contact_waits": seen.status.next_contact_at is not None and seen.status.next_contact_at <= seen.now,
        "mails_waiting": OutgoingMail.objects.filter(state=MailState.QUEUED).count(),
        "silent_after": int(WORKER_SILENT_AFTER.total_seconds()),
    }
    return render(request, "worker/page.html", context)
