"""Mail that is never lost and never doubled: decided with the fact, delivered afterwards.

A row is written in the transaction of the fact it tells; a unique key holds that no fact is told twice.
Sending claims a row by one conditional UPDATE, so two workers never send one mail. Only a server that
drops the line after it took a mail can receive it again, then under the same Message-ID.
"""

import uuid
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from django.db.models import F, Q
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.translation import gettext as _

from licensing import mail
from licensing.mail import Letter, MailError, MailServer
from licensing.models import Configuration, Installation, MailState, OutgoingMail, Role

from .actors import Actor
from .configuration import addresses
from .errors import Refused

# Longer than a sending can take (tasks are ended after 60 s), so that a claim outlives no living worker.
CLAIM = timedelta(minutes=2)
GIVE_UP_AFTER = timedelta(hours=24)
LONGEST_PAUSE = timedelta(minutes=30)


def sentence(code: str, params: dict[str, object]) -> str:
    """What went wrong with a mail, and what to do, in the language now active."""
    known = {
        "mail_not_configured": _(
            "No SMTP server is configured: enter it under Configuration, Advanced, E-mail."
        ),
        "smtp_unreachable": _(
            "The SMTP server %(host)s cannot be reached on port %(port)s: check the name, the port and the "
            "firewall (%(said)s)."
        ),
        "smtp_tls": _(
            "No secure connection with the SMTP server %(host)s on port %(port)s: check the choice of TLS or "
            "STARTTLS, and the server's certificate (%(said)s)."
        ),
        "smtp_login": _("The SMTP server %(host)s refuses the log-in: check name and password (%(said)s)."),
        "smtp_refused": _("The SMTP server %(host)s refuses the mail: %(said)s"),
        "smtp_dropped": _("The SMTP server %(host)s dropped the connection on port %(port)s (%(said)s)."),
    }
    return known[code] % params


def queue_mail(
    now: datetime,
    fact: str,
    recipients: Iterable[str],
    template: str,
    context: dict[str, object],
    language: str,
) -> int:
    """Queue one mail to each recipient, in the caller's transaction; how many were new.

    Args:
        fact: what the mail tells, e.g. `contact_lost:5000006622:2026-11-24T…`; told once per recipient.
        template: folder under `templates/emails` with `subject.txt`, `body.txt` and `body.html`.
    """
    with translation.override(language):
        subject = " ".join(render_to_string(f"emails/{template}/subject.txt", context).split())
        text = render_to_string(f"emails/{template}/body.txt", context).strip() + "\n"
        html = render_to_string(f"emails/{template}/body.html", context)
    rows = [
        OutgoingMail(
            fact=fact,
            recipient=recipient,
            subject=subject[:255],
            text=text,
            html=html,
            message_id=_message_id(fact, recipient),
            created_at=now,
            next_attempt_at=now,
        )
        for recipient in dict.fromkeys(recipients)
    ]
    before = OutgoingMail.objects.filter(fact=fact).count()
    OutgoingMail.objects.bulk_create(rows, ignore_conflicts=True)
    return OutgoingMail.objects.filter(fact=fact).count() - before


def administrators() -> list[str]:
    """The addresses that alerts go to."""
    row = Configuration.objects.values_list("admin_email", flat=True).filter(pk=1).first()
    return addresses(row or "")


def send_queued_mail(clock: Callable[[], datetime]) -> int:
    """Send what is due; how many were taken by the server. Harmless when run twice at once."""
    sent = 0
    due = Q(state=MailState.QUEUED, next_attempt_at__lte=clock())
    for pk in OutgoingMail.objects.filter(due).order_by("created_at").values_list("pk", flat=True)[:200]:
        sent += _send_one(pk, clock)
    return sent


def _send_one(pk: int, clock: Callable[[], datetime]) -> bool:
    now = clock()
    free = Q(claimed_until__isnull=True) | Q(claimed_until__lte=now)
    claimed = OutgoingMail.objects.filter(
        free, pk=pk, state=MailState.QUEUED, next_attempt_at__lte=now
    ).update(claimed_until=now + CLAIM, attempts=F("attempts") + 1)
    if claimed != 1:
        return False
    row = OutgoingMail.objects.get(pk=pk)
    try:
        mail.send(Letter(row.recipient, row.subject, row.text, row.html, row.message_id), mail_server())
    except (MailError, Refused) as error:
        _put_off(row, error, clock())
        return False
    OutgoingMail.objects.filter(pk=pk).update(
        state=MailState.SENT, sent_at=clock(), claimed_until=None, last_error=""
    )
    return True


def _put_off(row: OutgoingMail, error: MailError | Refused, now: datetime) -> None:
    """Try again after 1, 2, 4 … 30 min; after 24 h the mail has failed, and the portal shows it."""
    pause = min(timedelta(minutes=2 ** min(row.attempts - 1, 10)), LONGEST_PAUSE)
    failed = now - row.created_at >= GIVE_UP_AFTER
    said = str(error.params.get("said", "")) if isinstance(error, MailError) else ""
    OutgoingMail.objects.filter(pk=row.pk).update(
        state=MailState.FAILED if failed else MailState.QUEUED,
        next_attempt_at=now + pause,
        claimed_until=None,
        last_error=f"{error.code} {said}".strip()[:255],
    )


def mail_server() -> MailServer:
    """The SMTP server of the Configuration.

    Raises:
        Refused: mail_not_configured.
    """
    row = Configuration.objects.filter(pk=1).first()
    if row is None or not row.smtp_host or not row.mail_sender:
        raise Refused("mail_not_configured", sentence("mail_not_configured", {}))
    return MailServer(
        row.smtp_host,
        row.smtp_port,
        row.smtp_security,
        row.smtp_login,
        row.smtp_password or "",
        row.mail_sender,
    )


def send_test_mail(now: datetime, actor: Actor, recipient: str, language: str) -> None:
    """Send one mail at once, past the queue, so that whoever set the server up sees what it says.

    Raises:
        Refused: not_permitted, mail_not_configured, or the code of the SMTP failure with its sentence.
    """
    actor.require(Role.ADMINISTRATOR)
    with translation.override(language):
        letter = Letter(
            recipient,
            _("Key Manager: test of e-mail"),
            _("This mail shows that the Key Manager can send e-mail. Nothing else has happened.") + "\n",
            "",
            _message_id(f"test:{now.isoformat()}:{uuid.uuid4()}", recipient),
        )
    try:
        mail.send(letter, mail_server())
    except MailError as error:
        raise Refused(error.code, sentence(error.code, error.params), **error.params) from error


def _message_id(fact: str, recipient: str) -> str:
    """Stable for a fact and recipient, and different in every installation (RFC 5322, 3.6.4)."""
    installation = Installation.objects.values_list("thumbprint", flat=True).filter(pk=1).first() or "none"
    return f"<{uuid.uuid5(uuid.NAMESPACE_URL, f'{installation}/{fact}/{recipient}')}@key-manager.invalid>"
