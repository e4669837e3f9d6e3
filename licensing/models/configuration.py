"""What an administrator may change in the pages; every change takes effect without a restart."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from .sealed import SealedField


class MailSecurity(models.TextChoices):
    NONE = "none", _("None")
    STARTTLS = "starttls", "STARTTLS"
    TLS = "tls", "TLS"


class Configuration(models.Model):
    """The one row of settings. `restore_defaults` puts each field back to its default here."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    inactivity_seconds = models.PositiveIntegerField(
        _("Time to release an inactive module (seconds)"),
        default=1800,
        validators=[MinValueValidator(70), MaxValueValidator(86400)],
    )
    name_holders = models.BooleanField(_("Name the holders in refusals"), default=True)
    names_kept_days = models.PositiveIntegerField(
        _("Days for which users' names are kept"),
        default=90,
        validators=[MinValueValidator(30), MaxValueValidator(3650)],
    )
    log_level = models.PositiveSmallIntegerField(_("Log level"), default=0, validators=[MaxValueValidator(3)])

    proxy_host = models.CharField(_("Proxy address"), max_length=253, blank=True)
    proxy_port = models.PositiveIntegerField(
        _("Port"), null=True, blank=True, validators=[MinValueValidator(1), MaxValueValidator(65535)]
    )
    proxy_login = models.CharField(_("Log-in"), max_length=128, blank=True)
    proxy_password = SealedField(_("Password"), null=True, blank=True)
    # In PEM form, trusted besides the system's: for a proxy that opens TLS.
    company_ca = models.TextField(_("Company's CA certificate"), blank=True, max_length=65536)

    clustered = models.BooleanField(_("Clustered installation"), default=False)
    cluster_name = models.CharField(_("SQL cluster name"), max_length=64, blank=True)

    admin_email = models.CharField(_("Administrator's e-mail"), max_length=512, blank=True)
    notify_contact_lost = models.BooleanField(_("Notify when a key loses contact"), default=True)
    # Hours without contact after which a warning goes out, e.g. "4, 24, 48, 66"; the mail at 72 h is apart.
    contact_warning_hours = models.CharField(
        _("Warn after hours without contact"), max_length=64, default="4, 24, 48, 66", blank=True
    )
    portal_url = models.URLField(_("Portal's address in e-mails"), max_length=253, blank=True)
    smtp_host = models.CharField(_("SMTP server"), max_length=253, blank=True)
    smtp_port = models.PositiveIntegerField(
        _("SMTP port"), default=587, validators=[MinValueValidator(1), MaxValueValidator(65535)]
    )
    smtp_security = models.CharField(
        _("SMTP security"), max_length=8, choices=MailSecurity.choices, default=MailSecurity.STARTTLS
    )
    smtp_login = models.CharField(_("SMTP log-in"), max_length=128, blank=True)
    smtp_password = SealedField(_("SMTP password"), null=True, blank=True)
    mail_sender = models.EmailField(_("Sender's address"), blank=True)

    metrics_networks = models.CharField(
        _("Networks that may read the metrics"), max_length=512, default="127.0.0.0/8, ::1/128", blank=True
    )

    # The vendor's profile: where an activation code is asked for without a network.
    activation_sms = models.CharField(_("Number for SMS"), max_length=20, default="7148", blank=True)
    activation_email = models.EmailField(_("Address for e-mail"), default="mk@comarch.pl", blank=True)
    activation_phone = models.CharField(
        _("Number for telephone calls"), max_length=30, blank=True, default="+48 12 681 4300"
    )

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(id=1), name="configuration_is_one"),
            models.CheckConstraint(
                condition=Q(inactivity_seconds__gte=70, inactivity_seconds__lte=86400),
                name="configuration_inactivity_in_range",
            ),
            models.CheckConstraint(
                condition=Q(names_kept_days__gte=30, names_kept_days__lte=3650),
                name="configuration_names_kept_in_range",
            ),
            models.CheckConstraint(
                condition=Q(log_level__gte=0, log_level__lte=3), name="configuration_log_level_known"
            ),
            models.CheckConstraint(
                condition=Q(proxy_port__isnull=True) | Q(proxy_port__gte=1, proxy_port__lte=65535),
                name="configuration_proxy_port_in_range",
            ),
            models.CheckConstraint(
                condition=Q(clustered=False) | ~Q(cluster_name=""), name="configuration_cluster_named"
            ),
            models.CheckConstraint(
                condition=Q(smtp_port__gte=1, smtp_port__lte=65535), name="configuration_smtp_port_in_range"
            ),
        ]

    def __str__(self) -> str:
        return "configuration"
