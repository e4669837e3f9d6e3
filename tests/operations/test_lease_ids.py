"""The ids of leases: nobody can guess them, and a key's own id comes again only while it is remembered."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from licensing.models import Lease
from licensing.models.sealed import SealBroken, secret_for
from licensing.operations.lease_ids import REMEMBERED, SET_BACK, ids_of_keys, new_ids
from tests.factories import KEY, NOW, Portal, make_client, module, take

TICK = timedelta(microseconds=1)


def test_ids_are_uuids_of_version_4() -> None:
    found = ids_of_keys([(1, "a")], NOW)[0]
    for lease_id in (*new_ids(3), *found):
        assert (UUID(lease_id).version, UUID(lease_id).variant) == (4, "specified in RFC 4122")
        assert UUID(lease_id).hex == lease_id
    assert len({*new_ids(1000)}) == 1000


@given(st.timedeltas(timedelta(), timedelta(days=800)), st.timedeltas(timedelta(), REMEMBERED - TICK))
def test_key_has_one_id_among_those_looked_for_as_long_as_it_is_remembered(
    start: timedelta, age: timedelta
) -> None:
    given_at = ids_of_keys([(1, "once")], NOW + start)[0][0]
    assert given_at in ids_of_keys([(1, "once")], NOW + start + age)[0]


@given(st.timedeltas(timedelta(), timedelta(days=800)), st.timedeltas(timedelta(), SET_BACK))
def test_key_has_that_id_among_them_where_time_was_set_back(start: timedelta, back: timedelta) -> None:
    given_at = ids_of_keys([(1, "once")], NOW + start)[0][0]
    assert given_at in ids_of_keys([(1, "once")], NOW + start - back)[0]


@given(st.timedeltas(timedelta(), timedelta(days=800)), st.timedeltas(REMEMBERED, timedelta(days=800)))
def test_key_that_is_forgotten_gets_another_id(start: timedelta, age: timedelta) -> None:
    given_at = ids_of_keys([(1, "once")], NOW + start)[0][0]
    assert given_at != ids_of_keys([(1, "once")], NOW + start + age)[0][0]


def test_ids_differ_by_client_key_and_portal(settings: Any, tmp_path: Path) -> None:
    def all_ids() -> list[str]:
        return [one for both in ids_of_keys([(1, "2 a"), (1, "a"), (12, "a")], NOW) for one in both]

    ours = all_ids()
    other = tmp_path / "other.key"
    other.write_text("another key\n")
    settings.KEYMANAGER = replace(settings.KEYMANAGER, key_file=other)
    assert len({*ours, *all_ids()}) == 12


def test_secret_is_of_its_purpose_and_outlives_a_newer_key(settings: Any, tmp_path: Path) -> None:
    def secret_in(name: str, text: str, purpose: str = "lease ids") -> bytes:
        (tmp_path / name).write_text(text)
        settings.KEYMANAGER = replace(settings.KEYMANAGER, key_file=tmp_path / name)
        return secret_for(purpose)

    assert secret_in("one", "first\n") == secret_in("two", "second\nfirst\n")
    assert secret_in("one", "first\n") != secret_in("three", "first\n", "another purpose")
    with pytest.raises(SealBroken):
        secret_in("none", "")


@pytest.mark.django_db
def test_lease_has_its_key_s_id(portal: Portal) -> None:
    portal.accept(KEY, [module("HANDEL")])
    client = make_client()
    take(client, idempotency_key="once", body_sha256="a")
    assert Lease.objects.get().id.hex == ids_of_keys([(client.pk, "once")], NOW)[0][0]


@pytest.mark.django_db
def test_call_repeated_at_a_time_that_was_set_back_over_midnight_takes_no_second_seat(portal: Portal) -> None:
    midnight = datetime(2026, 11, 25, tzinfo=UTC)
    portal.accept(KEY, [module("HANDEL")])
    client = make_client()
    first = take(client, now=midnight + TICK, idempotency_key="once", body_sha256="a")
    again = take(client, now=midnight - TICK, idempotency_key="once", body_sha256="a")
    assert first.id == again.id
    assert Lease.objects.count() == 1
