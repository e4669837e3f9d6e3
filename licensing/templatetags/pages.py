"""Small pieces that many pages show."""

from collections.abc import Mapping
from typing import Any

from django import forms, template
from django.http import QueryDict
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()

# What a browser's own description has in it, the particular before what others claim to be too.
BROWSERS = {"Edg": "Edge", "OPR": "Opera", "Firefox": "Firefox", "Chrome": "Chrome", "Safari": "Safari"}
SYSTEMS = {
    "Windows": "Windows",
    "Android": "Android",
    "iPhone": "iOS",
    "iPad": "iPadOS",
    "Mac OS X": "macOS",
    "Linux": "Linux",
}


@register.simple_tag
def icon(name: str, css_class: str = "") -> SafeString:
    """A picture of the sprite; decoration only, the words stand beside it."""
    sprite = static("vendor/tabler/icons.svg")
    return format_html(
        '<svg class="icon {}" aria-hidden="true" focusable="false"><use href="{}#{}"></use></svg>',
        css_class,
        sprite,
        name,
    )


@register.simple_tag(takes_context=True)
def address(context: template.Context, **changes: object) -> str:
    """The query string of this page with some parameters set (None: left out): for links to sort and page."""
    query: QueryDict = context["request"].GET.copy()
    for name, value in changes.items():
        query.pop(name, None)
        if value is not None:
            query[name] = str(value)
    return "?" + query.urlencode()


@register.filter
def of(table: Mapping[str, object], name: str) -> object:
    """What a table holds under a name; nothing where it holds none."""
    return table.get(name)


@register.filter
def browser(description: str) -> str:
    """A browser and its system by name, e.g. `Firefox, Windows`; as it describes itself where unknown."""
    known = (
        next((name for mark, name in names.items() if mark in description), None)
        for names in (BROWSERS, SYSTEMS)
    )
    return ", ".join(name for name in known if name) or description


@register.simple_tag
def control(field: forms.BoundField) -> SafeString:
    """A form's control in Tabler's looks, also of forms that are not ours."""
    widget = field.field.widget
    if isinstance(widget, forms.CheckboxInput):
        css_class = "form-check-input"
    elif isinstance(widget, forms.Select):
        css_class = "form-select"
    else:
        css_class = "form-control"
    more = widget.attrs.get("class", "")
    attrs: dict[str, Any] = {"class": f"{css_class} {more}".strip()}
    if type(field.form).__module__.startswith("allauth."):
        # Its placeholders say once more what the labels say.
        attrs["placeholder"] = False
    shown = field.as_widget(attrs=attrs)
    # What the page showed goes back with the form: see EditForm.
    return shown + field.as_hidden(only_initial=True) if field.field.show_hidden_initial else shown
