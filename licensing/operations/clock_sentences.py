"""What is told when the server's clock was found to be set, or wrong."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext_lazy as _

from .durations import duration

# The kinds of events, and what each says.
CLOCK_EVENTS = {
    "clock_set_forward": _("The server's clock was set forward by %(by_seconds)s; leases go on as before."),
    "clock_set_back": _("The server's clock was set back by %(by_seconds)s; leases go on as before."),
    "clock_was_ahead": _(
        "The vendor's time has shown that the portal's was ahead by %(by_seconds)s: it is right again."
    ),
    "clock_was_behind": _(
        "The vendor's time has shown that the portal's was behind by %(by_seconds)s: it is right again."
    ),
}


def clock_sentence(kind: str, data: Mapping[str, Any]) -> str:
    """What happened to the clock, in the reader's language."""
    return str(CLOCK_EVENTS[kind]) % {"by_seconds": duration(float(data.get("by_seconds", 0)))}
