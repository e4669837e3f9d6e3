"""JSON and base64url are read as strictly as the contract says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from licensing.protocol import MalformedMessage, decode_bytes, encode_bytes
from licensing.protocol.encoding import dump_object, parse_object
from licensing.protocol.errors import DuplicateMember


@given(st.binary(max_size=80))
def test_bytes_survive_a_round_trip(data: bytes) -> None:
    assert decode_bytes(encode_bytes(data)) == data


@pytest.mark.parametrize("text", ["AB==", "AB", "A", "AAAAA", "A+/B", "AA AA", "AAAA\n", "ĄAAA", "\ud800AAA"])
def test_base64url_that_is_not_canonical_is_refused(text: str) -> None:
    with pytest.raises(MalformedMessage):
        decode_bytes(text)


@given(st.dictionaries(st.text(alphabet=st.characters(exclude_categories=["Cs"])), st.integers()))
def test_objects_survive_a_round_trip(members: dict[str, int]) -> None:
    assert parse_object(dump_object(members)) == members


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"null",
        b"1",
        b'"v"',
        b"{",
        b'{"v": 1} x',
        b"{'v': 1}",
        b'{"v": NaN}',
        b'{"v": Infinity}',
        b'{"v": -Infinity}',
        b'{"v": 1,}',
        b'{"v": "\xff"}',
        b'{"v": "\xed\xa0\x80"}',
        b'\xef\xbb\xbf{"v": 1}',
        '{"v": 1}'.encode("utf-16"),
        b'{"v": "\x00"}',
        rb'{"v": "\ud800"}',
        rb'{"v": {"w": ["\udfff\ud800"]}}',
        rb'{"\ud83d": 1}',
        b'{"v": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"v": ' * 100_000 + b"1" + b"}" * 100_000,
        b"[" * 1_000_000,
        b'{"v": ' + b"9" * 10_000 + b"}",
    ],
    ids=lambda data: repr(data[:24]),
)
def test_what_is_no_strict_json_object_is_malformed(data: bytes) -> None:
    with pytest.raises(MalformedMessage):
        parse_object(data)


@pytest.mark.parametrize(
    "data", [b'{"v": 1, "v": 1}', b'{"a": [{"v": 1, "w": 2, "v": 3}]}', rb'{"v": 1, "\u0076": 2}']
)
def test_a_member_given_twice_is_refused_at_any_depth(data: bytes) -> None:
    with pytest.raises(DuplicateMember):
        parse_object(data)


def test_a_whole_surrogate_pair_is_one_character() -> None:
    assert parse_object(rb'{"v": "\ud83d\udd11"}') == {"v": "🔑"}
