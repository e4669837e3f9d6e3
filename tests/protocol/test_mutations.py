"""No message with a byte changed, added, moved or taken away is accepted."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from licensing.protocol import (
    ProtocolError,
    open_credentials,
    sign_key_set,
    verify_answer,
    verify_code_pack,
    verify_grant,
    verify_request,
)
from tests.protocol.material import (
    ANSWER_JWS,
    CODES_JWS,
    GRANT_JWS,
    INSTALLATION,
    KEY,
    KEYS,
    REQUEST,
    REQUEST_JWS,
    SECRETS,
    WAITING_KEY,
)

KEY_SET_JWS = sign_key_set(KEYS, datetime(2026, 11, 24, tzinfo=UTC), SECRETS)
CREDENTIALS_JWE = REQUEST.keys[1].credentials or ""

Reader = Callable[[str], object]
MESSAGES: dict[str, tuple[str, Reader]] = {
    "grant": (GRANT_JWS, lambda jws: verify_grant(jws, KEYS, installation=INSTALLATION.id, key=KEY)),
    "pack": (CODES_JWS, lambda jws: verify_code_pack(jws, KEYS, installation=INSTALLATION.id)),
    "answer": (ANSWER_JWS, lambda jws: verify_answer(jws, KEYS, REQUEST, REQUEST_JWS)),
    "request": (REQUEST_JWS, verify_request),
    "key set": (KEY_SET_JWS, KEYS.updated),
    "credentials": (CREDENTIALS_JWE, lambda jwe: open_credentials(jwe, SECRETS, REQUEST, WAITING_KEY)),
}
NAMES = st.sampled_from(sorted(MESSAGES))
CHARACTERS = st.one_of(
    st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."),
    st.characters(),
)


@pytest.mark.parametrize("name", MESSAGES)
def test_the_message_itself_is_accepted(name: str) -> None:
    message, read = MESSAGES[name]
    assert read(message)


def refused(name: str, text: str) -> bool:
    message, read = MESSAGES[name]
    if text.strip(" \t\r\n") == message:
        return True
    try:
        read(text)
    except ProtocolError:
        return True
    return False


@settings(max_examples=400)
@given(NAMES, st.integers(0), CHARACTERS)
def test_no_message_with_a_character_changed_is_accepted(name: str, where: int, character: str) -> None:
    message = MESSAGES[name][0]
    place = where % len(message)
    assert refused(name, message[:place] + character + message[place + 1 :])


@given(NAMES, st.integers(0), CHARACTERS)
def test_no_message_with_a_character_added_is_accepted(name: str, where: int, character: str) -> None:
    message = MESSAGES[name][0]
    place = where % (len(message) + 1)
    assert refused(name, message[:place] + character + message[place:])


@given(NAMES, st.integers(0), st.integers(1, 200))
def test_no_message_with_characters_missing_is_accepted(name: str, where: int, count: int) -> None:
    message = MESSAGES[name][0]
    place = where % len(message)
    assert refused(name, message[:place] + message[place + count :])


@given(NAMES, st.integers(0), st.integers(0, 7))
def test_no_message_with_a_bit_flipped_is_accepted(name: str, where: int, bit: int) -> None:
    data = bytearray(MESSAGES[name][0].encode())
    data[where % len(data)] ^= 1 << bit
    assert refused(name, data.decode("latin-1"))


@given(NAMES, NAMES, st.integers(0, 2))
def test_no_message_with_a_part_of_another_is_accepted(name: str, other: str, place: int) -> None:
    parts = MESSAGES[name][0].split(".")
    parts[place] = MESSAGES[other][0].split(".")[place]
    assert refused(name, ".".join(parts))


@pytest.mark.parametrize("name", MESSAGES)
@pytest.mark.parametrize("other", MESSAGES)
def test_no_message_is_accepted_as_another_kind(name: str, other: str) -> None:
    assert name == other or refused(name, MESSAGES[other][0])


@pytest.mark.parametrize("name", MESSAGES)
def test_each_last_character_counts(name: str) -> None:
    message = MESSAGES[name][0]
    for character in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_":
        assert refused(name, message[:-1] + character)


@pytest.mark.full
@pytest.mark.parametrize("name", MESSAGES)
def test_no_bit_of_a_message_can_be_flipped(name: str) -> None:
    message = MESSAGES[name][0].encode()
    for place in range(len(message)):
        for bit in range(8):
            data = bytearray(message)
            data[place] ^= 1 << bit
            assert refused(name, data.decode("latin-1")), (place, bit)
