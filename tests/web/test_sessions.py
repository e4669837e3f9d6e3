"""How long a session lasts."""

from datetime import timedelta

import pytest
import time_machine
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, generate_totp_secret, hotp_value
from django.contrib.sessions.models import Session
from django.urls import reverse

from licensing.models import Role
from licensing.web.session_end import BEGAN
from tests.factories import NOW

from .visitors import PASSWORD, Visitor, logged_in, words


@pytest.mark.parametrize("remember", [{}, {"remember": "on"}])
def test_a_session_ends_12_hours_after_its_log_in_whatever_happens_in_it(
    remember: dict[str, str], administrator: Visitor
) -> None:
    client = administrator.client
    client.logout()
    client.post(
        reverse("account_login"), {"login": administrator.user.username, "password": PASSWORD} | remember
    )
    for hours in (6, 11.9):
        with time_machine.travel(NOW + timedelta(hours=hours), tick=False):
            client.post(reverse("account_reauthenticate"), {"password": PASSWORD})
            assert client.get(reverse("users")).status_code == 200
    with time_machine.travel(NOW + timedelta(hours=12), tick=False):
        assert client.get(reverse("users")).status_code == 302
        assert client.get(reverse("mfa_index")).status_code == 302
        assert not Session.objects.exists() or "_auth_user_id" not in client.session


def test_a_session_that_does_not_say_when_it_began_is_over(viewer: Visitor) -> None:
    session = viewer.client.session
    del session[BEGAN]
    session.save()
    assert viewer.get("modules").status_code == 302


def test_a_session_does_not_go_on_where_its_user_may_log_in_again(
    administrator: Visitor, viewer: Visitor
) -> None:
    for may_log_in in ({}, {"is_active": "on"}):
        administrator.post(
            "user_edit", viewer.user.pk, role="viewer", email="jan@firma.example", **may_log_in
        )
    assert viewer.get("modules").status_code == 302
    viewer.post("account_login", login=viewer.user.username, password=PASSWORD)
    assert viewer.get("modules").status_code == 200


def test_a_log_in_that_ends_while_its_user_is_locked_out_opens_nothing_afterwards(
    administrator: Visitor, viewer: Visitor
) -> None:
    secret = generate_totp_secret()
    TOTP.activate(viewer.user, secret)
    viewer.client.logout()
    viewer.post("account_login", login=viewer.user.username, password=PASSWORD)
    administrator.post("user_edit", viewer.user.pk, role="viewer", email="jan@firma.example")
    viewer.post("mfa_authenticate", code=format_hotp_value(hotp_value(secret, int(NOW.timestamp()) // 30)))
    administrator.post("user_edit", viewer.user.pk, role="viewer", email="jan@firma.example", is_active="on")
    assert viewer.get("modules").status_code == 302


def test_an_administrator_may_lock_himself_out(administrator: Visitor) -> None:
    logged_in(Role.ADMINISTRATOR, "another")
    page = administrator.post("user_edit", administrator.user.pk, role="administrator", email="")
    assert page.status_code == 200
    assert administrator.get("modules").status_code == 302


def test_who_sends_a_form_after_his_session_is_told_that_nothing_was_done(administrator: Visitor) -> None:
    with time_machine.travel(NOW + timedelta(hours=12), tick=False):
        told = words(administrator.post("key_add", customer="123456"))
        assert "Nothing has been done yet: your session was over" in told
    looked_at = words(administrator.client.get(reverse("key_add"), follow=True))  # type: ignore[arg-type]
    assert "Nothing has been done yet" not in looked_at
