"""The same contact by hand: the open request as a file, and the vendor's answer from one."""

import random
from dataclasses import asdict, dataclass
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from licensing.models import ContactAttempt, OpenRequest, Role
from licensing.protocol.errors import BadSignature, ProtocolError, WrongMessage

from . import contact_schedule as schedule
from .actors import Actor
from .answers import accept_answer
from .causes import OK, OVERTAKEN
from .contact_reports import ContactReport, report_of
from .errors import Refused
from .events import record
from .requests import current_request, give_up, plan, says_all, take_request
from .transactions import in_transaction

FILE = "file"
BYTE_ORDER_MARK = "\ufeff"


@dataclass(frozen=True)
class RequestFile:
    """A contact request as a file.

    `replaces_earlier`: another request was open and has been given up, so that an answer to an earlier file
    is worth nothing any more.
    """

    filename: str
    text: str
    replaces_earlier: bool


def export_request(now: datetime, actor: Actor) -> RequestFile:
    """The open request as a file, or a new one where there is none or something has changed since.

    Raises:
        Refused: `not_permitted`; `nothing_to_ask`; `authority_keys_missing`, or as `take_request`.
    """
    actor.require(Role.OPERATOR)
    with transaction.atomic():
        before = OpenRequest.objects.values_list("request_id", flat=True).filter(pk=1).first()
        opened, wanted = current_request(), plan()
        if wanted.is_empty:
            raise Refused("nothing_to_ask", _("There is no key to ask the vendor about. Add a key first."))
        if opened is not None and not says_all(opened, wanted):
            give_up(opened.request_id, "changed", now)
        asked = take_request(now)
        # An answer to a file may lie around for days, so it must teach no clock, on-line neither.
        OpenRequest.objects.filter(pk=1).update(exported_at=now)
        record("request_exported", now, actor, str(asked.request_id))
    filename = f"contact-request-{now:%Y-%m-%d}.kmreq"
    replaces = before is not None and before != asked.request_id
    return RequestFile(filename, asked.jws + "\n", replaces)


def import_answer(now: datetime, actor: Actor, text: str) -> ContactReport:
    """Carry out the vendor's answer from a file or a paste: same checks, same effect as a contact.

    Raises:
        Refused: `not_permitted`, `no_open_request`, `wrong_answer`, `forged`, `answer_damaged`; nothing has
            changed then, and each sentence says what to do next.
    """
    actor.require(Role.OPERATOR)
    asked = current_request()
    if asked is None:
        raise _no_open_request()

    def work(_: object) -> ContactReport:
        accepted = accept_answer(text.strip().lstrip(BYTE_ORDER_MARK), asked, now, on_line=False)
        schedule.plan_after_success(now, at_once=accepted.leaves_open, uniform=random.uniform)
        row = ContactAttempt.objects.create(
            started_at=now,
            finished_at=now,
            trigger=FILE,
            actor=actor.name,
            request_id=asked.request_id,
            outcome=OK,
            results=[asdict(line) for line in accepted.lines],
        )
        record("answer_imported", now, actor, str(asked.request_id))
        return report_of(row)

    try:
        return in_transaction(work)
    except ProtocolError as error:
        raise _not_accepted(error) from None
    except Refused as refusal:
        raise _no_open_request() if refusal.code == OVERTAKEN else refusal from None


def _no_open_request() -> Refused:
    return Refused(
        "no_open_request",
        _(
            "No request waits for an answer: this one has been imported already, or the vendor was reached "
            "on-line meanwhile. Export a new request file if something is left to ask."
        ),
    )


def _not_accepted(error: ProtocolError) -> Refused:
    if isinstance(error, WrongMessage):
        return Refused(
            "wrong_answer",
            _(
                "This answer belongs to an earlier request file or to another installation, so it is worth "
                "nothing here. Send the vendor the request file that was exported last, and import the "
                "answer to that one."
            ),
        )
    if isinstance(error, BadSignature):
        return Refused(
            "forged",
            _(
                "This answer is not signed by the vendor. Ask for it again, and check that "
                "KEYMANAGER_AUTHORITY_JWKS is the vendor's present file."
            ),
        )
    return Refused(
        "answer_damaged",
        _(
            "This is no whole answer of the vendor's. Import the file contact-answer-….kmans as it was sent, "
            "or paste all of its one line."
        ),
    )
