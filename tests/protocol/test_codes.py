"""Activation codes: symbols, check symbol, commitment, boxes in the wrong order, and the days they count."""

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from licensing.protocol import (
    CodePack,
    Mistyped,
    code_deadline,
    commitment,
    context,
    derive_code,
    group,
    latest_code_deadline,
    proves,
    proves_reordered,
    read_code,
    read_symbols,
    reorderings,
    slot_end,
    slot_of,
    slot_start,
    valid_slots,
    verify_code_pack,
)
from licensing.protocol.symbols import ALPHABET, decode, encode
from tests.protocol.material import CODES_JWS, INSTALLATION, KEYS

SECRET = bytes(range(32))
PACK = verify_code_pack(CODES_JWS, KEYS, installation=INSTALLATION.id)
CODES = st.binary(min_size=8, max_size=8).map(lambda salt: derive_code(SECRET, salt))
MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2999, 1, 1), timezones=st.just(UTC))


@given(st.integers(0, 28).flatmap(lambda count: st.tuples(st.just(count), st.integers(0, 32**count - 1))))
def test_numbers_survive_a_round_trip_through_symbols(pair: tuple[int, int]) -> None:
    count, value = pair
    symbols = encode(value, count)
    assert len(symbols) == count
    assert decode(symbols) == value
    assert read_symbols(group(symbols)) == symbols


@pytest.mark.parametrize("value", [-1, 32**4])
def test_number_that_needs_more_symbols_is_refused(value: int) -> None:
    with pytest.raises(ValueError, match="4 symbols"):
        encode(value, 4)


def test_symbols_are_read_as_people_write_them() -> None:
    assert read_symbols(" oO0-iIlL1 abz\u00a0\u2011z\n") == "00011111ABZZ"
    assert group("ABCDEFGHJ") == "ABCD-EFGH-J"


@pytest.mark.parametrize(
    "text", ["U", "u", "ł", "ſ", "ı", "\u212a", "０", "٠", "_", ".", "ß", "\x00", "\ud800", "–"]
)
def test_any_other_character_is_mistyped(text: str) -> None:
    with pytest.raises(Mistyped):
        read_symbols(f"AB{text}CD")


@given(CODES)
def test_codes_are_read_in_any_dress(code: str) -> None:
    assert read_code(code) == code
    assert read_code(f" {group(code).lower()} ") == code
    assert read_code(code.replace("0", "O").replace("1", "l")) == code


@given(CODES, st.integers(0, 15), st.sampled_from(ALPHABET))
def test_one_wrong_symbol_is_always_mistyped(code: str, place: int, symbol: str) -> None:
    typed = code[:place] + symbol + code[place + 1 :]
    if typed == code:
        assert read_code(typed) == code
    else:
        with pytest.raises(Mistyped):
            read_code(typed)


@pytest.mark.parametrize("text", ["", "-", "SZ20-1PT6-J6XY-XDC", "SZ20-1PT6-J6XY-XDCKK", "SZ20"])
def test_code_of_another_length_is_mistyped(text: str) -> None:
    with pytest.raises(Mistyped):
        read_code(text)


@given(CODES)
def test_swapped_boxes_pass_the_check_and_are_among_the_orders(code: str) -> None:
    swapped = code[4:8] + code[:4] + code[8:]
    assert read_code(swapped) == swapped
    assert code in reorderings(swapped) or code == swapped
    assert code not in reorderings(code)


def test_four_different_boxes_have_23_other_orders() -> None:
    assert len(set(reorderings("AAAABBBBCCCCDDDD"))) == 23
    assert len(reorderings("AAAAAAAACCCCDDDD")) == 11
    assert reorderings("AAAA" * 4) == ()


def test_codes_hang_on_secret_installation_pack_and_slot() -> None:
    base = derive_code(SECRET, context("a", 1, 1))
    others = [
        derive_code(os.urandom(32), context("a", 1, 1)),
        derive_code(SECRET, context("b", 1, 1)),
        derive_code(SECRET, context("a", 2, 1)),
        derive_code(SECRET, context("a", 1, 2)),
    ]
    assert len({base, *others}) == 5
    assert context("a", 11, 1) != context("a", 1, 11)
    assert context("a", 7, 2519) == b"KM1|a|7|2519"


def pack_with(code: str, slot: int) -> CodePack:
    bound_to = context(PACK.installation, PACK.pack, slot)
    place = slot - PACK.first_slot
    others = PACK.commitments
    return replace(PACK, commitments=(*others[:place], commitment(code, bound_to), *others[place + 1 :]))


def test_a_code_proves_its_own_slot_and_pack_alone() -> None:
    slot = PACK.first_slot + 3
    code = derive_code(SECRET, context(PACK.installation, PACK.pack, slot))
    pack = pack_with(code, slot)
    assert proves(pack, slot, code)
    assert not proves(pack, slot + 1, code)
    assert not proves(pack, PACK.first_slot + 30, code)
    assert not proves(pack, PACK.first_slot - 1, code)
    assert not proves(replace(pack, pack=8), slot, code)
    assert not proves(replace(pack, installation=KEYS.sealing.kid), slot, code)
    assert not proves(pack, slot, reorderings(code)[0])


@settings(max_examples=3)
@given(st.permutations(range(4)))
def test_boxes_in_the_wrong_order_are_recognised(order: list[int]) -> None:
    slot = PACK.first_slot
    code = derive_code(SECRET, context(PACK.installation, PACK.pack, slot))
    typed = "".join(code[4 * box : 4 * box + 4] for box in order)
    assert proves_reordered(pack_with(code, slot), slot, typed) == (typed != code)


def test_a_wrong_code_is_not_called_a_wrong_order() -> None:
    slot = PACK.first_slot
    assert not proves_reordered(PACK, slot, derive_code(SECRET, b"other"))


def test_the_commitment_does_not_depend_on_the_check_symbol() -> None:
    assert commitment("SZ201PT6J6XYXDC", b"x") == commitment("SZ201PT6J6XYXDCK", b"x")


@given(MOMENTS)
def test_an_instant_lies_in_its_slot(moment: datetime) -> None:
    slot = slot_of(moment)
    assert slot_start(slot) <= moment < slot_end(slot) == slot_start(slot + 1)
    assert slot == int(moment.timestamp()) // 86400 - 18262


def test_slots_count_from_2020() -> None:
    assert slot_of(datetime(2020, 1, 1, tzinfo=UTC)) == 0
    assert slot_of(datetime(2019, 12, 31, 23, 59, tzinfo=UTC)) == -1


@pytest.mark.parametrize(
    ("clock", "slots"),
    [
        ((0, 0, 0), (2519, 2518)),
        ((1, 59, 59), (2519, 2518)),
        ((2, 0, 0), (2519,)),
        ((23, 59, 59), (2519,)),
    ],
)
def test_yesterdays_challenge_is_good_for_two_hours_more(
    clock: tuple[int, int, int], slots: tuple[int, ...]
) -> None:
    assert valid_slots(datetime(2026, 11, 24, *clock, tzinfo=UTC)) == slots


@given(MOMENTS, st.timedeltas(timedelta(0), timedelta(days=2)))
def test_a_code_gives_72_hours_but_never_beyond_its_slots_end_and_72_hours(
    moment: datetime, later: timedelta
) -> None:
    slot = slot_of(moment)
    entered = moment + later
    deadline = code_deadline(slot, entered)
    assert deadline == min(entered, slot_end(slot)) + timedelta(hours=72)
    assert deadline <= latest_code_deadline(slot) == slot_end(slot) + timedelta(hours=72)
