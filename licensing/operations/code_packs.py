"""The code pack held, and the challenge that asks the vendor for one of its codes."""

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Max
from django.utils.translation import gettext_lazy as _

from licensing.models import Challenge, HeldCodePack, Installation, OfflineActivation, SlotAttempts
from licensing.protocol.challenges import MOST_NONCE, format_message, make_challenge
from licensing.protocol.errors import ProtocolError
from licensing.protocol.messages import CodePack
from licensing.protocol.packs import verify_code_pack
from licensing.protocol.slots import OVERLAP, slot_end, valid_slots

from .authority_keys import authority_keys
from .errors import Refused

MOST_ATTEMPTS = 10


@dataclass(frozen=True)
class HeldPack:
    """The newest code pack, verified, with its bytes as received."""

    pack: CodePack
    jws: str

    @property
    def last_slot(self) -> int:
        """The last slot that it has a code for."""
        return self.pack.first_slot + len(self.pack.commitments) - 1


@dataclass(frozen=True)
class ChallengeMessage:
    """What the administrator sends to the vendor, and what the page tells beside it.

    `message` is the whole text of the SMS (`ERP PL …`), `challenge` its 28 symbols, `keys` the numbers that
    an answer renews; `used`: today's code has been accepted already.
    """

    message: str
    language: str
    challenge: str
    pack: int
    slot: int
    valid_until: datetime
    keys: tuple[str, ...]
    codes_left: int
    attempts_left: int
    used: bool

    @property
    def next_at(self) -> datetime:
        """From when on the next code can be asked for."""
        return slot_end(self.slot)


def held_pack() -> HeldPack | None:
    """The newest pack that was received; None where there is none, or the row was edited by hand."""
    jws = HeldCodePack.objects.values_list("jws", flat=True).filter(pk=1).first()
    installation = Installation.objects.values_list("thumbprint", flat=True).filter(pk=1).first()
    if not jws or not installation:
        return None
    try:
        return HeldPack(verify_code_pack(jws, authority_keys(), installation=installation), jws)
    except ProtocolError:
        return None


def need_pack(slots: Collection[int]) -> HeldPack:
    """The pack held, if it has a code for one of these slots.

    Raises:
        Refused: `no_pack`, `pack_used_up`.
    """
    held = held_pack()
    if held is None:
        raise Refused(
            "no_pack",
            _(
                "This installation has not been in contact with the vendor yet, so it has no codes. Use a "
                "request file: export it, send it to the vendor, and import the answer."
            ),
        )
    if not any(held.pack.commitment(slot) for slot in slots):
        raise Refused(
            "pack_used_up",
            _(
                "The last contact with the vendor brought no code for today. Use a request file: export it, "
                "send it to the vendor, and import the answer."
            ),
        )
    return held


def challenge_message(now: datetime, language: str) -> ChallengeMessage:
    """Today's challenge as a message in `PL` or `EN`; there is one per pack and slot.

    Where the pack ended yesterday, that day's challenge, as long as its code would still be accepted.

    Raises:
        Refused: `no_pack`, `pack_used_up`.
    """
    today, *yesterday = valid_slots(now)
    held = need_pack([today, *filter(_is_open, yesterday)])
    slot = today if held.pack.commitment(today) else today - 1
    challenge = make_challenge(
        installation=held.pack.installation,
        lowest_key=held.pack.lowest_key,
        pack=held.pack.pack,
        slot=slot,
        nonce=_nonce(held.pack.pack, slot),
        challenge_key=held.pack.challenge_key,
    )
    last_used = last_used_slot()
    return ChallengeMessage(
        message=format_message(language, challenge),
        language=language.upper(),
        challenge=challenge,
        pack=held.pack.pack,
        slot=slot,
        valid_until=slot_end(slot) + OVERLAP,
        keys=tuple(sorted(held.pack.keys)),
        codes_left=held.last_slot - max(slot - 1, last_used),
        attempts_left=MOST_ATTEMPTS - attempts_made(slot),
        used=slot <= last_used,
    )


def _is_open(slot: int) -> bool:
    """Whether that day's code was not used, and may still be tried."""
    return slot > last_used_slot() and attempts_made(slot) < MOST_ATTEMPTS


def last_used_slot() -> int:
    """The slot of the last code accepted; -1 where none was."""
    last = OfflineActivation.objects.aggregate(last=Max("slot"))["last"]
    return -1 if last is None else int(last)


def attempts_made(slot: int) -> int:
    """How many codes were tried for a slot."""
    return SlotAttempts.objects.values_list("attempts", flat=True).filter(slot=slot).first() or 0


def _nonce(pack: int, slot: int) -> int:
    """The nonce of a pack and slot, drawn once: of two who draw at once, both get the one that was stored."""
    drawn = Challenge(pack=pack, slot=slot, nonce=secrets.randbelow(MOST_NONCE + 1))
    if not Challenge.objects.filter(pack=pack, slot=slot).exists():
        Challenge.objects.bulk_create([drawn], ignore_conflicts=True)
    return Challenge.objects.values_list("nonce", flat=True).get(pack=pack, slot=slot)
