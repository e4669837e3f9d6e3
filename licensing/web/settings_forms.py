"""The forms of Configuration, Advanced: each setting with its help, its limits and its default."""

from typing import Any

from django import forms
from django.core.validators import MaxValueValidator, MinValueValidator
from django.utils.translation import gettext_lazy

from licensing.models import MailSecurity

from .forms import EditForm

LOG_LEVELS = [
    (0, gettext_lazy("0 – faults only")),
    (1, gettext_lazy("1 – also contacts, keys and settings")),
    (2, gettext_lazy("2 – also leases")),
    (3, gettext_lazy("3 – also the vendor's messages, without secrets")),
]


def login_field() -> forms.CharField:
    """The name by which the portal logs in at a proxy or a mail server, if it has to."""
    return forms.CharField(
        label=gettext_lazy("Log-in"),
        required=False,
        max_length=128,
        help_text=gettext_lazy("Empty: none is needed."),
    )


def password_field() -> forms.CharField:
    """The password that belongs to it; where nothing is written the stored one stays."""
    return forms.CharField(
        label=gettext_lazy("Password"),
        required=False,
        strip=False,
        widget=forms.PasswordInput(),
        help_text=gettext_lazy("It is kept sealed, and shown nowhere."),
    )


def forget_field() -> forms.BooleanField:
    """Whether the stored password is to go."""
    return forms.BooleanField(
        label=gettext_lazy("Forget the stored password"),
        required=False,
        help_text=gettext_lazy("Saving with this switched on empties the password."),
    )


class SectionForm(EditForm):
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
    proxy_login = login_field()
    proxy_password = password_field()
    forget_proxy_password = forget_field()
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
    smtp_security = forms.ChoiceField(
        label=gettext_lazy("Encryption"),
        choices=MailSecurity.choices,
        help_text=gettext_lazy("None: mails and the password can be read on the way to the server."),
    )
    smtp_login = login_field()
    smtp_password = password_field()
    forget_smtp_password = forget_field()
    mail_sender = forms.EmailField(
        label=gettext_lazy("Sender's address"),
        required=False,
        help_text=gettext_lazy("An address that the SMTP server lets this portal write from."),
    )
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

    clustered = forms.BooleanField(
        label=gettext_lazy("Clustered installation"),
        required=False,
        help_text=gettext_lazy(
            "Only with PostgreSQL. What it means for every key is shown before it is done."
        ),
    )
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


class PrivacyForm(SectionForm):
    title = gettext_lazy("Personal data")
    icon = "user"

    names_kept_days = forms.IntegerField(
        label=gettext_lazy("Days for which users' names are kept"),
        help_text=gettext_lazy(
            "Afterwards a pseudonym stands in their place in ended leases, refusals and events; the history "
            "of use stays right. 30 to 3650; default 90. What was replaced does not come back."
        ),
        validators=[MinValueValidator(30), MaxValueValidator(3650)],
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

    activation_sms = forms.CharField(
        label=gettext_lazy("Number for SMS"),
        required=False,
        max_length=20,
        help_text=gettext_lazy("Empty: the window shows no way by SMS."),
    )
    activation_email = forms.EmailField(
        label=gettext_lazy("Address for e-mail"),
        required=False,
        help_text=gettext_lazy("Empty: the window shows no way by e-mail."),
    )
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
    "privacy": PrivacyForm,
    "metrics": MetricsForm,
    "vendor": VendorForm,
}
# The four parts of the page, each with its forms.
PARTS: list[tuple[Any, list[str]]] = [
    (gettext_lazy("Leases and personal data"), ["seats", "privacy"]),
    (gettext_lazy("The way to the vendor"), ["proxy", "vendor"]),
    (gettext_lazy("Notifications"), ["mail"]),
    (gettext_lazy("Installation and logs"), ["cluster", "logs", "metrics"]),
]
