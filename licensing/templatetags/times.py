"""Times as people read them: how long ago or how long yet, and the exact time.

Each is written in the portal's zone, whoever reads; every page names it in its foot.
"""

from datetime import date, datetime, timedelta

from django import template
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from licensing.operations.durations import duration

register = template.Library()

register.filter(duration)


@register.filter
def exact(instant: datetime) -> str:
    """The full time in the portal's zone, e.g. `2026-11-24 09:15:03 CET`."""
    local = timezone.localtime(instant)
    return f"{local:%Y-%m-%d %H:%M:%S} {local.tzname()}"


@register.simple_tag(takes_context=True)
def when(context: template.Context, instant: datetime | None) -> SafeString | str:
    """`2 h ago` or `in 5 min`, with the exact time; a dash where there is none."""
    if instant is None:
        return "–"
    now = context["now"]
    return _time(instant, _spoken((instant - now).total_seconds()), now)


@register.simple_tag(takes_context=True)
def left(context: template.Context, instant: datetime | None) -> SafeString | str:
    """`71 h left`, or `passed`."""
    if instant is None:
        return "–"
    distance: timedelta = instant - context["now"]
    words = (
        _("%(duration)s left") % {"duration": duration(distance.total_seconds())}
        if distance > timedelta(0)
        else _("passed")
    )
    return _time(instant, words, context["now"])


@register.simple_tag(takes_context=True)
def remaining(context: template.Context, instant: datetime) -> SafeString:
    """`71 h`: the time until an instant that is to come."""
    return _time(instant, duration(max(0.0, (instant - context["now"]).total_seconds())))


@register.filter
def clock(instant: datetime) -> str:
    """A time to the minute in the portal's zone, e.g. `25 November, 02:00`."""
    return date_format(timezone.localtime(instant), "j E, H:i")


@register.filter
def day(value: date | None) -> str:
    """A date, e.g. `31 March 2027`; a dash where there is none."""
    return date_format(value, "j E Y") if value else "–"


def _spoken(distance: float) -> str:
    if abs(distance) < 5:
        return _("now")
    words = {"duration": duration(abs(distance))}
    return (_("%(duration)s ago") if distance < 0 else _("in %(duration)s")) % words


def _time(instant: datetime, words: str, now: datetime | None = None) -> SafeString:
    """The words, the full time in the title; and where it is told what is now, a short exact time too."""
    local = timezone.localtime(instant)
    short = (
        format_html('<span class="exact">{}</span>', _short(local, timezone.localtime(now))) if now else ""
    )
    return format_html(
        '<time datetime="{}" title="{}">{}{}</time>',
        local.isoformat(timespec="seconds"),
        exact(instant),
        words,
        short,
    )


def _short(local: datetime, today: datetime) -> str:
    """As much of a time as is not plain: the clock of today, the day of this year, else the year too."""
    if local.date() == today.date():
        return f" {local:%H:%M:%S}"
    # The letters of Django's `date` filter.
    return " " + date_format(local, _("j M, H:i") if local.year == today.year else _("j M Y, H:i"))
