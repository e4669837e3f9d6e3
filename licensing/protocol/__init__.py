"""The vendor's protocol, version 1: messages, signatures and offline codes, for portal and authority alike.

No Django, no clock, no network: every function is pure, and raises a ProtocolError where it refuses.
"""

from .answers import sign_answer, sign_key_set, verify_answer
from .challenges import Challenge, format_message, make_challenge, parse_challenge, read_message
from .codes import commitment, context, derive_code, proves, proves_reordered, read_code, reorderings
from .encoding import decode_bytes, encode_bytes
from .errors import BadSignature, MalformedMessage, Mistyped, ProtocolError, WrongMessage
from .grants import GRANT_LIFE, check_serial, read_module, sign_grant, verify_grant
from .keys import (
    AuthorityKeys,
    AuthoritySecrets,
    InstallationKey,
    cluster_machine,
    machine_id_digest,
    thumbprint,
)
from .messages import (
    GRANTED,
    REFUSAL_REASONS,
    REFUSED,
    UNREADABLE,
    CodePack,
    ContactAnswer,
    ContactRequest,
    Credentials,
    Grant,
    GrantedModule,
    InstallationInfo,
    KeyAnswer,
    KeyRequest,
)
from .packs import PACK_SLOTS, sign_code_pack, verify_code_pack
from .requests import open_credentials, request_sha256, seal_credentials, sign_request, verify_request
from .slots import (
    CODE_LIFE,
    code_deadline,
    latest_code_deadline,
    slot_end,
    slot_of,
    slot_start,
    valid_slots,
)
from .symbols import group, read_symbols
from .times import end_of_day, format_instant, parse_day, parse_instant

__all__ = [
    "CODE_LIFE",
    "GRANTED",
    "GRANT_LIFE",
    "PACK_SLOTS",
    "REFUSAL_REASONS",
    "REFUSED",
    "UNREADABLE",
    "AuthorityKeys",
    "AuthoritySecrets",
    "BadSignature",
    "Challenge",
    "CodePack",
    "ContactAnswer",
    "ContactRequest",
    "Credentials",
    "Grant",
    "GrantedModule",
    "InstallationInfo",
    "InstallationKey",
    "KeyAnswer",
    "KeyRequest",
    "MalformedMessage",
    "Mistyped",
    "ProtocolError",
    "WrongMessage",
    "check_serial",
    "cluster_machine",
    "code_deadline",
    "commitment",
    "context",
    "decode_bytes",
    "derive_code",
    "encode_bytes",
    "end_of_day",
    "format_instant",
    "format_message",
    "group",
    "latest_code_deadline",
    "machine_id_digest",
    "make_challenge",
    "open_credentials",
    "parse_challenge",
    "parse_day",
    "parse_instant",
    "proves",
    "proves_reordered",
    "read_code",
    "read_message",
    "read_module",
    "read_symbols",
    "reorderings",
    "request_sha256",
    "seal_credentials",
    "sign_answer",
    "sign_code_pack",
    "sign_grant",
    "sign_key_set",
    "sign_request",
    "slot_end",
    "slot_of",
    "slot_start",
    "thumbprint",
    "valid_slots",
    "verify_answer",
    "verify_code_pack",
    "verify_grant",
    "verify_request",
]
