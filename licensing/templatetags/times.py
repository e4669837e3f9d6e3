"""Times as people read them: how long ago or how long yet, with the exact time one hover away."""

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
    """`2 h ago` or `in 5 min`, the exact time in the title; a dash where there is none."""
    if instant is None:
        return "–"
    distance = (instant - context["now"]).total_seconds()
    return _time(instant, _spoken(distance))


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
    return _time(instant, words)


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


def _time(instant: datetime, words: str) -> SafeString:
    return format_html('<time datetime="{}" title="{}">{}</time>', instant.isoformat(), exact(instant), words)
