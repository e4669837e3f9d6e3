"""Spans of time as people read them."""

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

MINUTE, HOUR, DAY = 60, 3600, 86400


def duration(seconds: float) -> str:
    """Seconds as `45 s`, `12 min`, `2 h 5 min` or `3 days`."""
    whole = int(seconds)
    if whole < MINUTE:
        return _("%(n)d s") % {"n": whole}
    if whole < HOUR:
        return _("%(n)d min") % {"n": whole // MINUTE}
    if whole < 4 * DAY:
        return _hours(whole)
    days = whole // DAY
    return ngettext("%(n)d day", "%(n)d days", days) % {"n": days}


def _hours(seconds: int) -> str:
    hours, minutes = seconds // HOUR, seconds % HOUR // MINUTE
    if minutes == 0:
        return _("%(n)d h") % {"n": hours}
    return _("%(hours)d h %(minutes)d min") % {"hours": hours, "minutes": minutes}
