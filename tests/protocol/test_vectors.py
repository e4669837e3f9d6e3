"""Every case of the contract's vectors, at both ends: they decide in doubt."""

import json
from datetime import UTC, date, datetime

import pytest

from licensing.protocol import (
    BadSignature,
    GrantedModule,
    MalformedMessage,
    Mistyped,
    ProtocolError,
    WrongMessage,
    check_serial,
    commitment,
    context,
    decode_bytes,
    derive_code,
    encode_bytes,
    format_message,
    group,
    make_challenge,
    open_credentials,
    parse_challenge,
    read_code,
    read_message,
    request_sha256,
    slot_end,
    slot_of,
    slot_start,
    verify_answer,
    verify_code_pack,
    verify_grant,
    verify_request,
)
from tests.protocol.material import (
    ANSWER,
    ANSWER_JWS,
    CODE_CASES,
    CODES_JWS,
    CONTACT,
    GRANT_JWS,
    INSTALLATION,
    KEY,
    KEYS,
    MESSAGES,
    REQUEST,
    REQUEST_JWS,
    SECRETS,
    WAITING_KEY,
)

REFUSED_AS = {
    "another installation (a stranger's own answer with our request_id)": WrongMessage,
    "another request_sha256": WrongMessage,
    "signed by a stranger": BadSignature,
    "crit b64": BadSignature,
    "a key that was asked is missing": WrongMessage,
    "one bit of the signature flipped": BadSignature,
    "seats raised, old signature": BadSignature,
    "alg none": BadSignature,
    "signed by a key that is not pinned, its own kid and jwk in the header": BadSignature,
    "another installation": WrongMessage,
    "serial not greater than the one held (41 held)": WrongMessage,
    "valid_until more than 72 h after issued_at": MalformedMessage,
}
STATUS_OF: dict[int, type[ProtocolError]] = {400: MalformedMessage, 401: BadSignature}


def why(case: dict[str, object]) -> str:
    return str(case["why"])


def test_installation_id_is_the_thumbprint() -> None:
    assert INSTALLATION.id == MESSAGES["installation"]["id"]


def test_good_grant_is_accepted_as_it_was_written() -> None:
    grant = verify_grant(GRANT_JWS, KEYS, installation=INSTALLATION.id, key=KEY)
    assert (grant.serial, grant.customer) == (42, "123456")
    assert grant.issued_at == datetime(2026, 11, 24, 8, tzinfo=UTC)
    assert grant.valid_until == datetime(2026, 11, 27, 8, tzinfo=UTC)
    handel, kasa = grant.module("HANDEL"), grant.module("KASA")
    assert handel == GrantedModule("HANDEL", {"pl": "Handel", "en": "Trade"}, 5, None, date(2027, 3, 31))
    assert kasa == GrantedModule("KASA", {"pl": "Kasa/Bank", "en": "Cash and bank"}, None, None, None)
    assert grant.module("CRM") is None
    check_serial(GRANT_JWS, grant, held_serial=MESSAGES["held_serial"], held_jws=None)


def test_grant_by_an_older_known_key_is_accepted() -> None:
    grant = verify_grant(MESSAGES["good_grant_by_older_key"], KEYS, installation=INSTALLATION.id, key=KEY)
    assert grant.serial == 43


@pytest.mark.parametrize("case", MESSAGES["bad_grants"], ids=why)
def test_bad_grant_is_refused(case: dict[str, str]) -> None:
    with pytest.raises(REFUSED_AS[case["why"]]):
        check_serial(
            case["grant"],
            verify_grant(case["grant"], KEYS, installation=INSTALLATION.id, key=KEY),
            held_serial=MESSAGES["held_serial"],
            held_jws=None,
        )


def test_good_request_is_accepted_as_it_was_written() -> None:
    assert REQUEST.request_id == CONTACT["request_id"]
    assert REQUEST.installation.id == INSTALLATION.id
    assert REQUEST.installation.machine == CONTACT["installation"]["machine"]
    assert [(key.number, key.serial) for key in REQUEST.keys] == [(KEY, 41), (WAITING_KEY, 0)]
    assert REQUEST.release == ()
    assert request_sha256(REQUEST_JWS) == ANSWER["request_sha256"]


def test_good_credentials_open_for_their_own_request() -> None:
    jwe = REQUEST.keys[1].credentials
    assert jwe is not None
    opened = open_credentials(jwe, SECRETS, REQUEST, WAITING_KEY)
    assert {name: getattr(opened, name) for name in opened.__slots__} == MESSAGES["credentials_payload"]


@pytest.mark.parametrize("case", MESSAGES["bad_requests"], ids=why)
def test_bad_request_is_judged_as_told(case: dict[str, object]) -> None:
    text = str(case["request"])
    if case["status"] == 200:
        request = verify_request(text)
        for key in request.keys:
            assert key.credentials is not None
            with pytest.raises(ProtocolError):
                open_credentials(key.credentials, SECRETS, request, key.number)
    else:
        assert isinstance(case["status"], int)
        with pytest.raises(STATUS_OF[case["status"]]):
            verify_request(text)


def test_good_answer_is_accepted_as_it_was_written() -> None:
    answer = verify_answer(ANSWER_JWS, KEYS, REQUEST, REQUEST_JWS)
    assert answer.answered_at == datetime(2026, 11, 24, 8, 0, 1, tzinfo=UTC)
    granted, refused = answer.keys
    assert (granted.number, granted.result, granted.grant) == (KEY, "granted", GRANT_JWS)
    assert (refused.number, refused.result, refused.reason) == (WAITING_KEY, "refused", "wrong_credentials")
    assert (answer.codes, answer.jwks, answer.released) == (CODES_JWS, None, ())


@pytest.mark.parametrize("case", MESSAGES["bad_answers"], ids=why)
def test_bad_answer_is_refused(case: dict[str, str]) -> None:
    with pytest.raises(REFUSED_AS[case["why"]]):
        verify_answer(case["answer"], KEYS, REQUEST, REQUEST_JWS)


def test_good_code_pack_is_accepted_as_it_was_written() -> None:
    pack = verify_code_pack(CODES_JWS, KEYS, installation=INSTALLATION.id)
    assert (pack.pack, pack.first_slot, pack.keys, pack.lowest_key) == (7, 2519, {KEY: 42}, KEY)
    assert pack.challenge_key == bytes(range(32))
    assert len(pack.commitments) == 30


def test_public_keys_of_the_private_set_are_the_known_set() -> None:
    assert SECRETS.public() == KEYS
    assert json.loads(SECRETS.public().to_json()) == MESSAGES["authority_jwks"]


def installation_of(case: dict[str, str]) -> str:
    return case["installation"]


@pytest.mark.parametrize("case", CODE_CASES, ids=installation_of)
def test_challenge_of_a_case(case: dict[str, object]) -> None:
    challenge = make_challenge(
        installation=str(case["installation"]),
        lowest_key=str(case["lowest_key"]),
        pack=int(str(case["pack"])),
        slot=int(str(case["slot"])),
        nonce=int(str(case["nonce"])),
        challenge_key=decode_bytes(str(case["challenge_key"])),
    )
    assert group(challenge) == case["challenge"]
    assert format_message("pl", challenge) == case["message_pl"]
    for message in ("message_pl", "message_en"):
        language, text = read_message(str(case[message]))
        assert language == message[-2:].upper()
        read = parse_challenge(text)
        assert (read.lowest_key, read.pack, read.nonce) == (case["lowest_key"], case["pack"], case["nonce"])
        assert read.is_of(int(str(case["slot"])))
    with pytest.raises(Mistyped):
        parse_challenge(str(case["challenge_mistyped"]))


@pytest.mark.parametrize("case", CODE_CASES, ids=installation_of)
def test_code_of_a_case(case: dict[str, object]) -> None:
    bound_to = context(str(case["installation"]), int(str(case["pack"])), int(str(case["slot"])))
    code = derive_code(decode_bytes(str(case["authority_secret"])), bound_to)
    assert group(code) == case["code"]
    assert encode_bytes(commitment(code, bound_to)) == case["commitment"]
    assert read_code(str(case["code_as_typed"])) == code
    with pytest.raises(Mistyped):
        read_code(str(case["code_with_wrong_check"]))


@pytest.mark.parametrize("case", CODE_CASES, ids=installation_of)
def test_slot_of_a_case(case: dict[str, int]) -> None:
    start = datetime.fromtimestamp(case["slot_starts_at_unix"], UTC)
    assert slot_start(case["slot"]) == start
    assert slot_of(start) == case["slot"] == slot_of(slot_end(case["slot"])) - 1
