"""The same request again, an older one, and what the authority remembers of both."""

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from authority.contact import Replayed
from authority.store import Store
from licensing.protocol import request_sha256, sign_request, verify_request
from tests.authority.material import NOW, NUMBER, Installation, Vendor, bind, renew


def test_the_last_request_is_answered_again_with_the_same_results_and_a_fresh_time(
    vendor: Vendor, portal: Installation
) -> None:
    _, jws = portal.ask(bind())
    first = vendor.application.contact.answer(jws, NOW)
    later = NOW + timedelta(hours=5)
    vendor.suspend()
    again = vendor.application.contact.answer(jws, later)
    assert again.answered_at == later
    assert (again.keys, again.released, again.codes) == (first.keys, first.released, first.codes)
    assert (again.request_id, again.request_sha256) == (first.request_id, first.request_sha256)


def test_the_last_request_signed_anew_gets_the_same_results_for_its_own_bytes(
    vendor: Vendor, portal: Installation
) -> None:
    request, jws = portal.ask(bind())
    first = vendor.application.contact.answer(jws, NOW)
    other = sign_request(request, portal.key)
    again = vendor.application.contact.answer(other, NOW)
    assert again.keys == first.keys
    assert again.request_sha256 == request_sha256(other) != first.request_sha256


def test_an_older_request_is_refused_as_replayed_and_does_nothing(
    vendor: Vendor, portal: Installation
) -> None:
    _, old = portal.ask(bind())
    vendor.application.contact.answer(old, NOW)
    vendor.contact(portal, release=[NUMBER])
    with pytest.raises(Replayed):
        vendor.application.contact.answer(old, NOW)
    assert vendor.outcome(portal, renew(1)) == "not_bound"


def test_when_a_request_was_sent_is_recorded_with_its_id(vendor: Vendor, portal: Installation) -> None:
    request, jws = portal.ask(bind())
    vendor.application.contact.answer(jws, NOW + timedelta(minutes=5))
    with vendor.application.store.transaction() as tx:
        rows = tx.execute("SELECT request_id, used_at, sent_at FROM used_request").fetchall()
    assert [tuple(row) for row in rows] == [
        (request.request_id, "2026-11-24T08:05:00.000000Z", "2026-11-24T08:00:00.000000Z")
    ]


def test_an_older_file_goes_on_and_records_what_is_sent_from_now_on(tmp_path: Path) -> None:
    path = tmp_path / "authority.sqlite3"
    with closing(sqlite3.connect(path)) as older:
        older.execute(
            "CREATE TABLE used_request (installation TEXT NOT NULL, request_id TEXT NOT NULL,"
            " used_at TEXT NOT NULL, PRIMARY KEY (installation, request_id)) WITHOUT ROWID"
        )
        older.execute("INSERT INTO used_request VALUES ('a', 'b', 'c')")
        older.commit()
    for _ in range(2):
        store = Store(path)
        with store.transaction() as tx:
            assert [tuple(row) for row in tx.execute("SELECT * FROM used_request")] == [("a", "b", "c", None)]
        store.close()


def test_ids_are_remembered_for_400_days(vendor: Vendor, portal: Installation) -> None:
    _, old = portal.ask()
    vendor.application.contact.answer(old, NOW)
    for age in (1, 399, 400):
        vendor.contact(portal, now=NOW + timedelta(days=age))
        with pytest.raises(Replayed):
            vendor.application.contact.answer(old, NOW + timedelta(days=age))
    late = NOW + timedelta(days=401)
    vendor.contact(portal, now=late)
    assert vendor.application.contact.answer(old, late).keys == ()


def test_two_installations_may_use_the_same_id(vendor: Vendor, portal: Installation) -> None:
    request, jws = portal.ask(bind())
    vendor.application.contact.answer(jws, NOW)
    _, other = vendor.installation().ask(bind(), request_id=request.request_id)
    (answer,) = vendor.application.contact.answer(other, NOW).keys
    assert answer.reason == "active_elsewhere"


def test_white_space_around_a_request_changes_nothing(vendor: Vendor, portal: Installation) -> None:
    _, jws = portal.ask(bind())
    assert verify_request(f"\r\n {jws}\n") == verify_request(jws)
    answer = vendor.application.contact.answer(f"{jws}\n", NOW)
    assert answer.request_sha256 == request_sha256(jws)
