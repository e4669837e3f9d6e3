"""From the bytes of a checkout to what the operation takes."""

import hashlib
import re
import unicodedata
from collections.abc import Mapping
from typing import Any

import msgspec
from django.utils.translation import gettext_lazy as _

from licensing.operations.errors import Refused
from licensing.operations.leases import CheckoutRequest, Program

from .exchange import JSON, MAX_BODY
from .messages import CheckoutBody
from .messages import Program as ProgramBody

_decode = msgspec.json.Decoder(CheckoutBody).decode
_decode_any = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder(order="deterministic").encode

LONGEST_NAME = 64
# No letter of NFC stands for more than four as sent. Longer ones are not even put into it: a quarter of a
# second would go by over some of 16 KiB.
LONGEST_IN_PARTS = 4 * LONGEST_NAME
_NULL = "\0"
_UNREADABLE = ("Cc", "Cf", "Cs")


def read_checkout(
    headers: Mapping[str, str], raw: bytes, client_id: int
) -> tuple[CheckoutRequest, dict[str, int]]:
    """The checkout that a call asks for, and the serials of the grants that the client already has.

    Args:
        headers: by their lower-case names.
        raw: the body; of one that is too long, more than `MAX_BODY` bytes.

    Raises:
        Refused: unsupported_media_type, body_too_large, malformed_json, validation_failed.
    """
    _check_form(headers, raw)
    body = _checked(_parse(raw))
    idempotency_key = _idempotency_key(headers)
    request = CheckoutRequest(
        client_id=client_id,
        modules=body.modules,
        optional=body.optional,
        workstation=body.workstation,
        user=body.user,
        program=Program(body.program.name, body.program.version, body.program.built_on),
        key=body.key,
        idempotency_key=idempotency_key,
        body_sha256=hashlib.sha256(_encode(body)).hexdigest() if idempotency_key else "",
    )
    return request, body.known_grants


def _check_form(headers: Mapping[str, str], raw: bytes) -> None:
    media_type = headers.get("content-type") or ""
    if media_type != JSON and media_type.partition(";")[0].strip().lower() != JSON:
        raise Refused("unsupported_media_type")
    if len(raw) > MAX_BODY:
        raise Refused("body_too_large")


def _parse(body: bytes) -> CheckoutBody:
    try:
        return _decode(body)
    except msgspec.ValidationError as error:
        raise invalid(*_explained(str(error), _object(body))) from None
    # A deep nesting and broken UTF-8 are not msgspec's own errors.
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise Refused("malformed_json") from None


def _object(body: bytes) -> dict[str, Any]:
    try:
        whole = _decode_any(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise Refused("malformed_json") from None
    if not isinstance(whole, dict):
        raise Refused("malformed_json")
    return whole


def _checked(body: CheckoutBody) -> CheckoutBody:
    """The rules that types do not hold: different codes, readable names, nothing that cannot be kept."""
    _check_codes(body)
    for field, text in (("name", body.program.name), ("version", body.program.version)):
        if _NULL in text:
            raise _has_null(f"/program/{field}")
    workstation, user = _name("/workstation", body.workstation), _name("/user", body.user)
    if workstation == body.workstation and user == body.user:
        return body
    return msgspec.structs.replace(body, workstation=workstation, user=user)


def _check_codes(body: CheckoutBody) -> None:
    seen: set[str] = set()
    for field, codes in (("modules", body.modules), ("optional", body.optional)):
        for place, code in enumerate(codes):
            if _NULL in code:
                raise _has_null(f"/{field}/{place}")
            if code in seen:
                raise invalid(f"/{field}/{place}", _("The module is named twice."))
            seen.add(code)


def _name(field: str, text: str) -> str:
    if _unreadable(text):
        raise invalid(field, _("The text has a control or format character."))
    if len(text) > LONGEST_IN_PARTS:
        text = text.strip()
    name = unicodedata.normalize("NFC", text).strip() if len(text) <= LONGEST_IN_PARTS else text
    if not 1 <= len(name) <= LONGEST_NAME:
        raise invalid(field, _("The text must have 1 to 64 characters."))
    return name


def _unreadable(text: str) -> bool:
    # Printable text has no control or format character; the test is one C call for the usual case.
    return not text.isprintable() and any(unicodedata.category(letter) in _UNREADABLE for letter in text)


def _has_null(field: str) -> Refused:
    return invalid(field, _("The text has the character U+0000, which no database keeps."))


def _idempotency_key(headers: Mapping[str, str]) -> str | None:
    value = headers.get("idempotency-key")
    if value is None:
        return None
    if not 1 <= len(value) <= 64 or not (value.isascii() and value.isprintable()):
        raise invalid("Idempotency-Key", _("The header must have 1 to 64 printable ASCII characters."))
    return value


def invalid(field: str, message: Any) -> Refused:
    """The refusal `validation_failed` for one field."""
    return Refused("validation_failed", errors=[{"field": field, "message": message}])


def _explained(error: str, whole: dict[str, Any]) -> tuple[str, Any]:
    """msgspec's sentence about a body as a JSON pointer and a sentence of ours."""
    if error.startswith("Object contains unknown field `"):
        # What follows is the sender's own text, and may look like any path.
        return _unknown_member(whole), _("This member is not known.")
    text, _at, path = error.partition(" - at `")
    pointer = _pointer(path.rstrip("`"))
    if found := re.fullmatch(r"Object missing required field `(.*)`", text):
        return f"{pointer}/{found[1]}", _("This member is missing.")
    if "length" in text:
        return pointer, _("The value is too long or too short.")
    if text.startswith("Invalid RFC3339"):
        return pointer, _("The value must be a date such as 2026-09-01.")
    return pointer, _("The value has the wrong type.")


def _unknown_member(whole: dict[str, Any]) -> str:
    """The first member that is not known, of a body that has one."""
    for name, value in whole.items():
        if name not in CheckoutBody.__struct_fields__:
            return f"/{_escaped(name)}"
        if name == "program" and isinstance(value, dict):
            for inner in value:
                if inner not in ProgramBody.__struct_fields__:
                    return f"/program/{_escaped(inner)}"
    # It was sent twice, and the last has none.
    return "/program"


def _pointer(path: str) -> str:
    """`$.modules[0]` as `/modules/0` (RFC 6901)."""
    members = path.removeprefix("$").replace("[...]", "").replace(".", "/")
    return re.sub(r"\[(\d+)\]", r"/\1", members)


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
