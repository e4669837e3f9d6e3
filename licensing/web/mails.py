"""The page of mails: what waits, what was sent, what could not be delivered and why."""

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from licensing.models import MailState, OutgoingMail, Role
from licensing.operations.clock import known_now
from licensing.operations.errors import Refused
from licensing.operations.mail_queue import error_sentence, send_again

from .access import actor, needs, sent_from

PAGE_SIZE = 50
STATES = {
    MailState.QUEUED: (gettext_lazy("waiting"), "warn"),
    MailState.SENT: (gettext_lazy("sent"), "good"),
    MailState.FAILED: (gettext_lazy("not delivered"), "bad"),
}


@dataclass(frozen=True)
class MailLine:
    """One mail with its state in words."""

    row: OutgoingMail
    state: str
    tag: str
    sentence: str
    may_go_again: bool


@needs(Role.OPERATOR)
def mails(request: HttpRequest) -> HttpResponse:
    """The mails, newest first."""
    wanted = request.GET.get("state", "")
    found = OutgoingMail.objects.order_by("-created_at", "-pk")
    if wanted in MailState.values:
        found = found.filter(state=wanted)
    page = Paginator(found, PAGE_SIZE).get_page(request.GET.get("page"))
    context: dict[str, Any] = {"page": page, "lines": [_line(row) for row in page], "wanted": wanted}
    if request.headers.get("HX-Request") == "true":
        return render(request, "contacts/mail_list.html", context)
    states = [(value, label, value == wanted) for value, (label, _tag) in STATES.items()]
    return render(request, "contacts/mails.html", context | {"states": states})


@needs(Role.OPERATOR)
@sent_from("mails")
def again(request: HttpRequest, mail_id: int) -> HttpResponse:
    """Try a mail that could not be delivered once more."""
    try:
        send_again(known_now(), actor(request), mail_id)
    except Refused as refused:
        if refused.code == "not_permitted":
            raise
        messages.error(request, str(refused.detail))
    else:
        messages.success(request, _("The mail waits to be sent once more."))
    return redirect("mails")


def _line(row: OutgoingMail) -> MailLine:
    label, tag = STATES[MailState(row.state)]
    sentence = error_sentence(row.last_error) if row.last_error else ""
    return MailLine(row, str(label), tag, sentence, row.state == MailState.FAILED and row.text != "")
