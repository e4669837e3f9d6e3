"""Challenges: 28 symbols that name key, installation, pack, day and nonce, and prove who made them."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from licensing.protocol import (
    CodePack,
    Mistyped,
    format_message,
    group,
    make_challenge,
    parse_challenge,
    read_message,
    verify_code_pack,
)
from licensing.protocol.challenges import installation_prefix
from licensing.protocol.symbols import ALPHABET
from tests.protocol.material import CODES_JWS, INSTALLATION, KEY, KEYS

PACK = verify_code_pack(CODES_JWS, KEYS, installation=INSTALLATION.id)
SLOT = PACK.first_slot + 1


def challenge_of(pack: CodePack, /, slot: int = SLOT, nonce: int = 5, **other: Any) -> str:
    parts = {
        "installation": pack.installation,
        "lowest_key": pack.lowest_key,
        "pack": pack.pack,
        "challenge_key": pack.challenge_key,
    }
    return make_challenge(slot=slot, nonce=nonce, **(parts | other))


@given(
    number=st.from_regex(r"50000[0-9]{5}", fullmatch=True),
    pack=st.integers(1, 2**53),
    slot=st.integers(0, 100_000),
    nonce=st.integers(0, 0xFFFF),
)
def test_challenges_survive_a_round_trip(number: str, pack: int, slot: int, nonce: int) -> None:
    held = replace(PACK, keys={number: 1, "5000099999": 2}, pack=pack)
    read = parse_challenge(challenge_of(held, slot, nonce))
    assert (read.version, read.lowest_key, read.pack, read.nonce) == (1, number, pack % 4096, nonce)
    assert read.slot == slot % 16384
    assert read.installation_prefix == installation_prefix(PACK.installation)
    assert read.is_of(slot)
    assert not read.is_of(slot + 1)
    assert read.fits(held)


GOOD = challenge_of(PACK)


@given(st.integers(0, 27), st.sampled_from(ALPHABET))
def test_one_wrong_symbol_is_almost_never_taken_for_a_challenge(place: int, symbol: str) -> None:
    typed = GOOD[:place] + symbol + GOOD[place + 1 :]
    try:
        read = parse_challenge(typed)
    except Mistyped:
        assert typed != GOOD
    else:
        assert typed == GOOD or not read.fits(PACK)


@pytest.mark.parametrize(
    "text",
    ["", GOOD[:-1], f"{GOOD}0", f"{GOOD[:-1]}U", f"{GOOD[:-1]}?", f"ERP PL {GOOD}", GOOD[14:] + GOOD[:14]],
)
def test_what_is_no_challenge_is_mistyped(text: str) -> None:
    with pytest.raises(Mistyped):
        parse_challenge(text)


def test_challenge_of_another_version_is_mistyped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("licensing.protocol.challenges.VERSION", 2)
    other = challenge_of(PACK)
    monkeypatch.undo()
    with pytest.raises(Mistyped):
        parse_challenge(other)


@pytest.mark.parametrize(
    "other",
    [
        {"challenge_key": bytes(32)},
        {"pack": PACK.pack + 1},
        {"installation": KEYS.sealing.kid},
        {"lowest_key": "5000006623"},
    ],
    ids=str,
)
def test_challenge_of_another_pack_key_or_installation_does_not_fit(other: dict[str, Any]) -> None:
    assert not parse_challenge(challenge_of(PACK, **other)).fits(PACK)


@pytest.mark.parametrize("nonce", [-1, 0x10000])
def test_nonce_has_16_bits(nonce: int) -> None:
    with pytest.raises(ValueError, match="16 bits"):
        challenge_of(PACK, nonce=nonce)


def test_message_is_one_sms_of_41_characters() -> None:
    message = format_message("pl", GOOD)
    assert message == f"ERP PL {group(GOOD)}"
    assert len(message) == 41


@pytest.mark.parametrize(
    "text", [f"erp en {GOOD.lower()}", f" Erp\tEN  {GOOD}\r\n", f"ERP\nEN\n{group(GOOD)}"]
)
def test_message_is_read_in_any_dress(text: str) -> None:
    language, challenge = read_message(text)
    assert language == "EN"
    assert parse_challenge(challenge) == parse_challenge(GOOD)


@pytest.mark.parametrize(
    "text", ["", GOOD, f"ERP {GOOD}", f"PL {GOOD}", "ERP PL", "ERP PL ", f"xERP PL {GOOD}"]
)
def test_what_is_no_message_is_mistyped(text: str) -> None:
    with pytest.raises(Mistyped):
        parse_challenge(read_message(text)[1])


def test_the_lowest_key_is_what_the_challenge_carries() -> None:
    assert parse_challenge(GOOD).lowest_key == KEY
