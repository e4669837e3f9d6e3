"""Contact answers: for the open request alone, and one bad entry leaves the others good."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from licensing.protocol import (
    ContactAnswer,
    KeyAnswer,
    MalformedMessage,
    ProtocolError,
    WrongMessage,
    request_sha256,
    sign_answer,
    verify_answer,
)
from tests.protocol.material import (
    ANSWER,
    ANSWER_JWS,
    INSTALLATION,
    INSTANTS,
    KEY,
    KEYS,
    REQUEST,
    REQUEST_JWS,
    SECRETS,
    WAITING_KEY,
    changed,
    sign,
)

GRANTED, REFUSED = ANSWER["keys"]
TEXT = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=40)
TOKENS = st.from_regex(r"[A-Za-z0-9_.-]{1,80}", fullmatch=True)
REASONS = ["wrong_credentials", "locked", "not_bound", "machine_changed", "clone_suspected", "suspended"]


def entries(number: str) -> st.SearchStrategy[KeyAnswer]:
    return st.one_of(
        st.builds(KeyAnswer, st.just(number), st.just("granted"), grant=TOKENS),
        st.builds(KeyAnswer, st.just(number), st.just("refused"), reason=st.sampled_from(REASONS)),
        st.builds(
            KeyAnswer,
            st.just(number),
            st.just("refused"),
            reason=st.just("active_elsewhere"),
            active_on=st.none() | TEXT,
        ),
    )


@given(
    st.builds(
        ContactAnswer,
        request_id=st.just(REQUEST.request_id),
        request_sha256=st.just(request_sha256(REQUEST_JWS)),
        installation=st.just(INSTALLATION.id),
        answered_at=INSTANTS,
        keys=st.tuples(entries(KEY), entries(WAITING_KEY)),
        released=st.just(()) | st.just(("5000006624",)),
        codes=st.none() | TOKENS,
        jwks=st.none() | TOKENS,
    )
)
def test_answers_survive_a_round_trip(answer: ContactAnswer) -> None:
    assert verify_answer(sign_answer(answer, SECRETS), KEYS, REQUEST, REQUEST_JWS) == answer


def read(**changes: Any) -> ContactAnswer:
    jws = sign(changed(ANSWER, **changes), "km-contact-answer+jws")
    return verify_answer(jws, KEYS, REQUEST, REQUEST_JWS)


@pytest.mark.parametrize(
    "changes",
    [
        *({name: ...} for name in ANSWER if name != "codes"),
        *({name: None} for name in ANSWER if name != "codes"),
        {"v": 2},
        {"v": True},
        {"request_id": 1},
        {"request_sha256": "short"},
        {"answered_at": "today"},
        {"keys": {}},
        {"keys": [None, None]},
        {"keys": [GRANTED, GRANTED]},
        {"keys": [GRANTED, REFUSED, GRANTED]},
        {"keys": [GRANTED, changed(REFUSED, number=...)]},
        {"keys": [GRANTED, changed(REFUSED, number=5000006625)]},
        {"released": [1]},
        {"released": ["x"]},
    ],
    ids=lambda changes: str(changes)[:70],
)
def test_answer_of_another_shape_is_malformed(changes: dict[str, Any]) -> None:
    with pytest.raises(MalformedMessage):
        read(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"request_id": "7b0e2f0a-9d4e-4c53-8a3f-2a5d3c1b9e11"},
        {"request_sha256": request_sha256("another")},
        {"installation": KEYS.sealing.kid},
        {"keys": []},
        {"keys": [GRANTED]},
        {"keys": [GRANTED, changed(REFUSED, number="5000006626")]},
        {"keys": [GRANTED, REFUSED, changed(REFUSED, number="5000006626")]},
    ],
    ids=lambda changes: str(changes)[:70],
)
def test_answer_to_another_request_is_a_wrong_message(changes: dict[str, Any]) -> None:
    with pytest.raises(WrongMessage):
        read(**changes)


def test_answer_to_the_same_request_signed_anew_is_a_wrong_message() -> None:
    with pytest.raises(WrongMessage):
        verify_answer(ANSWER_JWS, KEYS, REQUEST, f"{REQUEST_JWS}A")


def test_answer_to_a_request_that_was_made_anew_is_a_wrong_message() -> None:
    anew = replace(REQUEST, request_id="7b0e2f0a-9d4e-4c53-8a3f-2a5d3c1b9e11")
    with pytest.raises(WrongMessage):
        verify_answer(ANSWER_JWS, KEYS, anew, REQUEST_JWS)


@pytest.mark.parametrize(
    "entry",
    [
        changed(GRANTED, grant=...),
        changed(GRANTED, grant=None),
        changed(GRANTED, grant=5),
        changed(GRANTED, grant="a b"),
        changed(GRANTED, result="maybe"),
        changed(GRANTED, result=...),
        changed(GRANTED, result=True),
        {"number": KEY},
        {"number": KEY, "result": "refused"},
        {"number": KEY, "result": "refused", "reason": "bad_weather"},
        {"number": KEY, "result": "refused", "reason": ["suspended"]},
        {"number": KEY, "result": "refused", "reason": "active_elsewhere", "active_on": 5},
        {"number": KEY, "result": "maybe", "reason": "suspended"},
    ],
    ids=lambda entry: str(entry)[:70],
)
def test_one_unreadable_entry_leaves_the_others_good(entry: dict[str, Any]) -> None:
    unreadable, refused = read(keys=[entry, REFUSED]).keys
    assert unreadable == KeyAnswer(KEY, "unreadable")
    assert refused.reason == "wrong_credentials"


def test_where_a_key_is_active_is_told_only_with_that_reason() -> None:
    elsewhere = changed(REFUSED, reason="active_elsewhere", active_on="SRV-OLD")
    assert read(keys=[GRANTED, elsewhere]).keys[1].active_on == "SRV-OLD"
    suspended = changed(elsewhere, reason="suspended")
    assert read(keys=[GRANTED, suspended]).keys[1].active_on is None


@pytest.mark.parametrize(
    ("value", "read_as"), [(..., None), (None, None), ("a.b.c", "a.b.c"), (5, ""), ([], "")]
)
def test_optional_parts_never_spoil_the_answer(value: object, read_as: str | None) -> None:
    answer = read(codes=value, jwks=value)
    assert (answer.codes, answer.jwks) == (read_as, read_as)


def test_unknown_members_of_an_answer_are_ignored() -> None:
    assert read(extra=[1, {"a": None}], keys=[changed(GRANTED, extra=1), REFUSED]) == read()


def test_member_given_twice_in_an_answer_is_refused() -> None:
    with pytest.raises(MalformedMessage):
        verify_answer(sign('{"v": 1, "v": 1}', "km-contact-answer+jws"), KEYS, REQUEST, REQUEST_JWS)


def test_answer_is_not_accepted_as_another_kind_of_message() -> None:
    with pytest.raises(ProtocolError):
        verify_answer(sign(ANSWER, "km-grant+jws"), KEYS, REQUEST, REQUEST_JWS)


def test_answered_at_is_utc() -> None:
    assert read().answered_at == datetime(2026, 11, 24, 8, 0, 1, tzinfo=UTC)
