"""What the vendor's answer does, on-line or from a file alike (vendor-protocol.md).

The answer as a whole is accepted or not; then each grant, the code pack and the key set in it are judged
by themselves, so that one that is bad leaves the others good.
"""

from dataclasses import dataclass
from datetime import datetime

from licensing.models import (
    HeldCodePack,
    Installation,
    OpenRequest,
    PendingRelease,
    VirtualKey,
)
from licensing.protocol.answers import verify_answer
from licensing.protocol.errors import ProtocolError
from licensing.protocol.messages import GRANTED, REFUSED, KeyAnswer
from licensing.protocol.packs import verify_code_pack

from .actors import PORTAL
from .authority_keys import authority_keys, learn_key_set
from .causes import OVERTAKEN
from .clock import learn_offset
from .errors import Refused
from .events import record
from .installation import bump_version
from .key_answers import granted, refused
from .leases import clamp_to_deadlines
from .requests import HELD_BACK, OpenContact, leaves_open, mark_of, mark_of_release, plan

UNUSABLE = "unusable"
RELEASED = "released"
NEEDS_VENDOR = "needs_vendor"


@dataclass(frozen=True)
class KeyLine:
    """What a contact brought for one key, and why.

    `granted`, `released`, `needs_vendor` (removed, but only the vendor's reset frees it; `reason`: why its
    PIN did not help), `refused` or `unusable`.
    """

    number: str
    result: str
    reason: str | None = None
    active_on: str | None = None

    @property
    def is_good(self) -> bool:
        """Whether the key was granted or released, as was asked."""
        return self.result in (GRANTED, RELEASED)


@dataclass(frozen=True)
class Accepted:
    """An answer that was accepted: a line per key, the portal time from now on, and what is left to ask."""

    lines: tuple[KeyLine, ...]
    now: datetime
    leaves_open: bool


def accept_answer(answer_jws: str, asked: OpenContact, now: datetime, *, on_line: bool) -> Accepted:
    """Carry out the vendor's answer to the open request and close it, in the caller's transaction.

    Args:
        now: portal time at which the answer came.
        on_line: False for a file, which teaches no clock.

    Raises:
        ProtocolError: it is no answer of the vendor's to this request; nothing has changed.
        Refused: `overtaken`: the request was closed meanwhile.
    """
    answer = verify_answer(answer_jws, authority_keys(), asked.request, asked.jws)
    # Its row is locked before any key's, as by whoever changes keys.
    bump_version()
    row = OpenRequest.objects.select_for_update().filter(pk=1, request_id=asked.request_id).first()
    if row is None:
        raise Refused(OVERTAKEN)
    if on_line and row.sendings == 1 and row.exported_at is None:
        now = learn_offset(answer.answered_at, now)
    has_new_keys = answer.jwks is not None and learn_key_set(answer.jwks)
    if has_new_keys:
        record("authority_keys_changed", now, PORTAL)
    row.delete()
    outcomes = [_key_answer(key, asked, now) for key in answer.keys]
    released = [
        _released(number, asked, now) for number in answer.released if number in asked.request.release
    ]
    if answer.codes:
        _keep_pack(answer.codes, now)
    clamp_to_deadlines(now)
    lines = tuple(line for line, _ in outcomes) + tuple(released)
    is_past = any(is_past for _, is_past in outcomes)
    # What was still signed by a key that has just been retired comes signed anew in the next contact.
    is_retired = has_new_keys and any(line.result == UNUSABLE for line in lines)
    return Accepted(lines, now, is_past or is_retired or leaves_open(asked, plan()))


def _key_answer(answer: KeyAnswer, asked: OpenContact, now: datetime) -> tuple[KeyLine, bool]:
    """The line for one key, and whether its grant had already run out when it came."""
    mark = asked.marks.get(answer.number, "")
    line = KeyLine(answer.number, answer.result, answer.reason, answer.active_on)
    if mark.startswith("release "):
        return _bound_before_release(answer, asked, line, now), False
    key = VirtualKey.objects.select_for_update().filter(number=answer.number).first()
    if key is None or not mark.startswith(f"key {key.pk}."):
        # Removed meanwhile, perhaps added again since.
        return line, False
    if answer.result == GRANTED:
        return _granted(key, answer, line, asked, now)
    if answer.result == REFUSED and mark == mark_of(key):
        refused(key, answer, now)
    return line if answer.result == REFUSED else KeyLine(answer.number, UNUSABLE, "malformed"), False


def _granted(
    key: VirtualKey, answer: KeyAnswer, line: KeyLine, asked: OpenContact, now: datetime
) -> tuple[KeyLine, bool]:
    bound_to, edited_since = asked.request.installation.machine, asked.marks[key.number] != mark_of(key)
    try:
        grant = granted(key, answer.grant or "", bound_to=bound_to, edited_since=edited_since, now=now)
    except ProtocolError as error:
        record("grant_unusable", now, PORTAL, key.number, reason=error.code)
        return KeyLine(key.number, UNUSABLE, error.code), False
    return line, grant.valid_until <= now


def _bound_before_release(answer: KeyAnswer, asked: OpenContact, line: KeyLine, now: datetime) -> KeyLine:
    """A removed key was to be bound anew first: if it is, the next request releases it."""
    row = PendingRelease.objects.defer("pin").filter(number=answer.number).first()
    if row is None or mark_of_release(row) != asked.marks[answer.number]:
        return line
    if answer.result == GRANTED:
        bound_to = asked.request.installation.machine
        PendingRelease.objects.filter(pk=row.pk).update(pin=None, bound_machine=bound_to)
    if answer.reason in HELD_BACK:
        PendingRelease.objects.filter(pk=row.pk).update(pin=None, needs_vendor=True, refusal=answer.reason)
        record("release_needs_vendor", now, PORTAL, answer.number, reason=answer.reason)
    if answer.reason == "active_elsewhere":
        row.delete()
    return line


def _released(number: str, asked: OpenContact, now: datetime) -> KeyLine:
    """The vendor names each number that was to be released, whether or not that has freed its key.

    It frees one that is bound to the very machine that asks, which may have changed since the removal.
    """
    row = PendingRelease.objects.defer("pin").filter(number=number, pin__isnull=True).first()
    if row is None:
        return KeyLine(number, RELEASED)
    row.delete()
    has_moved = row.bound_machine not in ("", asked.request.installation.machine)
    if has_moved and not row.needs_vendor:
        record("release_needs_vendor", now, PORTAL, number)
    if has_moved or row.needs_vendor:
        return KeyLine(number, NEEDS_VENDOR, row.refusal or None)
    record("key_released", now, PORTAL, number)
    return KeyLine(number, RELEASED)


def _keep_pack(pack_jws: str, now: datetime) -> None:
    """Keep the newest code pack; one that does not verify or is not newer is left aside."""
    keys = authority_keys()
    installation = Installation.objects.values_list("thumbprint", flat=True).get(pk=1)
    held = HeldCodePack.objects.values_list("jws", flat=True).filter(pk=1).first()
    try:
        pack = verify_code_pack(pack_jws, keys, installation=installation)
    except ProtocolError as error:
        record("code_pack_unusable", now, PORTAL, reason=error.code)
        return
    try:
        held_number = verify_code_pack(held, keys, installation=installation).pack if held else 0
    except ProtocolError:
        held_number = 0
    if pack.pack > held_number:
        stored = {"pack": pack.pack, "jws": pack_jws.strip(), "received_at": now}
        HeldCodePack.objects.update_or_create(pk=1, defaults=stored)
