"""Activation without a network: one code renews all keys of the pack for 72 h (offline-codes.md).

Nothing here can compute a code: what is typed is accepted only if its scrypt hash is the commitment that
the vendor signed for that pack and day.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import F
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from licensing.models import OfflineActivation, Role, SlotAttempts
from licensing.protocol.codes import proves, proves_reordered, read_code
from licensing.protocol.errors import Mistyped
from licensing.protocol.slots import code_deadline, valid_slots
from licensing.protocol.times import format_instant

from .actors import Actor
from .code_packs import (
    MOST_ATTEMPTS,
    ChallengeMessage,
    HeldPack,
    attempts_made,
    challenge_message,
    last_used_slot,
    need_pack,
)
from .entitlements import entitlements
from .errors import Refused
from .events import record
from .files import export_request, import_answer
from .installation import bump_version
from .leases import clamp_to_deadlines
from .transactions import in_transaction

__all__ = [
    "ChallengeMessage",
    "OfflineRenewal",
    "activate_offline",
    "export_request",
    "import_answer",
    "offline_challenge",
]

CHANNEL_LENGTH = 16


@dataclass(frozen=True)
class OfflineRenewal:
    """A code that was accepted.

    `valid_until`: the end that it proves; `keys`: the contact deadline of each active key of the pack;
    `codes_left`: for how many more days the pack has codes.
    """

    valid_until: datetime
    keys: dict[str, datetime]
    codes_left: int


def offline_challenge(now: datetime, language: str) -> ChallengeMessage:
    """The message to send to the vendor, `language` being `PL` or `EN`.

    Raises:
        Refused: `no_pack`, `pack_used_up`.
    """
    return challenge_message(now, language)


def activate_offline(now: datetime, actor: Actor, code: str, channel: str) -> OfflineRenewal:
    """Accept the code that the vendor gave for today's challenge (for two hours also yesterday's).

    Call it outside of transactions: an attempt counts even where the code is refused.

    Args:
        channel: by which way the code came: `sms`, `mail`, `telephone`, `command` …

    Raises:
        Refused: `not_permitted`, `no_pack`, `pack_used_up`, `mistyped`, `too_many_attempts`, `already_used`,
            `wrong_order`, `wrong_code`; each sentence says what to do next.
    """
    actor.require(Role.OPERATOR)
    slots = valid_slots(now)
    try:
        symbols = read_code(code)
    except Mistyped:
        raise _mistyped() from None
    held = need_pack(slots)
    slot = _proven_slot(held, symbols, _count_attempt(slots))
    _use_slot(slot, held, symbols, now, actor, channel)
    renewed = {number: held_key.contact_deadline for number, held_key in entitlements().items()}
    return OfflineRenewal(
        valid_until=code_deadline(slot, now),
        keys={number: end for number, end in renewed.items() if number in held.pack.keys},
        codes_left=held.last_slot - slot,
    )


def _count_attempt(slots: Sequence[int]) -> list[int]:
    """The slots for which this attempt is one of the ten; counted by the database, whoever else tries.

    Raises:
        Refused: `too_many_attempts`: there is none.
    """
    with transaction.atomic(durable=True):
        SlotAttempts.objects.bulk_create([SlotAttempts(slot=slot) for slot in slots], ignore_conflicts=True)
        counted = [slot for slot in slots if _one_of_ten(slot)]
    if not counted:
        raise Refused(
            "too_many_attempts",
            _(
                "Ten codes have been tried for today. Only a contact with the vendor helps now (on-line "
                "or by request file), or a new code tomorrow."
            ),
        )
    return counted


def _one_of_ten(slot: int) -> bool:
    left = SlotAttempts.objects.filter(slot=slot, attempts__lt=MOST_ATTEMPTS)
    return left.update(attempts=F("attempts") + 1) == 1


def _proven_slot(held: HeldPack, code: str, slots: Sequence[int]) -> int:
    """The slot whose code this is.

    Raises:
        Refused: `already_used`, `wrong_order`, `wrong_code`.
    """
    last_used = last_used_slot()
    for slot in slots:
        if proves(held.pack, slot, code):
            if slot <= last_used:
                raise _already_used()
            return slot
    unused = [slot for slot in slots if slot > last_used]
    if not unused:
        raise _already_used()
    if any(proves_reordered(held.pack, slot, code) for slot in unused):
        raise Refused(
            "wrong_order",
            _("The four boxes are right, but in another order. Enter them in the order that you were given."),
        )
    left = MOST_ATTEMPTS - max(attempts_made(slot) for slot in unused)
    sentence = ngettext_lazy(
        "This is not the code for the present challenge. Check that it answers the message shown here today, "
        "and ask for it again if need be. One attempt is left today.",
        "This is not the code for the present challenge. Check that it answers the message shown here today, "
        "and ask for it again if need be. %(count)d attempts are left today.",
        left,
    )
    raise Refused("wrong_code", sentence % {"count": left}, attempts_left=left)


def _use_slot(slot: int, held: HeldPack, code: str, now: datetime, actor: Actor, channel: str) -> None:
    """Use the slot, once: of two who enter the right code at once, one renews."""

    def work(_: object) -> None:
        # Changing the installation's row makes whoever else is here wait for us.
        bump_version()
        if slot <= last_used_slot():
            raise _already_used()
        OfflineActivation.objects.create(
            slot=slot,
            pack_jws=held.jws,
            code=code,
            activated_at=now,
            actor=actor.name,
            channel=channel[:CHANNEL_LENGTH],
        )
        clamp_to_deadlines(now)
        until = format_instant(code_deadline(slot, now))
        keys = sorted(held.pack.keys)
        record("activated_offline", now, actor, channel=channel, slot=slot, until=until, keys=keys)

    in_transaction(work)


def _mistyped() -> Refused:
    return Refused(
        "mistyped",
        _(
            "This is not a code as the vendor gives it: it has four boxes of four letters and digits. "
            "Compare it with the one that you were given; a mistyped code is not counted as an attempt."
        ),
    )


def _already_used() -> Refused:
    return Refused(
        "already_used",
        _(
            "The code for today has been accepted already, so there is nothing more to enter. The next one "
            "can be asked for tomorrow."
        ),
    )
