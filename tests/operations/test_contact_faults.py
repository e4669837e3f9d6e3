"""What stops a contact on our own side, and what ends a row of contacts."""

import dataclasses
import itertools
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.db.models import F

from licensing.models import Configuration, ContactAttempt, Event, OpenRequest, VirtualKey
from licensing.operations.actors import COMMAND
from licensing.operations.answers import KeyLine
from licensing.operations.causes import sentence
from licensing.operations.contact import contact_now
from licensing.operations.contact_reports import ContactReport
from licensing.operations.keys import add_key
from licensing.operations.status import status
from tests.vendor.servers import answering, closed_port, http
from tests.vendor_link import CUSTOMER, KEY, PIN, Link


def use(settings: Any, **changes: Any) -> None:
    settings.KEYMANAGER = dataclasses.replace(settings.KEYMANAGER, **changes)


def contact_with(link: Link, happening: Callable[[], object], at_call: int) -> ContactReport:
    """A contact during which something happens just as the time is asked for the n-th time.

    It is asked before the claim, before the request is taken, and when the answer has come.
    """
    calls = itertools.count(1)

    def now() -> datetime:
        if next(calls) == at_call:
            happening()
        return link.now()

    return contact_now(now, COMMAND, "command")


@pytest.mark.parametrize(
    ("setting", "outcome"),
    [("key_file", "key_file_missing"), ("machine_id_file", "machine_id_missing")],
)
def test_a_missing_file_of_our_own_is_told_by_its_path(
    link: Link, settings: Any, tmp_path: Path, setting: str, outcome: str
) -> None:
    use(settings, **{setting: tmp_path / "missing"})
    report = link.contact()
    assert report.outcome == outcome
    assert str(tmp_path / "missing") in report.sentence()


def test_without_the_vendors_keys_nothing_is_sent(link: Link, settings: Any) -> None:
    use(settings, authority_jwks=None)
    report = link.contact()
    assert report.outcome == "authority_keys_missing"
    assert "KEYMANAGER_AUTHORITY_JWKS" in report.sentence()


def set_proxy(port: int) -> None:
    Configuration.objects.update(
        proxy_host="127.0.0.1", proxy_port=port, proxy_login="jan", proxy_password="zażółć"
    )


def test_a_contact_goes_through_the_proxy_that_is_configured(link: Link) -> None:
    with closed_port() as port:
        set_proxy(port)
        report = link.contact()
    assert (report.outcome, report.params["proxy_port"]) == ("proxy_unreachable", port)
    assert "zażółć" not in str(ContactAttempt.objects.values().get())


def test_a_proxy_password_edited_by_hand_is_told(link: Link) -> None:
    set_proxy(3128)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE licensing_configuration SET proxy_password = 'gAAAAA'")
    assert link.contact().outcome == "proxy_password_unreadable"


def test_an_answer_to_a_request_that_was_closed_meanwhile_is_no_failure(link: Link) -> None:
    add_key(link.now(), COMMAND, KEY, CUSTOMER, PIN)
    report = contact_with(link, OpenRequest.objects.all().delete, at_call=3)
    assert report.outcome == "overtaken"
    assert link.key().state == "new"
    assert "contact_failing" not in status(link.now()).reasons


def test_a_fault_of_our_own_is_written_down_and_lets_the_next_contact_go(link: Link) -> None:
    def fault() -> None:
        raise ZeroDivisionError

    add_key(link.now(), COMMAND, KEY, CUSTOMER, PIN)
    with pytest.raises(ZeroDivisionError):
        contact_with(link, fault, at_call=3)
    assert ContactAttempt.objects.get().outcome == "internal_error"
    assert link.contact().lines == (KeyLine(KEY, "granted"),)


def test_contacts_in_a_row_have_an_end(link: Link) -> None:
    def now() -> datetime:
        VirtualKey.objects.update(revision=F("revision") + 1)
        return link.now()

    add_key(link.now(), COMMAND, KEY, CUSTOMER, PIN)
    assert contact_now(now, COMMAND, "command").is_ok
    assert ContactAttempt.objects.count() == 4
    assert link.next_in_minutes() == pytest.approx(1, abs=0.2)


def test_an_authority_that_refuses_every_request_as_malformed_is_asked_twice(
    link: Link, settings: Any
) -> None:
    body = b'{"type": "about:blank", "status": 400, "code": "malformed"}'
    server = answering(http(body, status="400 Bad Request", kind="application/problem+json"))
    try:
        use(settings, authority_url=f"http://127.0.0.1:{server.port}")
        report = link.contact()
    finally:
        server.close()
    assert report.outcome == "malformed"
    assert ContactAttempt.objects.count() == 2
    assert Event.objects.filter(kind="request_given_up").count() == 2
    assert not OpenRequest.objects.exists()


@pytest.mark.parametrize(
    ("raw", "outcome"),
    [
        (http(b"?", kind="text/html\x00"), "not_the_vendor"),
        (http(b"", "Location: http://a\x00b/", status="302 Found"), "redirected"),
    ],
)
def test_a_contact_is_stored_as_failed_whatever_a_header_of_the_answer_holds(
    link: Link, settings: Any, raw: bytes, outcome: str
) -> None:
    server = answering(raw)
    try:
        use(settings, authority_url=f"http://127.0.0.1:{server.port}")
        report = link.contact()
    finally:
        server.close()
    assert report.outcome == ContactAttempt.objects.get().outcome == outcome


def test_what_is_no_answer_at_all_is_told_as_damaged(link: Link, settings: Any) -> None:
    server = answering(http(b"no.jose.here"))
    try:
        use(settings, authority_url=f"http://127.0.0.1:{server.port}")
        report = link.contact()
    finally:
        server.close()
    assert report.outcome == "answer_damaged"
    assert f"127.0.0.1:{server.port}" in report.sentence()


@pytest.mark.parametrize(
    "outcome",
    ["ok", "", "overtaken", "interrupted", "internal_error", "unavailable", "forged", "wrong_answer", "busy"],
)
def test_every_outcome_has_a_sentence(outcome: str) -> None:
    assert sentence(outcome, {"host": "licences.example", "port": 443}).endswith(".")
