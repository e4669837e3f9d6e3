"""Grants: of exactly the contract's shape, for one installation and key, and newer than the one held."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from licensing.protocol import (
    GRANT_LIFE,
    Grant,
    GrantedModule,
    MalformedMessage,
    WrongMessage,
    check_serial,
    read_module,
    sign_grant,
    verify_grant,
)
from licensing.protocol.times import LATEST
from tests.protocol.material import (
    GRANT,
    GRANT_JWS,
    INSTALLATION,
    INSTANTS,
    KEY,
    KEYS,
    SECRETS,
    changed,
    sign,
)

TEXT = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=40)
MODULES = st.builds(
    GrantedModule,
    code=st.from_regex(r"[A-Z0-9_]{1,32}", fullmatch=True),
    name=st.fixed_dictionaries({"pl": TEXT, "en": TEXT}),
    seats=st.none() | st.integers(0, 100_000),
    expires_on=st.none() | st.dates(),
    warranty_until=st.none() | st.dates(),
)
MOMENT = datetime(2026, 11, 24, 8, tzinfo=UTC)


def grants(issued_at: datetime, life: timedelta) -> st.SearchStrategy[Grant]:
    return st.builds(
        Grant,
        key=st.just(KEY),
        customer=st.from_regex(r"[0-9]{1,20}", fullmatch=True),
        installation=st.just(INSTALLATION.id),
        serial=st.integers(1, 2**53 - 1),
        issued_at=st.just(issued_at),
        valid_until=st.just(issued_at + life),
        modules=st.lists(MODULES, max_size=4, unique_by=lambda module: module.code).map(tuple),
    )


MOMENTS = INSTANTS.filter(lambda instant: instant < LATEST - GRANT_LIFE)
LIVES = st.timedeltas(timedelta(microseconds=1), timedelta(hours=72))


@given(st.tuples(MOMENTS, LIVES).flatmap(lambda pair: grants(*pair)))
def test_grants_survive_a_round_trip(grant: Grant) -> None:
    assert verify_grant(sign_grant(grant, SECRETS), KEYS, installation=INSTALLATION.id, key=KEY) == grant


def read(**changes: Any) -> Grant:
    jws = sign(changed(GRANT, **changes), "km-grant+jws")
    return verify_grant(jws, KEYS, installation=INSTALLATION.id, key=KEY)


HANDEL: dict[str, Any] = GRANT["modules"][0]


@pytest.mark.parametrize(
    "changes",
    [
        *({name: ...} for name in GRANT),
        *({name: None} for name in GRANT),
        {"v": 2},
        {"v": True},
        {"key": 5000006622},
        {"customer": ""},
        {"customer": "1" * 21},
        {"customer": "12a"},
        {"serial": 0},
        {"serial": True},
        {"serial": 42.0},
        {"serial": 2**53},
        {"valid_until": GRANT["issued_at"]},
        {"valid_until": "2026-11-24T07:59:59Z"},
        {"valid_until": "2026-11-27T08:00:00.000001Z"},
        {"modules": {}},
        {"modules": ["HANDEL"]},
        {"modules": [HANDEL, HANDEL]},
        {"modules": [HANDEL, changed(HANDEL, seats=None)]},
        {"modules": [changed(HANDEL, code=f"M{index}") for index in range(201)]},
    ],
    ids=lambda changes: str(changes)[:70],
)
def test_grant_of_another_shape_is_malformed(changes: dict[str, Any]) -> None:
    with pytest.raises(MalformedMessage):
        read(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        *({name: ...} for name in HANDEL),
        {"code": ""},
        {"code": "handel"},
        {"code": "HANDEL "},
        {"code": "HANDEL\n"},
        {"code": "ŁĄKA"},
        {"code": "A" * 33},
        {"code": None},
        {"name": "Handel"},
        {"name": {"pl": "Handel"}},
        {"name": {"en": "Trade"}},
        {"name": {"pl": "Handel", "en": 1}},
        {"name": {"pl": "", "en": "Trade"}},
        {"name": {"pl": "Han\x00del", "en": "Trade"}},
        {"seats": True},
        {"seats": False},
        {"seats": -1},
        {"seats": 100_001},
        {"seats": 5.0},
        {"seats": 0.5},
        {"seats": "5"},
        {"seats": []},
        {"expires_on": ""},
        {"expires_on": "2027-02-29"},
        {"expires_on": "2027-03-31T00:00:00Z"},
        {"expires_on": 20270331},
        {"warranty_until": False},
        {"warranty_until": "31.03.2027"},
    ],
    ids=lambda changes: str(changes)[:70],
)
def test_module_of_another_shape_is_malformed(changes: dict[str, Any]) -> None:
    with pytest.raises(MalformedMessage):
        read(modules=[changed(HANDEL, **changes)])
    with pytest.raises(MalformedMessage):
        read_module(changed(HANDEL, **changes))


def test_seats_at_both_bounds_are_fine() -> None:
    modules = [changed(HANDEL, code=f"M{seats}", seats=seats) for seats in (0, 100_000)]
    assert [module.seats for module in read(modules=modules).modules] == [0, 100_000]


def test_grant_without_modules_is_fine() -> None:
    assert read(modules=[]).modules == ()


def test_unknown_members_of_a_grant_are_ignored() -> None:
    module = changed(HANDEL, tier="gold", name={"pl": "Handel", "en": "Trade", "de": "Handel"})
    grant = read(extra={"a": [1.5, None, {"b": True}]}, modules=[module])
    assert grant.modules[0].name == {"pl": "Handel", "en": "Trade"}


def test_member_given_twice_in_a_grant_is_refused_at_any_depth() -> None:
    text = '{"extra": {"a": 1, "a": 2}, ' + str(GRANT).replace("'", '"').replace("None", "null")[1:]
    with pytest.raises(MalformedMessage):
        verify_grant(sign(text, "km-grant+jws"), KEYS, installation=INSTALLATION.id, key=KEY)


def test_grant_for_another_installation_or_key_is_a_wrong_message() -> None:
    with pytest.raises(WrongMessage):
        verify_grant(GRANT_JWS, KEYS, installation=KEYS.sealing.kid, key=KEY)
    with pytest.raises(WrongMessage):
        verify_grant(GRANT_JWS, KEYS, installation=INSTALLATION.id, key="5000006623")


@pytest.mark.parametrize(
    ("held", "jws", "good"),
    [
        (0, None, True),
        (41, None, True),
        (42, GRANT_JWS, True),
        (42, f"{GRANT_JWS}\n", True),
        (42, None, False),
        (42, "another", False),
        (43, None, False),
        (43, GRANT_JWS, False),
    ],
)
def test_grant_must_be_newer_than_the_one_held_or_that_very_one(
    held: int, jws: str | None, good: bool
) -> None:
    grant = read()
    if good:
        check_serial(GRANT_JWS, grant, held_serial=held, held_jws=jws)
    else:
        with pytest.raises(WrongMessage):
            check_serial(GRANT_JWS, grant, held_serial=held, held_jws=jws)


def test_grants_can_be_kept_in_sets() -> None:
    assert len({read(), read()}) == 1
