"""A session ends 12 hours after its log-in, whatever happens in it."""

import time
from typing import Any

from django.conf import settings
from django.contrib.auth import SESSION_KEY, logout, user_logged_in
from django.http import HttpRequest

BEGAN = "logged_in_at"


def note_log_in(request: HttpRequest | None, **about: Any) -> None:
    """Write down in the session when it began; a password given again writes no other time."""
    if request is not None:
        request.session[BEGAN] = time.time()


def end_if_over(request: HttpRequest) -> None:
    """Log out whose session is over; one that does not say when it began is."""
    if SESSION_KEY in request.session:
        began = request.session.get(BEGAN, 0.0)
        # Clocks of several machines differ, so it may have begun later than now.
        if abs(time.time() - began) >= settings.SESSION_COOKIE_AGE:
            logout(request)


def watch() -> None:
    """Listen to every log-in."""
    user_logged_in.connect(note_log_in, dispatch_uid="note log-in")
