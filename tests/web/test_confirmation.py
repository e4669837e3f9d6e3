"""Logging in once more before what hurts: nothing of the form that was sent is kept meanwhile."""

import json
from datetime import timedelta
from typing import Any
from urllib.parse import unquote

import pytest
import time_machine
from django.contrib.sessions.models import Session
from django.urls import reverse

from licensing.models import Configuration, VirtualKey
from tests.factories import KEY, NOW, Portal, module

from .visitors import PASSWORD, Visitor, words

LATER = NOW + timedelta(minutes=20)
PIN = "0427"
# No PIN: four digits may be in a time too.
TYPED = "typed-by-somebody"
HEADER = "a-secret-of-the-front"


def kept() -> str:
    """Everything that lies in sessions."""
    return json.dumps([session.get_decoded() for session in Session.objects.all()])


@pytest.mark.parametrize(
    ("name", "arguments", "fields"),
    [
        ("key_remove", (KEY,), {"number": KEY, "pin": TYPED}),
        ("cluster_switch", (), {"clustered": "True", "cluster_name": "c", KEY: TYPED}),
        ("user_invite", (), {"username": TYPED, "role": "viewer"}),
        ("client_add", (), {"name": TYPED}),
        ("defaults", (), {"confirmed": TYPED}),
        ("mfa_activate_totp", (), {"code": TYPED}),
        ("mfa_add_webauthn", (), {"name": TYPED, "credential": "{}"}),
        ("mfa_generate_recovery_codes", (), {"code": TYPED}),
        ("mfa_remove_webauthn", (1,), {"name": TYPED}),
        ("mfa_edit_webauthn", (1,), {"name": TYPED}),
    ],
)
def test_no_value_of_a_form_and_no_header_reaches_the_session(
    name: str, arguments: tuple[Any, ...], fields: dict[str, str], portal: Portal, administrator: Visitor
) -> None:
    portal.accept(KEY, [module()])
    page = reverse(name, args=arguments)
    with time_machine.travel(LATER, tick=False):
        response = administrator.client.post(page, fields, headers={"x-planted": HEADER})
        assert response.status_code == 302
        assert unquote(response["Location"]) == f"{reverse('account_reauthenticate')}?next={page}"
        cookie = administrator.client.cookies["sessionid"].value
        assert [word for word in (TYPED, HEADER, cookie) if word in kept()] == []
        told = words(administrator.client.get(response["Location"]))  # type: ignore[arg-type]
        assert "Nothing has been done yet" in told


def test_after_the_password_the_form_is_filled_in_again(portal: Portal, administrator: Visitor) -> None:
    portal.accept(KEY, [module()])
    form = {"number": KEY, "pin": PIN}
    with time_machine.travel(LATER, tick=False):
        asked = administrator.client.post(reverse("key_remove", args=[KEY]), form)
        again = administrator.client.post(asked["Location"], {"password": PASSWORD})
        assert (again.status_code, again["Location"]) == (302, reverse("key_remove", args=[KEY]))
        assert administrator.client.get(again["Location"]).status_code == 200
    assert VirtualKey.objects.filter(number=KEY).exists()


def test_a_page_that_is_only_looked_at_leads_back_without_a_word(administrator: Visitor) -> None:
    with time_machine.travel(LATER, tick=False):
        asked = administrator.client.get(reverse("user_invite"), follow=True)
        assert "Confirm that it is you" in words(asked)  # type: ignore[arg-type]
        assert "Nothing has been done yet" not in words(asked)  # type: ignore[arg-type]


def test_a_switch_of_the_cluster_is_said_anew_after_the_password(
    portal: Portal, administrator: Visitor
) -> None:
    portal.accept(KEY, [module()])
    VirtualKey.objects.update(bound_machine="another")
    led = administrator.get("cluster_switch")
    assert (led.status_code, led["Location"]) == (302, reverse("advanced"))


def test_the_clusters_switch_asks_for_the_password_also_while_no_key_is_active(
    administrator: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    from licensing.operations import database

    monkeypatch.setattr(database, "is_shareable", lambda: True)
    form = {"section": "cluster", "clustered": "on", "cluster_name": "two nodes"}
    with time_machine.travel(LATER, tick=False):
        asked = administrator.client.post(reverse("advanced"), form)
        assert asked["Location"].startswith(reverse("account_reauthenticate"))
        assert not Configuration.objects.get(pk=1).clustered
        same = administrator.client.post(reverse("advanced"), {"section": "cluster", "cluster_name": ""})
        assert same["Location"].startswith(reverse("advanced"))
    administrator.client.post(reverse("advanced"), form)
    assert Configuration.objects.get(pk=1).clustered
