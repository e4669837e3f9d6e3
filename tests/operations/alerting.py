"""What tests of alerts share: settings for mail, and a worker that looks every minute."""

from datetime import datetime, timedelta

from licensing.models import Configuration, MailSecurity, OutgoingMail
from licensing.operations.actors import COMMAND
from licensing.operations.alerts import raise_alerts

ADMIN = COMMAND


def hours(number: float) -> timedelta:
    return timedelta(hours=number)


def settings_for_mail(port: int = 25, **fields: object) -> None:
    """Let mails go to a server on loopback."""
    values = {
        "smtp_host": "127.0.0.1",
        "smtp_port": port,
        "smtp_security": MailSecurity.NONE,
        "mail_sender": "klucze@firma.example",
        "admin_email": "it@firma.example",
        **fields,
    }
    Configuration.objects.update_or_create(pk=1, defaults=values)


def mails() -> list[OutgoingMail]:
    """Every mail, in the order in which they were decided."""
    return list(OutgoingMail.objects.order_by("created_at", "pk"))


def facts() -> list[str]:
    """What the mails tell, in order."""
    return [mail.fact for mail in mails()]


def tick_until(since: datetime, until: datetime, minutes: float = 30) -> list[tuple[datetime, OutgoingMail]]:
    """Let a worker look every so many minutes; what it queued, and when."""
    queued, now = [], since
    while now <= until:
        if raise_alerts(now):
            queued += [(now, mail) for mail in OutgoingMail.objects.filter(created_at=now).order_by("pk")]
        now += timedelta(minutes=minutes)
    return queued
