"""Configuration, Advanced: every setting with its help, its limits and its default, section by section."""

from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.core.validators import MaxValueValidator, MinValueValidator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import get_language, gettext_lazy, ngettext
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters

from licensing.models import Configuration, MailSecurity, Role
from licensing.operations.clock import portal_now
from licensing.operations.cluster import keys_to_bind, nodes
from licensing.operations.configuration import (
    Change,
    addresses,
    change_configuration,
    changes_of_restoring,
    configuration,
    restore_defaults,
    stored_secrets,
)
from licensing.operations.errors import Refused
from licensing.operations.mail_queue import send_test_mail

from .access import actor, needs
from .event_sentences import setting_name, setting_value
from .forms import PageForm

LOG_LEVELS = [
    (0, gettext_lazy("0 – faults only")),
    (1, gettext_lazy("1 – also contacts, keys and settings")),
    (2, gettext_lazy("2 – also leases")),
    (3, gettext_lazy("3 – also the vendor's messages, without secrets")),
]


class SectionForm(PageForm):
    """One section of settings; its fields are named as those of the Configuration."""

    title: Any = ""
    intro: Any = ""
    icon = ""

    def settings(self) -> dict[str, Any]:
        """What to store; an empty password stays as it is unless it is to be forgotten."""
        values = {name: value for name, value in self.cleaned_data.items() if not name.startswith("forget_")}
        for name in [name for name in values if name.endswith("_password")]:
            if not values[name]:
                values[name] = "" if self.cleaned_data.get(f"forget_{name}") else None
        return values


class SeatsForm(SectionForm):
    title = gettext_lazy("Leases")
    icon = "clock"

    inactivity_seconds = forms.IntegerField(
        label=gettext_lazy("Time to release an inactive module (seconds)"),
        help_text=gettext_lazy(
            "A program that gives no sign of life for so long loses its modules. 70 to 86400; default 1800. "
            "Programs report after a third of it, so a short time costs more traffic, a long one holds the "
            "seats of crashed programs longer. Leases follow at their next heartbeat."
        ),
        validators=[MinValueValidator(70), MaxValueValidator(86400)],
    )
    name_holders = forms.BooleanField(
        label=gettext_lazy("Name the holders in refusals"),
        required=False,
        help_text=gettext_lazy("Whoever finds no free seat is told which users and workstations hold them."),
    )


class ProxyForm(SectionForm):
    title = gettext_lazy("Proxy")
    intro = gettext_lazy(
        "Only if the way to the vendor leads through a proxy. It takes effect at the next contact."
    )
    icon = "world"

    proxy_host = forms.CharField(
        label=gettext_lazy("Address"),
        required=False,
        max_length=253,
        help_text=gettext_lazy("Name or address alone, without “http://”. Empty: no proxy."),
    )
    proxy_port = forms.IntegerField(
        label=gettext_lazy("Port"), required=False, min_value=1, max_value=65535, help_text="1–65535"
    )
    proxy_login = forms.CharField(label=gettext_lazy("Log-in"), required=False, max_length=128)
    proxy_password = forms.CharField(
        label=gettext_lazy("Password"), required=False, strip=False, widget=forms.PasswordInput()
    )
    forget_proxy_password = forms.BooleanField(
        label=gettext_lazy("Forget the stored password"), required=False
    )
    company_ca = forms.CharField(
        label=gettext_lazy("Company's CA certificate"),
        required=False,
        max_length=65536,
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false", "class": "code"}),
        help_text=gettext_lazy(
            "Only where the proxy or a firewall opens encrypted connections: its CA certificate in PEM form, "
            "trusted for contacts with the vendor besides what this computer trusts."
        ),
    )


class MailForm(SectionForm):
    title = gettext_lazy("E-mail")
    icon = "mail"

    admin_email = forms.CharField(
        label=gettext_lazy("Administrator's e-mail"),
        required=False,
        max_length=512,
        help_text=gettext_lazy(
            "Warnings go here; several addresses are separated by commas. Mails are in Polish, to an address "
            "followed by “:en” in English: it@firma.example, boss@firma.example:en"
        ),
    )
    contact_warning_hours = forms.CharField(
        label=gettext_lazy("Warn after hours without contact"),
        required=False,
        max_length=64,
        help_text=gettext_lazy(
            "Whole hours below 72, separated by commas; default 4, 24, 48, 66. Each mail says why there is "
            "no contact and what to do. Empty: no warning before the modules stop."
        ),
    )
    notify_contact_lost = forms.BooleanField(
        label=gettext_lazy("Notify when a key loses contact"),
        required=False,
        help_text=gettext_lazy(
            "One mail per key when it has been without contact for 72 hours, one when it is back."
        ),
    )
    smtp_host = forms.CharField(
        label=gettext_lazy("SMTP server"),
        required=False,
        max_length=253,
        help_text=gettext_lazy("Empty: no mail is sent."),
    )
    smtp_port = forms.IntegerField(
        label=gettext_lazy("Port"),
        min_value=1,
        max_value=65535,
        help_text=gettext_lazy("Usually 587 with STARTTLS, 465 with TLS, 25 without."),
    )
    smtp_security = forms.ChoiceField(label=gettext_lazy("Encryption"), choices=MailSecurity.choices)
    smtp_login = forms.CharField(
        label=gettext_lazy("Log-in"),
        required=False,
        max_length=128,
        help_text=gettext_lazy("Empty: none is needed."),
    )
    smtp_password = forms.CharField(
        label=gettext_lazy("Password"), required=False, strip=False, widget=forms.PasswordInput()
    )
    forget_smtp_password = forms.BooleanField(
        label=gettext_lazy("Forget the stored password"), required=False
    )
    mail_sender = forms.EmailField(label=gettext_lazy("Sender's address"), required=False)
    portal_url = forms.URLField(
        label=gettext_lazy("Portal's address in e-mails"),
        required=False,
        max_length=253,
        assume_scheme="https",
        help_text=gettext_lazy("Where links in mails lead. Empty: the first of the allowed hosts."),
    )


class ClusterForm(SectionForm):
    title = gettext_lazy("Clustered installation")
    intro = gettext_lazy(
        "Several nodes share one PostgreSQL, and keys are bound to the cluster's name instead of one "
        "machine. Turning this on or off, or changing the name, means that every active key must be bound "
        "anew: the vendor will ask for each PIN at the next contact. No lease ends because of it."
    )
    icon = "server"

    clustered = forms.BooleanField(label=gettext_lazy("Clustered installation"), required=False)
    cluster_name = forms.CharField(
        label=gettext_lazy("SQL cluster name"),
        required=False,
        max_length=64,
        help_text=gettext_lazy("The same on every node; capital and small letters are one."),
    )


class LogForm(SectionForm):
    title = gettext_lazy("Logs")
    icon = "history"

    log_level = forms.TypedChoiceField(
        label=gettext_lazy("Log level"),
        choices=LOG_LEVELS,
        coerce=int,
        help_text=gettext_lazy(
            "It takes effect within seconds. Default 0; higher levels are for finding faults."
        ),
    )


class MetricsForm(SectionForm):
    title = gettext_lazy("Monitoring")
    intro = gettext_lazy("Prometheus reads the portal's metrics at /metrics.")
    icon = "list-check"

    metrics_networks = forms.CharField(
        label=gettext_lazy("Networks that may read the metrics"),
        required=False,
        max_length=512,
        help_text=gettext_lazy(
            "Addresses or networks, separated by commas; default 127.0.0.0/8, ::1/128. From elsewhere the "
            "token of an ERP client is needed."
        ),
    )


class VendorForm(SectionForm):
    title = gettext_lazy("Activation without a network")
    intro = gettext_lazy(
        "Where the vendor answers activation messages. Change this only if the vendor says so."
    )
    icon = "wifi-off"

    activation_sms = forms.CharField(label=gettext_lazy("Number for SMS"), required=False, max_length=20)
    activation_email = forms.EmailField(label=gettext_lazy("Address for e-mail"), required=False)
    activation_phone = forms.CharField(
        label=gettext_lazy("Number for telephone calls"),
        required=False,
        max_length=30,
        help_text=gettext_lazy("As it stands in your contract with the vendor."),
    )


SECTIONS: dict[str, type[SectionForm]] = {
    "seats": SeatsForm,
    "proxy": ProxyForm,
    "mail": MailForm,
    "cluster": ClusterForm,
    "logs": LogForm,
    "metrics": MetricsForm,
    "vendor": VendorForm,
}


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
    row, stored, now = configuration(), stored_secrets(), portal_now()
    saved = request.POST.get("section", "")
    forms_by_name = {
        name: _section(form, row, stored, request.POST if name == saved else None)
        for name, form in SECTIONS.items()
    }
    form = forms_by_name.get(saved)
    if isinstance(form, ClusterForm) and form.is_valid() and keys_to_bind(**form.cleaned_data):
        return redirect(f"{reverse('cluster_switch')}?{urlencode(form.cleaned_data)}")
    if form is not None and form.is_valid():
        settings = form.settings()
        outcome = form.carry_out(lambda: change_configuration(portal_now(), actor(request), **settings))
        if outcome:
            _tell(request, outcome.value)
            return redirect(f"{reverse('advanced')}#{saved}")
    first = addresses(row.admin_email)[:1]
    context = {
        "sections": forms_by_name,
        "test_form": TestMailForm(initial={"recipient": first[0] if first else ""}),
        "can_test_mail": bool(row.smtp_host),
        "nodes": nodes(now) if row.clustered else [],
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
            messages.error(request, str(refused.detail or refused.code))
        else:
            messages.success(
                request,
                _("The SMTP server took a test mail to %(to)s. Look whether it arrives.") % {"to": recipient},
            )
    elif request.method == "POST":
        messages.error(request, _("Enter an e-mail address for the test."))
    return redirect(f"{reverse('advanced')}#mail")


@needs(Role.ADMINISTRATOR, fresh=True)
def defaults(request: HttpRequest) -> HttpResponse:
    """Show what restoring the defaults would change, and do it once that is confirmed."""
    if request.method == "POST":
        _tell(request, restore_defaults(portal_now(), actor(request)))
        return redirect("advanced")
    lines = [_change_line(change) for change in changes_of_restoring()]
    return render(request, "configuration/defaults.html", {"lines": lines})


def _section(form: type[SectionForm], row: Configuration, stored: frozenset[str], data: Any) -> SectionForm:
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


def _change_line(change: Change) -> ChangeLine:
    if change.field.endswith("_password"):
        return ChangeLine(setting_name(change.field), _("stored"), _("forgotten"))
    return ChangeLine(setting_name(change.field), setting_value(change.before), setting_value(change.after))


def _tell(request: HttpRequest, changes: list[Change]) -> None:
    if not changes:
        messages.info(request, _("Nothing was changed."))
        return
    words = ngettext(
        "%(n)d setting was changed: %(names)s.", "%(n)d settings were changed: %(names)s.", len(changes)
    )
    names = ", ".join(setting_name(change.field) for change in changes)
    messages.success(request, words % {"n": len(changes), "names": names})
