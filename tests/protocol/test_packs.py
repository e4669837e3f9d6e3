"""Code packs: thirty commitments from the day of issue, for one installation."""

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from licensing.protocol import (
    CodePack,
    MalformedMessage,
    WrongMessage,
    sign_code_pack,
    slot_of,
    verify_code_pack,
)
from tests.protocol.material import CODES_JWS, INSTALLATION, KEY, KEYS, PACK, SECRETS, b64, changed, sign

GOOD = verify_code_pack(CODES_JWS, KEYS, installation=INSTALLATION.id)
NUMBERS = st.from_regex(r"50000[0-9]{5}", fullmatch=True)
BYTES = st.binary(min_size=32, max_size=32)


@given(
    pack=st.integers(1, 2**53 - 1),
    keys=st.dictionaries(NUMBERS, st.integers(1, 2**53 - 1), min_size=1, max_size=50),
    challenge_key=BYTES,
    commitments=st.lists(BYTES, min_size=30, max_size=30).map(tuple),
)
def test_packs_survive_a_round_trip(**parts: Any) -> None:
    pack: CodePack = replace(GOOD, **parts)
    assert verify_code_pack(sign_code_pack(pack, SECRETS), KEYS, installation=INSTALLATION.id) == pack


def read(**changes: Any) -> CodePack:
    return verify_code_pack(
        sign(changed(PACK, **changes), "km-codes+jws"), KEYS, installation=INSTALLATION.id
    )


@pytest.mark.parametrize(
    "changes",
    [
        *({name: ...} for name in PACK),
        *({name: None} for name in PACK),
        {"v": 2},
        {"pack": 0},
        {"pack": True},
        {"pack": "7"},
        {"keys": []},
        {"keys": {}},
        {"keys": {"5000": 1}},
        {"keys": {KEY: 0}},
        {"keys": {KEY: True}},
        {"keys": {KEY: "42"}},
        {"keys": {f"50000{index:05}": 1 for index in range(51)}},
        {"challenge_key": b64(bytes(31))},
        {"challenge_key": b64(bytes(33))},
        {"challenge_key": b64(bytes(32)) + "="},
        {"challenge_key": 5},
        {"first_slot": -1},
        {"first_slot": 2518},
        {"first_slot": 2520},
        {"first_slot": 2519.0},
        {"commitments": {}},
        {"commitments": PACK["commitments"][:29]},
        {"commitments": [*PACK["commitments"], b64(bytes(32))]},
        {"commitments": [*PACK["commitments"][:29], b64(bytes(31))]},
        {"commitments": [*PACK["commitments"][:29], None]},
        {"commitments": [*PACK["commitments"][:29], "A" * 42 + "B"]},
    ],
    ids=lambda changes: str(changes)[:70],
)
def test_pack_of_another_shape_is_malformed(changes: dict[str, Any]) -> None:
    with pytest.raises(MalformedMessage):
        read(**changes)


def test_pack_for_another_installation_is_a_wrong_message() -> None:
    with pytest.raises(WrongMessage):
        verify_code_pack(CODES_JWS, KEYS, installation=KEYS.sealing.kid)


def test_pack_under_another_type_is_a_wrong_message() -> None:
    with pytest.raises(WrongMessage):
        verify_code_pack(sign(PACK, "km-grant+jws"), KEYS, installation=INSTALLATION.id)


def test_unknown_members_of_a_pack_are_ignored() -> None:
    assert read(extra={"a": 1}) == GOOD


def test_commitments_are_found_by_slot() -> None:
    assert GOOD.commitment(GOOD.first_slot) == GOOD.commitments[0]
    assert GOOD.commitment(GOOD.first_slot + 29) == GOOD.commitments[29]
    assert GOOD.commitment(GOOD.first_slot - 1) is None
    assert GOOD.commitment(GOOD.first_slot + 30) is None


def test_lowest_key_is_that_of_the_pack() -> None:
    assert read(keys={"5000006625": 3, KEY: 42, "5000009999": 1}).lowest_key == KEY


def test_nothing_of_the_challenge_key_shows_in_a_repr() -> None:
    assert repr(GOOD.challenge_key) not in repr(GOOD)


def test_first_slot_is_the_slot_of_issue() -> None:
    issued_at: datetime = GOOD.issued_at
    assert GOOD.first_slot == slot_of(issued_at) == 2519
