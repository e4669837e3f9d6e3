"""The page "First steps": from a new administrator to the first taken lease."""

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters

from licensing.models import Role
from licensing.operations.clock import portal_now
from licensing.operations.configuration import (
    addresses,
    change_configuration,
    configuration_and_secrets,
)
from licensing.operations.first_steps import FirstSteps, first_steps

from .access import actor, needs
from .advanced import TestMailForm, section_form
from .moments import moment_of
from .settings_forms import MailForm, ProxyForm, SectionForm
from .told import told_by_place


class FirstMailForm(MailForm):
    """What mail needs at least; the rest stands under Advanced (None takes a field away)."""

    contact_warning_hours = None  # type: ignore[assignment]
    notify_contact_lost = None  # type: ignore[assignment]
    portal_url = None  # type: ignore[assignment]


FORMS: dict[str, type[SectionForm]] = {"mail": FirstMailForm, "proxy": ProxyForm}


@dataclass(frozen=True)
class Step:
    """One step: done, the next one, or still ahead; `optional` where it may wait."""

    name: str
    title: str
    done: bool
    optional: bool
    is_next: bool


@needs(Role.ADMINISTRATOR)
@sensitive_post_parameters("proxy_password", "smtp_password")
def steps(request: HttpRequest) -> HttpResponse:
    """The steps with the forms of those that need one, each saved by itself."""
    row, stored = configuration_and_secrets()
    saved = request.POST.get("section", "")
    forms = {
        name: section_form(form, row, stored, request.POST if name == saved else None)
        for name, form in FORMS.items()
    }
    form = forms.get(saved)
    if form is not None and form.is_valid():
        settings = form.settings()
        if form.carry_out(lambda: change_configuration(portal_now(), actor(request), **settings)):
            messages.success(request, _("Saved."), extra_tags=saved)
            return redirect("first_steps")
    found = first_steps()
    first = addresses(row.admin_email)[:1]
    told = told_by_place(request)
    context: dict[str, Any] = {
        "messages": told[""],
        "told": told,
        "steps": steps_of(found),
        "finished": found.key and found.client and found.lease,
        "forms": forms,
        "test_form": TestMailForm(initial={"recipient": first[0] if first else ""}),
        "modules_held": any(held.grant.modules for held in moment_of(request).held.values()),
    }
    return render(request, "first_steps/page.html", context)


def steps_of(found: FirstSteps) -> list[Step]:
    """The steps in their order; the first that is neither done nor optional is the next one."""
    rows = [
        ("administrator", _("The administrator"), True, False),
        ("mail", _("E-mail"), found.mail, True),
        ("proxy", _("The way to the vendor"), found.contact, True),
        ("key", _("The first virtual key"), found.key, False),
        ("client", _("The first ERP client"), found.client, False),
        ("lease", _("The first taken lease"), found.lease, False),
    ]
    following = next((name for name, _title, done, optional in rows if not done and not optional), "")
    return [Step(name, title, done, optional, name == following) for name, title, done, optional in rows]


def needs_first_steps() -> bool:
    """Whether an administrator who logs in is led to the steps: there is no key, or no ERP client."""
    found = first_steps()
    return not (found.key and found.client)
