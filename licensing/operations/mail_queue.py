"""Mail that is never lost and never doubled: decided with the fact, delivered afterwards.

A row is written in the transaction of the fact it tells; a unique key holds that no fact is told twice.
Sending claims a row by one conditional UPDATE, so two workers never send one mail. Only a server that
drops the line after it took a mail can receive it again, then under the same Message-ID.
"""

import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import F, Q
from django.template.loader import render_to_string
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from licensing import mail
from licensing.mail import Letter, MailError, MailServer
from licensing.models import Configuration, Installation, MailState, OutgoingMail, Role

from .actors import Actor
from .errors import Refused
from .mail_text import blocks
from .recipients import Recipient

# Longer than a sending can take (tasks are ended after 60 s), so that a claim outlives no living worker.
CLAIM = timedelta(minutes=2)
# No letter is begun so late that its own limit (`mail.LETTER_SECONDS`) would come after the task's.
ROUND = timedelta(seconds=25)
GIVE_UP_AFTER = timedelta(hours=24)
# An hour and a half: who was switched off meanwhile has not tried, and the mail server may have been off too.
LEAST_ATTEMPTS = 8
LONGEST_PAUSE = timedelta(minutes=30)
SENT = "sent"
# What holds for every mail alike.
SERVER_FAULTS = frozenset(
    ("mail_not_configured", "smtp_unreachable", "smtp_tls", "smtp_login", "smtp_timeout")
)
# Longer than any fact stays true: a module is told of 30 days before it expires.
KEPT = timedelta(days=90)


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
        "smtp_timeout": _(
            "The SMTP server %(host)s took the connection on port %(port)s, but gives no answer in time "
            "(%(said)s)."
        ),
        "smtp_dropped": _("The SMTP server %(host)s dropped the connection on port %(port)s (%(said)s)."),
        "mail_broken_off": _("The sending of this mail was broken off (%(said)s)."),
    }
    return known[code] % params


Context = Mapping[str, object]


def queue_mail(
    now: datetime,
    fact: str,
    template: str,
    recipients: Iterable[Recipient],
    context: Context | Callable[[], Context],
) -> int:
    """Queue one mail to each recipient in its language, in the caller's transaction; how many were new.

    Args:
        fact: what the mail tells, e.g. `contact_lost:5000006622:2026-11-24T…`; told once per recipient.
        template: folder under `templates/emails` with `subject.txt` and `body.txt`.
        context: what the templates name; where it depends on the language, what makes it.
    """
    told = set(OutgoingMail.objects.filter(fact=fact).values_list("recipient", flat=True))
    letters: dict[str, tuple[str, str, str]] = {}
    rows = []
    for recipient in recipients:
        if recipient.address in told:
            continue
        told.add(recipient.address)
        if recipient.language not in letters:
            letters[recipient.language] = _write(template, context, recipient.language)
        subject, text, html = letters[recipient.language]
        rows.append(
            OutgoingMail(
                fact=fact,
                recipient=recipient.address,
                subject=subject,
                text=text,
                html=html,
                message_id=_message_id(fact, recipient.address),
                created_at=now,
                next_attempt_at=now,
            )
        )
    OutgoingMail.objects.bulk_create(rows, ignore_conflicts=True)
    return len(rows)


def _write(template: str, context: Context | Callable[[], Context], language: str) -> tuple[str, str, str]:
    """Subject, text and HTML of a mail in a language."""
    with translation.override(language), timezone.override(None):
        words = {**(context() if callable(context) else context), "language": language}
        subject = " ".join(render_to_string(f"emails/{template}/subject.txt", words).split())[:255]
        body = render_to_string(f"emails/{template}/body.txt", words)
        text = re.sub(r"\n{3,}", "\n\n", body).strip() + "\n"
        html = render_to_string("emails/letter.html", {"blocks": list(blocks(text)), **words})
    return subject, text, html


def send_queued_mail(clock: Callable[[], datetime]) -> int:
    """Send what is due; how many were taken by the server. Harmless when run twice at once.

    A server that cannot be used ends the round: it would hold up, and count against, the other mails too.
    """
    sent, began = 0, clock()
    due = OutgoingMail.objects.filter(_due(began)).order_by("created_at", "pk")
    for pk in due.values_list("pk", flat=True)[:200]:
        outcome = _send_one(pk, clock)
        sent += outcome == SENT
        if outcome in SERVER_FAULTS or clock() - began >= ROUND:
            break
    return sent


def _send_one(pk: int, clock: Callable[[], datetime]) -> str:
    """What became of a mail: `sent`, the code of the error, or nothing where another worker was first."""
    now = clock()
    claimed = OutgoingMail.objects.filter(_due(now), pk=pk).update(
        claimed_until=now + CLAIM, attempts=F("attempts") + 1
    )
    if claimed != 1:
        return ""
    row = OutgoingMail.objects.get(pk=pk)
    try:
        mail.send(Letter(row.recipient, row.subject, row.text, row.html, row.message_id), mail_server())
    except (MailError, Refused) as error:
        said = str(error.params.get("said", "")) if isinstance(error, MailError) else ""
        _put_off(row, f"{error.code} {said}", clock())
        return error.code
    except BaseException as error:
        # The task's own limit is no usual exception. The mail must not come up again and again for ever.
        _put_off(row, f"mail_broken_off {type(error).__name__}", clock())
        raise
    OutgoingMail.objects.filter(pk=pk).update(
        state=MailState.SENT, sent_at=clock(), claimed_until=None, last_error=""
    )
    return SENT


def _due(now: datetime) -> Q:
    """Queued, its pause over, and nobody at it. A time too far ahead was set by a clock that was wrong."""
    is_due = Q(next_attempt_at__lte=now) | Q(next_attempt_at__gt=now + 2 * LONGEST_PAUSE)
    is_free = Q(claimed_until__isnull=True) | Q(claimed_until__lte=now) | Q(claimed_until__gt=now + 2 * CLAIM)
    return Q(state=MailState.QUEUED) & is_due & is_free


def _put_off(row: OutgoingMail, error: str, now: datetime) -> None:
    """Try again after 1, 2, 4 … 30 min; after 24 h the mail has failed, and the portal shows it.

    One that a clock queued which was ahead is as if queued now.
    """
    pause = min(timedelta(minutes=2 ** min(row.attempts - 1, 10)), LONGEST_PAUSE)
    failed = now - row.created_at >= GIVE_UP_AFTER and row.attempts >= LEAST_ATTEMPTS
    OutgoingMail.objects.filter(pk=row.pk).update(
        state=MailState.FAILED if failed else MailState.QUEUED,
        created_at=min(row.created_at, now),
        next_attempt_at=now + pause,
        claimed_until=None,
        last_error=error.strip()[:255],
    )


def send_again(now: datetime, actor: Actor, mail_id: int) -> None:
    """Put a mail that has failed back into the queue, for another 24 h.

    Raises:
        Refused: `not_permitted`, `not_found`.
    """
    actor.require(Role.OPERATOR)
    # One that named users has lost its text after some time (`forgetting.py`).
    failed = OutgoingMail.objects.filter(pk=mail_id, state=MailState.FAILED).exclude(text="")
    again = failed.update(
        state=MailState.QUEUED, created_at=now, next_attempt_at=now, claimed_until=None, attempts=0
    )
    if again != 1:
        raise Refused("not_found", _("This mail is not among those that have failed."))


def forget_mails(now: datetime) -> int:
    """Delete mails of long ago; how many there were. None of the facts that they told can come up again."""
    return OutgoingMail.objects.filter(created_at__lt=now - KEPT).delete()[0]


def error_sentence(last_error: str) -> str:
    """What went wrong with a mail, by its row's `last_error`, in the language now active."""
    code, _space, said = last_error.partition(" ")
    row = Configuration.objects.filter(pk=1).values_list("smtp_host", "smtp_port").first() or ("", 0)
    try:
        return sentence(code, {"host": row[0], "port": row[1], "said": said})
    except KeyError:
        return last_error


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
        ca_file=settings.KEYMANAGER.ca_file,
        ca_pem=row.company_ca,
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
