"""A mail's text set as HTML, and where its links lead."""

import dataclasses
from typing import Any

import pytest

from licensing.models import Configuration
from licensing.operations.alerts import raise_alerts
from licensing.operations.mail_queue import error_sentence
from licensing.operations.mail_text import Block, blocks
from licensing.operations.portal_address import page_url
from tests.factories import NOW, Portal
from tests.operations.alerting import facts, mails, settings_for_mail


def test_a_text_is_parted_into_paragraphs_lists_and_what_is_to_be_copied() -> None:
    text = "First\nline\n\nWhat to do:\n- one\n- two\n\n    ERP PL 1234\n\n\nEnd\n"
    assert list(blocks(text)) == [
        Block("paragraph", ["First", "line"]),
        Block("paragraph", ["What to do:"]),
        Block("list", ["one", "two"]),
        Block("code", ["ERP PL 1234"]),
        Block("paragraph", ["End"]),
    ]


@pytest.mark.parametrize(
    ("chosen", "hosts", "port", "expected"),
    [
        ("https://klucze.firma.example/", ["x"], 8000, "https://klucze.firma.example/configuration/offline"),
        (
            "",
            ["localhost", "klucze.firma.example"],
            8000,
            "http://klucze.firma.example:8000/configuration/offline",
        ),
        ("", [".firma.example"], 80, "http://firma.example/configuration/offline"),
        ("", ["127.0.0.1", "*"], None, "http://127.0.0.1/configuration/offline"),
    ],
)
@pytest.mark.django_db
def test_links_lead_to_the_portal(
    settings: Any, chosen: str, hosts: list[str], port: int | None, expected: str
) -> None:
    settings.KEYMANAGER = dataclasses.replace(settings.KEYMANAGER, allowed_hosts=hosts, port=port)
    Configuration.objects.create(portal_url=chosen)
    assert page_url("offline") == expected


def test_a_disk_that_is_nearly_full_is_told_once_a_day(
    portal: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings_for_mail()
    monkeypatch.setattr("licensing.operations.trouble_alerts.DISK_LOW_BYTES", 1 << 62)
    assert raise_alerts(NOW) == 1
    assert raise_alerts(NOW) == 0
    assert facts() == ["disk_low:2026-11-24"]
    assert "%(" not in mails()[0].text


@pytest.mark.django_db
def test_an_error_of_a_newer_version_is_told_as_it_stands() -> None:
    assert error_sentence("smtp_unheard_of 599 x") == "smtp_unheard_of 599 x"
