"""Addresses that nobody types; on PostgreSQL, which takes no NUL, they are asked as well."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from tests.factories import KEY, Portal, make_client, module, take

from .visitors import PASSWORD, Visitor, words


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("leases", "q=%00"),
        ("leases", "module=%00"),
        ("leases", "q=anna%00&format=csv"),
        ("refusals", "q=%00"),
        ("refusals", "code=%00"),
        ("events", "q=%00"),
        ("events", "kind=%00"),
        ("modules", "q=%00"),
        ("history", "q=%00"),
        ("mails", "state=%00"),
        ("release", "user=%00"),
    ],
)
def test_what_is_asked_for_with_a_nul_is_not_found(
    name: str, query: str, portal: Portal, administrator: Visitor
) -> None:
    portal.accept(KEY, [module("HANDEL", 2)])
    take(make_client(), "HANDEL")
    page = administrator.client.get(f"{reverse(name)}?{query}", follow=True)
    assert page.status_code == 200
    assert "anna.nowak" not in words(page) or name == "release"  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "address",
    [
        "/history/%00",
        "/history/%00/needs",
        "/modules/%00/HANDEL",
        f"/modules/{KEY}/%00",
        "/configuration/keys/%00/edit",
        "/configuration/logs/%00",
    ],
)
def test_a_page_of_something_with_a_nul_is_not_there(address: str, administrator: Visitor) -> None:
    assert administrator.client.get(address).status_code == 404


@pytest.mark.parametrize("name", ["sessionid", "csrftoken", "messages", "django_language"])
def test_a_cookie_with_a_nul_is_none(name: str, viewer: Visitor) -> None:
    client = Client(headers={"cookie": f'{name}="12345678\\000"'})
    assert client.get(reverse("modules")).status_code == 302
    given = {"login": viewer.user.username, "password": PASSWORD}
    assert client.post(reverse("account_login"), given)["Location"] == reverse("modules")


@pytest.mark.parametrize(
    "elsewhere",
    ["http://[::1", "http://[x]/", "//evil.example", "https://other.firma.example/", "http://127.0.0.1/"],
)
def test_a_log_in_leads_to_this_portal_alone(elsewhere: str, viewer: Visitor, settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["testserver", ".firma.example", "127.0.0.1"]
    client = Client()
    assert client.get(reverse("account_login"), {"next": elsewhere}).status_code == 200
    given = {"login": viewer.user.username, "password": PASSWORD, "next": elsewhere}
    assert client.post(reverse("account_login"), given)["Location"] == reverse("modules")
    given = {"password": PASSWORD, "next": elsewhere}
    assert client.post(reverse("account_reauthenticate"), given)["Location"] == reverse("modules")


def test_a_log_in_leads_to_the_page_that_was_wanted(viewer: Visitor) -> None:
    given = {"login": viewer.user.username, "password": PASSWORD, "next": "/events?q=jan"}
    assert Client().post(reverse("account_login"), given)["Location"] == "/events?q=jan"


@pytest.mark.parametrize(
    ("address", "host", "status"), [("/", "evil.example", 400), ("/none", "testserver", 404)]
)
def test_a_page_that_says_what_is_wrong_runs_nothing_and_stands_in_no_frame(
    address: str, host: str, status: int, viewer: Visitor
) -> None:
    page = viewer.client.get(address, headers={"host": host})
    assert page.status_code == status
    assert "default-src 'none'" in page["Content-Security-Policy"]
    assert page["X-Frame-Options"] == "DENY"
