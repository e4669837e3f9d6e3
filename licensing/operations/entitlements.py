"""What the vendor's signed words give: the only source of seats, dates and deadlines.

Each is verified from the bytes stored, so that a row edited in the database gives nothing. Verifying
costs an ECDSA check (offline codes: an scrypt), so results are kept per process by the exact bytes.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from licensing.models import Installation, KeyState, OfflineActivation, VirtualKey
from licensing.protocol.codes import proves
from licensing.protocol.errors import ProtocolError
from licensing.protocol.fields import LARGEST_COUNT
from licensing.protocol.grants import verify_grant
from licensing.protocol.keys import AuthorityKeys
from licensing.protocol.messages import CodePack, Grant
from licensing.protocol.packs import verify_code_pack
from licensing.protocol.slots import code_deadline

from .authority_keys import authority_keys
from .serials import read_serials

# A code proves nothing beyond the third day after its own, so older ones need no look.
CODES_STILL_GOOD = 4
# Beyond any serial: of a key whose grants were never accepted here, none counts.
_NEVER = LARGEST_COUNT + 1
# The installation's thumbprint, its authority key set, and the newest serials as stored.
Known = tuple[str, str, str | None]


@dataclass(frozen=True)
class Activation:
    """The proof of an offline renewal, as the lease API hands it out."""

    codes: str
    slot: int
    code: str


@dataclass(frozen=True)
class Entitlement:
    """One active key: the verified grant and the moment its modules stop without a contact."""

    key_id: int
    number: str
    grant: Grant
    grant_jws: str
    contact_deadline: datetime
    activation: Activation | None


def entitlements(
    known: Known | None = None, keys_held: Iterable[VirtualKey] | None = None
) -> dict[str, Entitlement]:
    """Every active key whose stored grant verifies for this installation and is the newest, by number.

    Args:
        known: what they stand on, where the caller has read it already.
        keys_held: the rows of the keys with their grants, likewise.
    """
    known = known or _known_installation()
    if known is None:
        return {}
    installation, keys, newest = known[0], authority_keys(known[1]), read_serials(known[2])
    offline = _offline_ends(keys, installation)
    found = {}
    for key_id, number, grant_jws in _grants(keys_held):
        grant = _verified_grant(grant_jws, keys, installation, number) if grant_jws else None
        if grant_jws and grant is not None and grant.serial >= newest.get(number, _NEVER):
            found[number] = _entitlement(key_id, grant, grant_jws, offline)
    return found


def _known_installation() -> Known | None:
    columns = ("thumbprint", "authority_key_set", "newest_serials")
    return Installation.objects.values_list(*columns).filter(pk=1).first()


def _grants(keys_held: Iterable[VirtualKey] | None) -> Iterable[tuple[int, str, str | None]]:
    if keys_held is None:
        return VirtualKey.objects.filter(state=KeyState.ACTIVE).values_list("id", "number", "grant")
    return [(row.pk, row.number, row.grant) for row in keys_held if row.state == KeyState.ACTIVE]


@dataclass(frozen=True)
class _OfflineEnd:
    pack: CodePack
    end: datetime
    proof: Activation


def _entitlement(key_id: int, grant: Grant, grant_jws: str, offline: list[_OfflineEnd]) -> Entitlement:
    deadline, activation = grant.valid_until, None
    # The last code accepted whose pack has this key.
    last = next((end for end in offline if grant.key in end.pack.keys), None)
    if last is not None and last.end > deadline:
        deadline, activation = last.end, last.proof
    return Entitlement(key_id, grant.key, grant, grant_jws, deadline, activation)


def _offline_ends(keys: AuthorityKeys, installation: str) -> list[_OfflineEnd]:
    """What the codes accepted prove, the last first: never more than the end of its slot + 72 h each."""
    found = []
    for row in OfflineActivation.objects.order_by("-slot")[:CODES_STILL_GOOD]:
        pack = _proven_pack(row.pack_jws, keys, installation, row.slot, row.code)
        if pack is not None:
            end = code_deadline(row.slot, row.activated_at)
            found.append(_OfflineEnd(pack, end, Activation(row.pack_jws, row.slot, row.code)))
    return found


@lru_cache(maxsize=256)
def _verified_grant(jws: str, keys: AuthorityKeys, installation: str, number: str) -> Grant | None:
    try:
        return verify_grant(jws, keys, installation=installation, key=number)
    except ProtocolError:
        return None


@lru_cache(maxsize=32)
def _proven_pack(jws: str, keys: AuthorityKeys, installation: str, slot: int, code: str) -> CodePack | None:
    """The pack, if it verifies and its commitment for the slot is the code's (offline-codes.md)."""
    try:
        pack = verify_code_pack(jws, keys, installation=installation)
    except ProtocolError:
        return None
    return pack if code.isascii() and proves(pack, slot, code) else None
