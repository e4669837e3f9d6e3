"""The code pack: signed commitments to activation codes that only the authority can derive."""

from typing import Final

from .encoding import encode_bytes
from .errors import MalformedMessage, WrongMessage
from .fields import INSTALLATION_ID, KEY_NUMBER, LARGEST_COUNT, MOST_KEYS, Fields, exact_bytes
from .jose import Members, open_jws, sign_jws
from .keys import AuthorityKeys, AuthoritySecrets
from .messages import CodePack
from .slots import slot_of
from .times import format_instant

PACK_TYPE: Final = "km-codes+jws"
PACK_SLOTS: Final = 30


def sign_code_pack(pack: CodePack, secrets: AuthoritySecrets) -> str:
    """The pack as a compact JWS by the authority."""
    members = {
        "v": 1,
        "installation": pack.installation,
        "pack": pack.pack,
        "issued_at": format_instant(pack.issued_at),
        "keys": dict(pack.keys),
        "challenge_key": encode_bytes(pack.challenge_key),
        "first_slot": pack.first_slot,
        "commitments": [encode_bytes(commitment) for commitment in pack.commitments],
    }
    signing = secrets.signing
    return sign_jws(members, signing.key, {"kid": signing.kid, "typ": PACK_TYPE})


def verify_code_pack(pack_jws: str, keys: AuthorityKeys, *, installation: str) -> CodePack:
    """The pack in a JWS by the authority, for this installation.

    Whether its number is greater than that of the pack held is for the caller. Raises BadSignature,
    MalformedMessage or WrongMessage.
    """
    pack = _read_pack(open_jws(pack_jws, PACK_TYPE, keys.signer).members)
    if pack.installation != installation:
        raise WrongMessage("a code pack for another installation")
    return pack


def _read_pack(members: Members) -> CodePack:
    fields = Fields(members, "the code pack").version_1()
    commitments = fields.items("commitments", PACK_SLOTS)
    pack = CodePack(
        installation=fields.text("installation", INSTALLATION_ID),
        pack=fields.whole("pack", 1, LARGEST_COUNT),
        issued_at=fields.instant("issued_at"),
        keys=_read_keys(fields.any("keys")),
        challenge_key=fields.binary("challenge_key", 32),
        first_slot=fields.whole("first_slot", 0, LARGEST_COUNT),
        commitments=tuple(exact_bytes(item, 32, "a commitment") for item in commitments),
    )
    if len(commitments) != PACK_SLOTS or pack.first_slot != slot_of(pack.issued_at):
        raise MalformedMessage("the code pack is not for 30 days from its issue")
    return pack


def _read_keys(value: object) -> dict[str, int]:
    fields = Fields(value, "the pack's keys")
    numbers = fields.names(KEY_NUMBER, MOST_KEYS)
    return {number: fields.whole(number, 1, LARGEST_COUNT) for number in numbers}
