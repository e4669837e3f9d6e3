"""The contact answer: written by the authority, accepted by the portal only for its open request."""

from datetime import datetime
from typing import Final

from .errors import MalformedMessage, WrongMessage
from .fields import DIGEST, INSTALLATION_ID, KEY_NUMBER, MOST_KEYS, NAME, REQUEST_ID, TOKEN, Fields
from .jose import Members, open_jws, sign_jws
from .keys import KEY_SET_TYPE, AuthorityKeys, AuthoritySecrets
from .messages import (
    GRANTED,
    REFUSAL_REASONS,
    REFUSED,
    UNREADABLE,
    ContactAnswer,
    ContactRequest,
    KeyAnswer,
)
from .requests import MOST_RELEASES, request_sha256
from .times import format_instant

ANSWER_TYPE: Final = "km-contact-answer+jws"


def sign_answer(answer: ContactAnswer, secrets: AuthoritySecrets) -> str:
    """The answer as a compact JWS by the authority."""
    members: dict[str, object] = {
        "v": 1,
        "request_id": answer.request_id,
        "request_sha256": answer.request_sha256,
        "installation": answer.installation,
        "answered_at": format_instant(answer.answered_at),
        "keys": [_key_members(key) for key in answer.keys],
        "released": list(answer.released),
    }
    members |= _given(codes=answer.codes, jwks=answer.jwks)
    signing = secrets.signing
    return sign_jws(members, signing.key, {"kid": signing.kid, "typ": ANSWER_TYPE})


def _key_members(key: KeyAnswer) -> dict[str, object]:
    optional = _given(grant=key.grant, reason=key.reason, active_on=key.active_on)
    return {"number": key.number, "result": key.result} | optional


def _given(**members: str | None) -> dict[str, object]:
    return {name: value for name, value in members.items() if value is not None}


def sign_key_set(keys: AuthorityKeys, issued_at: datetime, secrets: AuthoritySecrets) -> str:
    """A new key set as an answer's `jwks`, signed by a key that installations know already."""
    signing = secrets.signing
    members = {"v": 1, "issued_at": format_instant(issued_at), "keys": keys.jwks()}
    return sign_jws(members, signing.key, {"kid": signing.kid, "typ": KEY_SET_TYPE})


def verify_answer(jws: str, keys: AuthorityKeys, request: ContactRequest, request_jws: str) -> ContactAnswer:
    """The authority's answer to this very request.

    Grants, code pack and key set in it must still be verified by themselves. Raises BadSignature,
    MalformedMessage or WrongMessage (another request's or installation's, or not the keys asked for).
    """
    answer = _read_answer(open_jws(jws, ANSWER_TYPE, keys.signer).members)
    if answer.installation != request.installation.id:
        raise WrongMessage("an answer for another installation")
    if answer.request_id != request.request_id or answer.request_sha256 != request_sha256(request_jws):
        raise WrongMessage("an answer to another request")
    if {key.number for key in answer.keys} != {key.number for key in request.keys}:
        raise WrongMessage("an answer that does not name exactly the keys asked for")
    return answer


def _read_answer(members: Members) -> ContactAnswer:
    fields = Fields(members, "the answer").version_1()
    answers = tuple(_read_key(item) for item in fields.items("keys", MOST_KEYS))
    fields.different("keys", tuple(key.number for key in answers))
    return ContactAnswer(
        request_id=fields.text("request_id", REQUEST_ID),
        request_sha256=fields.text("request_sha256", DIGEST),
        installation=fields.text("installation", INSTALLATION_ID),
        answered_at=fields.instant("answered_at"),
        keys=answers,
        released=fields.numbers("released", MOST_RELEASES),
        codes=_enclosed(fields, "codes"),
        jwks=_enclosed(fields, "jwks"),
    )


def _enclosed(fields: Fields, name: str) -> str | None:
    """An enclosed JWS as text; one of another type becomes "", which verifies as nothing."""
    value = fields.any(name) if fields.has(name) else None
    return value if value is None or isinstance(value, str) else ""


def _read_key(value: object) -> KeyAnswer:
    """One entry of `keys`; where only its number can be read it is `unreadable`, and its neighbours stay."""
    fields = Fields(value, "a key's answer")
    number = fields.text("number", KEY_NUMBER)
    try:
        return _read_result(fields, number)
    except MalformedMessage:
        return KeyAnswer(number, UNREADABLE)


def _read_result(fields: Fields, number: str) -> KeyAnswer:
    result = fields.text("result", NAME)
    if result == GRANTED:
        return KeyAnswer(number, GRANTED, grant=fields.text("grant", TOKEN))
    reason = fields.text("reason", NAME)
    if result != REFUSED or reason not in REFUSAL_REASONS:
        raise MalformedMessage("a result that nobody here knows")
    if reason == "active_elsewhere" and fields.has("active_on"):
        return KeyAnswer(number, REFUSED, reason=reason, active_on=fields.text("active_on", NAME))
    return KeyAnswer(number, REFUSED, reason=reason)
