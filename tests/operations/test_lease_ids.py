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
from licensing.operations.lease_ids import REMEMBERED, STEM_DIGITS, day_of, id_on, new_stems, stems_of_keys
from tests.factories import KEY, NOW, Portal, make_client, module, take

TICK = timedelta(microseconds=1)


def id_at(now: datetime, key: tuple[int, str] = (1, "once")) -> str:
    """The id that a lease for this client's key gets then."""
    return id_on(stems_of_keys([key])[0], day_of(now))


def test_ids_are_uuids_of_version_4() -> None:
    stems = [*new_stems(1000), *stems_of_keys([(1, "a")])]
    found = [id_on(stem, day) for stem in stems for day in (0, day_of(NOW), 65_535, 65_536)]
    for lease_id in found:
        assert (UUID(lease_id).version, UUID(lease_id).variant) == (4, "specified in RFC 4122")
        assert UUID(lease_id).hex == lease_id
    # Every bit that is free is drawn.
    ors, ands = 0, -1
    for lease_id in found:
        ors, ands = ors | UUID(lease_id).int, ands & UUID(lease_id).int
    assert (ors ^ ands).bit_count() == 122
    assert len({id_on(stem, day_of(NOW)) for stem in stems}) == len(stems)


@given(st.timedeltas(timedelta(), timedelta(days=800)), st.timedeltas(timedelta(), timedelta(days=800)))
def test_all_ids_of_a_key_begin_alike(start: timedelta, age: timedelta) -> None:
    assert id_at(NOW + start)[:STEM_DIGITS] == id_at(NOW + start + age)[:STEM_DIGITS]
    assert id_at(NOW)[:STEM_DIGITS] == stems_of_keys([(1, "once")])[0][0]


@given(st.timedeltas(timedelta(), timedelta(days=800)), st.timedeltas(REMEMBERED, timedelta(days=800)))
def test_key_that_is_forgotten_gets_another_id(start: timedelta, age: timedelta) -> None:
    assert id_at(NOW + start) != id_at(NOW + start + age)


def test_ids_differ_by_client_key_and_portal(settings: Any, tmp_path: Path) -> None:
    def all_ids() -> list[str]:
        return [stem for stem, _ in stems_of_keys([(1, "2 a"), (1, "a"), (12, "a")])]

    ours = all_ids()
    other = tmp_path / "other.key"
    other.write_text("another key\n")
    settings.KEYMANAGER = replace(settings.KEYMANAGER, key_file=other)
    assert len({*ours, *all_ids()}) == 6


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
    assert Lease.objects.get().id.hex == id_at(NOW, (client.pk, "once"))


@pytest.mark.django_db
@pytest.mark.parametrize("back", [2 * TICK, timedelta(hours=23)])
def test_call_repeated_at_a_time_that_was_set_back_over_midnight_takes_no_second_seat(
    portal: Portal, back: timedelta
) -> None:
    just_after = datetime(2026, 11, 25, tzinfo=UTC) + TICK
    portal.accept(KEY, [module("HANDEL")])
    client = make_client()
    first = take(client, now=just_after, idempotency_key="once", body_sha256="a")
    again = take(client, now=just_after - back, idempotency_key="once", body_sha256="a")
    assert first.id == again.id
    assert Lease.objects.count() == 1


@pytest.mark.django_db
def test_key_that_is_used_day_after_day_gets_a_lease_for_each_and_the_last_is_remembered(
    portal: Portal,
) -> None:
    portal.accept(KEY, [module("HANDEL", 9)])
    client = make_client()
    days = [NOW + number * REMEMBERED for number in range(3)]
    given = [take(client, now=day, idempotency_key="daily", body_sha256="a").id for day in days]
    assert len(set(given)) == len(given)
    late = days[-1] + REMEMBERED - TICK
    assert take(client, now=late, idempotency_key="daily", body_sha256="a").id == given[-1]


@pytest.mark.django_db
def test_lease_that_seems_to_come_from_after_tomorrow_is_not_taken_for_a_repeated_call_s(
    portal: Portal,
) -> None:
    portal.accept(KEY, [module("HANDEL", 9)])
    client = make_client()
    ahead = take(client, now=NOW + REMEMBERED, idempotency_key="once", body_sha256="a")
    assert take(client, now=NOW, idempotency_key="once", body_sha256="a").id != ahead.id
