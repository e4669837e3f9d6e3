"""What a page says when it cannot be shown. None of these asks the database, which may be the cause."""

import logging
import secrets
import sys
from typing import Any

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.translation import gettext as _
from django.views.decorators.csrf import requires_csrf_token

logger = logging.getLogger(__name__)
# After so long whoever found the pages away may try again; it is a header's text.
AWAY_SECONDS = "2"
# The same where the database is away; a lease call is told as much.
DATABASE_AWAY_SECONDS = "5"


def _failure(status: int, title: str, sentence: str, **more: Any) -> HttpResponse:
    """Rendered without the request, so that no context processor runs."""
    context = {"status": status, "title": title, "sentence": sentence, **more}
    return HttpResponse(render_to_string("failure.html", context), status=status)


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """400."""
    return _failure(
        400,
        _("The portal cannot read this request"),
        _("The address or the form is damaged, or the portal is called by a name that it does not know."),
    )


def permission_denied(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """403."""
    return _failure(
        403,
        _("Your role does not allow this"),
        _("Ask an administrator of the portal to do it, or to give you another role."),
    )


def page_not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """404."""
    return _failure(
        404,
        _("There is no such page"),
        _("What you look for may have ended, or was removed. The list of modules leads to all tabs."),
    )


def too_many_requests(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """429, where somebody tries to log in more often than a person does."""
    return _failure(
        429,
        _("Too many attempts"),
        _("The portal lets nobody try so often, so that no password is guessed. Wait a minute."),
    )


def server_error(request: HttpRequest) -> HttpResponse:
    """500, with a number that stands in the log too; 503 where the database is what does not work."""
    if isinstance(sys.exc_info()[1], OperationalError | InterfaceError):
        return _database_away(request)
    incident = secrets.token_hex(6)
    logger.error("incident %s during %s %s", incident, request.method, request.path, exc_info=sys.exc_info())
    return _failure(
        500,
        _("The portal has failed here"),
        _("This is a fault of the portal. Nothing was changed half-way; programs go on with what they have."),
        incident=incident,
    )


def _database_away(request: HttpRequest) -> HttpResponse:
    """503: the database is away, or so busy that it took too long."""
    logger.error("the database failed during %s %s", request.method, request.path, exc_info=sys.exc_info())
    response = _failure(
        503,
        _("The database does not answer"),
        _(
            "The portal goes on by itself as soon as it is back. Try again in a moment. If you have just "
            "sent a form, look then whether that was done. Programs keep what they have."
        ),
        again=request.method == "GET",
    )
    response["Retry-After"] = DATABASE_AWAY_SECONDS
    return response


def pages_away(request: HttpRequest) -> HttpResponse:
    """503, said by the front while the pages' process does not answer."""
    response = _failure(
        503,
        _("The pages of the portal are being started"),
        _(
            "The part of the portal that shows its pages does not answer; it starts again by itself. Try "
            "again in a moment. If you have just sent a form, look then whether that was done. Programs "
            "notice nothing: their log-ins go another way."
        ),
        again=request.method == "GET",
    )
    response["Retry-After"] = AWAY_SECONDS
    return response


@requires_csrf_token
def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403, where a form does not come from a page of ours."""
    return _failure(
        403,
        _("This form is too old"),
        _(
            "It was made before you logged in anew, or the browser keeps no cookies. Go back, load the page "
            "again, and send it once more."
        ),
    )
