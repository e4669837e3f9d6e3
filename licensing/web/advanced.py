"""Configuration, Advanced: every setting, section by section."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import get_language, gettext_lazy, ngettext
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters

from licensing.models import Configuration, Event, Role
from licensing.operations.clock import portal_now
from licensing.operations.cluster import keys_to_bind, nodes
from licensing.operations.configuration import (
    Change,
    addresses,
    change_configuration,
    changes_of_restoring,
    configuration_and_secrets,
    restore_defaults,
)
from licensing.operations.errors import Refused
from licensing.operations.mail_queue import send_test_mail

from .access import actor, need_fresh, needs
from .event_sentences import setting_name, setting_value
from .forms import PageForm
from .moments import moment_of
from .settings_forms import PARTS, SECTIONS, ClusterForm, SectionForm
from .told import told_by_place
from .words import actor_name

# How many changes are looked through for the last one of each section.
LOOKED_BACK = 100


@dataclass(frozen=True)
class LastChange:
    """Who changed a section last, when, and what."""

    at: datetime
    actor: str
    names: str


@dataclass(frozen=True)
class ChangeLine:
    """One setting that restoring the defaults would change."""

    name: str
    before: str
    after: str


class TestMailForm(PageForm):
    """Where the test mail goes."""

    recipient = forms.EmailField(label=gettext_lazy("Send a test e-mail to"))


@needs(Role.ADMINISTRATOR)
@sensitive_post_parameters("proxy_password", "smtp_password")
def advanced(request: HttpRequest) -> HttpResponse:
    """All sections; each is saved by itself."""
    row, stored = configuration_and_secrets()
    saved = request.POST.get("section", "")
    forms_by_name = {
        name: section_form(form, row, stored, request.POST if name == saved else None)
        for name, form in SECTIONS.items()
    }
    form = forms_by_name.get(saved)
    if isinstance(form, ClusterForm) and form.is_valid():
        if form.has_changed():
            need_fresh(request)
        if keys_to_bind(**form.cleaned_data):
            return redirect(f"{reverse('cluster_switch')}?{urlencode(form.cleaned_data)}")
    if form is not None and form.is_valid():
        settings = form.settings()
        outcome = form.carry_out(lambda: change_configuration(portal_now(), actor(request), **settings))
        if outcome:
            _tell(request, outcome.value, saved)
            return redirect("advanced")
    first = addresses(row.admin_email)[:1]
    now, told = moment_of(request).now, told_by_place(request)
    context = {
        "messages": told[""],
        "told": told,
        "parts": [(title, [(name, forms_by_name[name]) for name in names]) for title, names in PARTS],
        "test_form": TestMailForm(initial={"recipient": first[0] if first else ""}),
        "can_test_mail": bool(row.smtp_host),
        "nodes": nodes(now) if row.clustered else [],
        "last_changes": _last_changes(),
        "now": now,
    }
    return render(request, "configuration/advanced.html", context)


@needs(Role.ADMINISTRATOR)
def test_mail(request: HttpRequest) -> HttpResponse:
    """Send one mail at once with the stored settings, and tell what the server said."""
    form = TestMailForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        recipient = form.cleaned_data["recipient"]
        try:
            send_test_mail(portal_now(), actor(request), recipient, (get_language() or "pl")[:2])
        except Refused as refused:
            if refused.code == "not_permitted":
                raise
            messages.error(request, str(refused.detail or refused.code), extra_tags="mail")
        else:
            messages.success(
                request,
                _("The SMTP server took a test mail to %(to)s. Look whether it arrives.") % {"to": recipient},
                extra_tags="mail",
            )
    elif request.method == "POST":
        messages.error(request, _("Enter an e-mail address for the test."), extra_tags="mail")
    return redirect("first_steps" if request.POST.get("back") == "first_steps" else "advanced")


@needs(Role.ADMINISTRATOR, fresh=True)
def defaults(request: HttpRequest) -> HttpResponse:
    """Show what restoring the defaults would change, and do it once that is confirmed."""
    if request.method == "POST":
        _tell(request, restore_defaults(portal_now(), actor(request)))
        return redirect("advanced")
    lines = [_change_line(change) for change in changes_of_restoring()]
    return render(request, "configuration/defaults.html", {"lines": lines})


def section_form(
    form: type[SectionForm], row: Configuration, stored: frozenset[str], data: Any
) -> SectionForm:
    """The form of a section with the settings as they are; `data` where it was sent."""
    names = [name for name in form.base_fields if not name.startswith("forget_")]
    made = form(data, initial={name: getattr(row, name) for name in names if not name.endswith("_password")})
    for name in [name for name in names if name.endswith("_password")]:
        made.fields[name].widget.attrs["autocomplete"] = "new-password"
        if name in stored:
            made.fields[name].help_text = _(
                "A password is stored. Leave this empty to keep it; it is forgotten when the server changes."
            )
        else:
            del made.fields[f"forget_{name}"]
    return made


def _last_changes() -> dict[str, LastChange]:
    """The last change of each section, among the last changes of the Configuration."""
    kinds = ("configuration_changed", "configuration_defaults_restored")
    found: dict[str, LastChange] = {}
    for event in Event.objects.filter(kind__in=kinds)[:LOOKED_BACK]:
        fields = [change["field"] for change in event.data.get("changes", [])]
        for name, form in SECTIONS.items():
            changed = [field for field in fields if field in form.base_fields]
            if changed and name not in found:
                found[name] = LastChange(
                    event.at, actor_name(event.actor), ", ".join(map(setting_name, changed))
                )
    return found


def _change_line(change: Change) -> ChangeLine:
    if change.field.endswith("_password"):
        return ChangeLine(setting_name(change.field), _("stored"), _("forgotten"))
    return ChangeLine(
        setting_name(change.field),
        setting_value(change.field, change.before),
        setting_value(change.field, change.after),
    )


def _tell(request: HttpRequest, changes: list[Change], section: str = "") -> None:
    """Tell what was changed, in its section where it was one."""
    if not changes:
        messages.info(request, _("Nothing was changed."), extra_tags=section)
        return
    words = ngettext(
        "%(n)d setting was changed: %(names)s.", "%(n)d settings were changed: %(names)s.", len(changes)
    )
    names = ", ".join(setting_name(change.field) for change in changes)
    messages.success(request, words % {"n": len(changes), "names": names}, extra_tags=section)
