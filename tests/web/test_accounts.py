"""Logging in, the first run, invitations, ERP clients and users on the pages."""

import re
from datetime import timedelta

import pytest
import time_machine
from django.conf import settings
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from licensing.models import ErpClient, Role, User
from licensing.operations.users import first_run_token, invitation, invite_user
from licensing.templatetags.pages import browser
from tests.factories import NOW, Portal

from .visitors import PASSWORD, Visitor, logged_in, words


def english() -> Client:
    return Client(headers={"accept-language": "en"})


@pytest.fixture
def first_token(portal: Portal) -> str:
    return first_run_token() or ""


FIRST = {"username": "anna", "email": "", "password": PASSWORD, "password_again": PASSWORD}


def test_before_there_is_an_administrator_every_way_leads_to_the_first_run(first_token: str) -> None:
    page = english().get("/", follow=True)
    assert "Welcome to the Key Manager" in words(page)  # type: ignore[arg-type]


def test_the_first_administrator_is_made_with_the_token_and_logs_in(first_token: str) -> None:
    client = english()
    page = client.post(reverse("first_run"), FIRST | {"token": first_token}, follow=True)
    assert "The administrator is made." in words(page)  # type: ignore[arg-type]
    page = client.post(reverse("account_login"), {"login": "anna", "password": PASSWORD}, follow=True)
    assert "Available modules" in words(page)  # type: ignore[arg-type]
    assert User.objects.get().role == Role.ADMINISTRATOR
    assert client.get(reverse("first_run")).status_code == 302


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"token": "guess"}, "This is not the token printed at the last start"),
        ({"password_again": "another long password"}, "The two passwords differ."),
        ({"password": "password12", "password_again": "password12"}, "too common"),
        ({"username": "a b"}, "valid username"),
    ],
)
def test_a_first_run_with_a_mistake_makes_nobody(
    changes: dict[str, str], sentence: str, first_token: str
) -> None:
    page = english().post(reverse("first_run"), FIRST | {"token": first_token} | changes)
    assert sentence in words(page)  # type: ignore[arg-type]
    assert not User.objects.exists()


def test_a_wrong_password_lets_nobody_in_and_many_lock_the_door(viewer: Visitor) -> None:
    client = english()
    wrong = {"login": viewer.user.username, "password": "wrong"}
    for _ in range(10):
        assert client.post(reverse("account_login"), wrong).status_code in (200, 429)
    right = {"login": viewer.user.username, "password": PASSWORD}
    client.post(reverse("account_login"), right)
    assert client.get("/").status_code == 302
    cache.clear()
    client.post(reverse("account_login"), right)
    assert client.get("/").status_code == 200


def test_nobody_signs_up(nobody: Client) -> None:
    assert nobody.get("/accounts/signup/").status_code in (302, 404)
    assert not User.objects.exists()


def test_without_tls_every_page_says_so(viewer: Visitor, nobody: Client) -> None:
    assert "This page is not encrypted" in viewer.reads("events")
    assert "This page is not encrypted" in words(nobody.get(reverse("account_login")))  # type: ignore[arg-type]
    secure = viewer.client.get("/", secure=True)
    assert "not encrypted" not in words(secure)  # type: ignore[arg-type]


def test_logging_out_ends_the_session(viewer: Visitor) -> None:
    viewer.post("account_logout")
    assert viewer.get("modules").status_code == 302


def test_the_language_is_changed_and_remembered(viewer: Visitor) -> None:
    assert 'lang="en"' in viewer.get("modules").content.decode()
    viewer.client.post(reverse("set_language"), {"language": "pl", "next": "/events"})
    assert '<html lang="pl">' in viewer.get("events").content.decode()


def test_a_second_factor_is_asked_for_once_it_is_set_up_and_stored_sealed(viewer: Visitor) -> None:
    from allauth.mfa.adapter import get_adapter
    from allauth.mfa.models import Authenticator
    from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, generate_totp_secret, hotp_value

    secret = generate_totp_secret()
    TOTP.activate(viewer.user, secret)
    assert secret not in str(Authenticator.objects.get().data)
    assert get_adapter().decrypt(Authenticator.objects.get().data["secret"]) == secret
    client = english()
    client.post(reverse("account_login"), {"login": viewer.user.username, "password": PASSWORD})
    assert client.get("/").status_code == 302
    code = format_hotp_value(hotp_value(secret, int(NOW.timestamp()) // 30))
    client.post(reverse("mfa_authenticate"), {"code": code})
    assert client.get("/").status_code == 200


# --- invitations and users -------------------------------------------------------------------------------


def link_of(page: str) -> str:
    found = re.search(r'id="link" tabindex="0">http://testserver([^<]+)<', page)
    assert found
    return found.group(1)


def test_an_invited_user_sets_a_password_by_the_link_and_logs_in(administrator: Visitor) -> None:
    page = administrator.post("user_invite", username="jan", role="operator", email="jan@example.com")
    link = link_of(page.content.decode())
    client = english()
    assert "You have been invited to the Key Manager as jan ." in words(client.get(link))  # type: ignore[arg-type]
    client.post(link, {"password": PASSWORD, "password_again": PASSWORD})
    client.post(reverse("account_login"), {"login": "jan", "password": PASSWORD})
    assert client.get(reverse("offline")).status_code == 200
    over = client.get(link)
    assert over.status_code == 410
    assert "This link is over" in words(over)  # type: ignore[arg-type]


def test_a_weak_password_does_not_use_the_link_up(portal: Portal, administrator: Visitor) -> None:
    from licensing.operations.actors import COMMAND

    link = reverse("invitation", args=invitation(invite_user(NOW, COMMAND, "jan", Role.VIEWER)))
    client = english()
    page = client.post(link, {"password": "short", "password_again": "short"})
    assert "too short" in words(page)  # type: ignore[arg-type]
    assert client.get(link).status_code == 200


def test_a_new_link_logs_the_user_out_everywhere(administrator: Visitor, viewer: Visitor) -> None:
    page = administrator.post("user_link", viewer.user.pk)
    assert viewer.get("modules").status_code == 302
    assert english().get(link_of(page.content.decode())).status_code == 200


def test_who_has_no_password_now_is_told_so_where_he_would_change_it(viewer: Visitor) -> None:
    from allauth.mfa.models import Authenticator

    viewer.user.set_unusable_password()
    viewer.user.save()
    Authenticator.objects.create(user=viewer.user, type="webauthn", data={"name": "key", "credential": {}})
    # As by a passkey.
    viewer.client.force_login(viewer.user, settings.AUTHENTICATION_BACKENDS[0])
    assert "You have no password now." in words(
        viewer.client.get(reverse("account_change_password"), follow=True)  # type: ignore[arg-type]
    )


def test_the_users_page_shows_who_may_what(administrator: Visitor, viewer: Visitor) -> None:
    administrator.post("user_invite", username="jan", role="operator", email="")
    text = administrator.reads("users")
    assert f"{viewer.user.username} Viewer" in text
    assert "jan Operator – – has no password yet" in text


def test_a_role_is_changed_and_the_last_administrator_stays(administrator: Visitor, viewer: Visitor) -> None:
    administrator.post("user_edit", viewer.user.pk, role="operator", email="", is_active="on")
    viewer.user.refresh_from_db()
    assert viewer.user.role == Role.OPERATOR
    page = administrator.post("user_edit", administrator.user.pk, role="viewer", email="", is_active="on")
    assert "This is the last administrator" in words(page)


def test_a_new_link_for_the_last_administrator_is_refused_on_its_page(administrator: Visitor) -> None:
    page = administrator.post("user_link", administrator.user.pk)
    assert "This is the last administrator" in words(page)
    assert administrator.get("modules").status_code == 200


def test_a_user_name_that_is_taken_is_told_at_the_field(administrator: Visitor, viewer: Visitor) -> None:
    page = administrator.post("user_invite", username=viewer.user.username.upper(), role="viewer")
    assert 'id="id_username_error"' in page.content.decode()


# --- ERP clients -----------------------------------------------------------------------------------------


def test_a_token_is_shown_once_with_a_line_to_try_it(administrator: Visitor) -> None:
    assert "No ERP client yet" in administrator.reads("clients")
    page = administrator.post("client_add", name="Optima", networks="10.0.0.0/8\n192.168.1.0/24")
    token = re.search(r'id="token" tabindex="0">(km_[\w-]+)<', page.content.decode())
    assert token
    assert f'curl -H "Authorization: Bearer {token.group(1)}" http://testserver/api/v1/modules' in words(page)
    assert page["Cache-Control"].startswith("max-age=0, no-cache, no-store")
    assert token.group(1) not in administrator.get("clients").content.decode()
    assert ErpClient.objects.get().networks == ["10.0.0.0/8", "192.168.1.0/24"]


def test_a_client_is_edited_disabled_and_let_in_again(administrator: Visitor) -> None:
    administrator.post("client_add", name="Optima", networks="")
    client = ErpClient.objects.get()
    administrator.post("client_edit", client.pk, name="XL", networks="10.0.0.0/8")
    assert "XL 10.0.0.0/8 0 now 09:00:00 let in" in administrator.reads("clients")
    administrator.post("client_switch", client.pk, disable="yes")
    assert "disabled" in administrator.reads("clients")
    administrator.post("client_switch", client.pk, enable="yes")
    client.refresh_from_db()
    assert (client.name, client.disabled_at) == ("XL", None)


def test_a_new_token_is_made_after_a_warning(administrator: Visitor) -> None:
    administrator.post("client_add", name="Optima", networks="")
    client = ErpClient.objects.get()
    assert "The old token is good no more" in administrator.reads("client_token", client.pk)
    administrator.post("client_token", client.pk)
    assert ErpClient.objects.get().token_sha256 != client.token_sha256


@pytest.mark.parametrize(
    ("fields", "field"), [({"name": " "}, "name"), ({"name": "Optima", "networks": "lan"}, "networks")]
)
def test_a_mistake_about_an_erp_client_is_told_at_the_field(
    fields: dict[str, str], field: str, administrator: Visitor
) -> None:
    page = administrator.post("client_add", **fields)
    assert f'id="id_{field}_error"' in page.content.decode()
    assert not ErpClient.objects.exists()


def test_what_is_not_there_is_a_404(administrator: Visitor) -> None:
    for name in ("client_edit", "client_token", "user_edit", "user_link"):
        assert administrator.get(name, 404).status_code == 404


# --- failures --------------------------------------------------------------------------------------------


def test_a_page_that_is_not_there_says_so_in_the_portals_face(viewer: Visitor) -> None:
    page = viewer.client.get("/nothing")
    assert page.status_code == 404
    assert "There is no such page" in words(page)  # type: ignore[arg-type]


def test_a_role_that_may_not_is_told_so_in_the_portals_face(viewer: Visitor) -> None:
    page = viewer.get("users")
    assert page.status_code == 403
    assert "Your role does not allow this" in words(page)


def test_a_form_without_its_mark_is_refused_in_the_portals_face(portal: Portal) -> None:
    visitor = logged_in(Role.OPERATOR)
    strict = Client(enforce_csrf_checks=True, headers={"accept-language": "en"})
    strict.cookies = visitor.client.cookies
    page = strict.post(reverse("release"), {"confirmed": "yes"})
    assert page.status_code == 403
    assert "This form is too old" in words(page)  # type: ignore[arg-type]


def test_who_tries_to_log_in_too_often_is_told_to_wait_in_the_portals_face(viewer: Visitor) -> None:
    client = english()
    pages = [client.post(reverse("account_login"), {"login": "guess"}) for _ in range(31)]
    cache.clear()
    first, page = pages[0], pages[-1]
    assert (first.status_code, page.status_code) == (200, 429)
    assert "Too many attempts" in words(page)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "arguments", "page"),
    [
        ("contact_start", (), "configuration"),
        ("mail_again", (1,), "mails"),
        ("client_switch", (1,), "clients"),
        ("offline_code", (), "offline"),
        ("offline_export", (), "offline"),
        ("offline_import", (), "offline"),
    ],
)
def test_what_only_a_form_sends_leads_to_the_page_of_the_form(
    name: str, arguments: tuple[int, ...], page: str, administrator: Visitor
) -> None:
    response = administrator.get(name, *arguments)
    assert (response.status_code, response["Location"]) == (302, reverse(page))


def test_a_list_that_refreshes_itself_leads_to_the_log_in_page_when_the_session_is_over(
    nobody: Client, viewer: Visitor
) -> None:
    part = nobody.get(reverse("leases"), headers={"hx-request": "true"})
    assert (part.status_code, part["HX-Refresh"], part.content) == (204, "true", b"")
    whole = nobody.get(reverse("leases"), follow=True)
    assert "You are not logged in, or not any more." in words(whole)  # type: ignore[arg-type]
    first = nobody.get("/", follow=True)
    assert "not any more" not in words(first)  # type: ignore[arg-type]


def test_a_host_that_is_not_allowed_is_refused(portal: Portal) -> None:
    assert english().get("/", headers={"host": "evil.example"}).status_code == 400


def test_a_fault_shows_a_number_that_stands_in_the_log(
    viewer: Visitor, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from licensing.web import refusals

    def broken(*_: object) -> None:
        raise RuntimeError("planted")

    monkeypatch.setattr(refusals, "_filtered", broken)
    viewer.client.raise_request_exception = False
    page = viewer.get("refusals")
    assert page.status_code == 500
    number = re.search(r"Number of the incident: ([0-9a-f]{12})", words(page))
    assert number
    assert number.group(1) in caplog.text
    assert "planted" not in page.content.decode()


def test_while_the_database_is_away_a_page_says_so_and_when_to_try_again(
    viewer: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.contrib.sessions.backends.db import SessionStore
    from django.db import OperationalError

    def away(*_: object) -> None:
        raise OperationalError("the connection is lost")

    monkeypatch.setattr(SessionStore, "load", away)
    viewer.client.raise_request_exception = False
    page = viewer.get("modules")
    assert (page.status_code, page["Retry-After"]) == (503, "5")
    assert "The database does not answer" in words(page)
    assert "connection is lost" not in page.content.decode()


def test_pages_say_what_may_run_and_from_where(viewer: Visitor) -> None:
    policy = viewer.get("modules")["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert settings.SESSION_COOKIE_HTTPONLY


def test_a_session_says_how_long_ago_it_began(viewer: Visitor) -> None:
    with time_machine.travel(NOW + timedelta(minutes=5), tick=False):
        assert "Logged in 5 min ago" in viewer.reads("usersessions_list")


def test_the_other_browsers_are_logged_out_at_once(administrator: Visitor) -> None:
    other = Client(headers={"accept-language": "en"})
    name = administrator.user.username
    other.post(reverse("account_login"), {"login": name, "password": PASSWORD})
    assert "this browser" in administrator.reads("usersessions_list")
    administrator.post("usersessions_list")
    assert other.get(reverse("modules")).status_code == 302
    assert administrator.get("modules").status_code == 200


@pytest.mark.parametrize(
    ("description", "name"),
    [
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/140.0.0.0 Safari/537.36 Edg/140.0",
            "Edge, Windows",
        ),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox, Linux"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1", "Safari, iOS"),
        ("curl/8.0", "curl/8.0"),
    ],
)
def test_a_session_is_told_by_the_name_of_its_browser(description: str, name: str) -> None:
    assert browser(description) == name
