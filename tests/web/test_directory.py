"""Logging in at the pages by a company's directory, a real slapd."""

import dataclasses
import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import ldap3
import pytest
import time_machine as clocks
from allauth.mfa.models import Authenticator
from allauth.mfa.webauthn.forms import LoginWebAuthnForm
from django.contrib.auth import authenticate
from django.core.cache import cache
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from licensing.models import Event, Role, User
from licensing.operations.actors import COMMAND
from licensing.operations.errors import Refused
from licensing.operations.users import invite_again
from licensing.serving.ports import free_port
from tests.factories import NOW, Portal
from tests.slapd import GROUPS, PASSWORD, PORTAL_PASSWORD, Slapd, dn_of

from .visitors import PASSWORD as OWN_PASSWORD
from .visitors import Visitor, logged_in, words

BACKEND = "licensing.web.directory.DirectoryBackend"
OPERATORS = GROUPS["KEYMANAGER_LDAP_OPERATORS"]


@pytest.fixture(autouse=True)
def _asked(portal: Portal, slapd: Slapd, settings: Any) -> None:
    """The portal asks that directory, and has an administrator of its own."""
    use(settings, slapd)
    settings.AUTHENTICATION_BACKENDS = [*settings.AUTHENTICATION_BACKENDS, BACKEND]
    logged_in(Role.ADMINISTRATOR, "admin")


def use(settings: Any, slapd: Slapd, **others: str) -> None:
    settings.KEYMANAGER = dataclasses.replace(settings.KEYMANAGER, directory=slapd.directory(**others))


def log_in(name: str, password: str = PASSWORD) -> tuple[Client, HttpResponse]:
    client = Client(headers={"accept-language": "en"})
    page = client.post(reverse("account_login"), {"login": name, "password": password}, follow=True)
    return client, page  # type: ignore[return-value]


def is_in(client: Client) -> bool:
    return client.get(reverse("modules")).status_code == 200


@pytest.fixture
def left(slapd: Slapd) -> Iterator[None]:
    """Jan leaves his group, and comes back for the other tests."""
    yield
    slapd.change(OPERATORS, {"member": [(ldap3.MODIFY_ADD, [dn_of("jan")])]})


def leave(slapd: Slapd) -> None:
    slapd.change(OPERATORS, {"member": [(ldap3.MODIFY_DELETE, [dn_of("jan")])]})


@pytest.mark.parametrize(
    ("name", "role"), [("ewa", Role.ADMINISTRATOR), ("jan", Role.OPERATOR), ("ola", Role.VIEWER)]
)
def test_the_group_gives_the_role(name: str, role: Role) -> None:
    client, _page = log_in(name)
    assert is_in(client)
    user = User.objects.get(username=name)
    assert (user.role, user.from_directory, user.check_password(PASSWORD)) == (role, True, False)
    assert client.get(reverse("users")).status_code == (200 if role is Role.ADMINISTRATOR else 403)
    assert Event.objects.filter(kind="user_from_directory", subject=name).count() == 1


def test_a_second_log_in_makes_nobody_new_however_the_name_is_typed() -> None:
    for name in ("jan", " Jan ", "JAN"):
        assert is_in(log_in(name)[0])
    assert User.objects.filter(from_directory=True).count() == 1


def test_a_wrong_password_and_an_unknown_name_are_told_alike() -> None:
    told = [words(log_in(*wrong)[1]) for wrong in (("jan", "wrong"), ("nobody", "wrong"))]
    assert all("The username and/or password you specified are not correct." in text for text in told)
    assert not User.objects.filter(from_directory=True).exists()


def test_without_a_group_there_is_no_way_in() -> None:
    client, page = log_in("piotr")
    assert "in none of the groups that may log in here" in words(page)
    assert not is_in(client)
    assert not User.objects.filter(username="piotr").exists()


def test_who_left_the_groups_loses_role_and_sessions_at_the_next_log_in(left: None, slapd: Slapd) -> None:
    earlier, _page = log_in("jan")
    leave(slapd)
    client, page = log_in("jan")
    assert "in none of the groups" in words(page)
    assert not is_in(client)
    assert not is_in(earlier)
    assert User.objects.get(username="jan").role == Role.VIEWER
    assert Event.objects.filter(kind="user_left_directory_groups", subject="jan").exists()


def test_another_group_is_another_role_at_the_next_log_in(left: None, slapd: Slapd) -> None:
    log_in("jan")
    leave(slapd)
    viewers = GROUPS["KEYMANAGER_LDAP_VIEWERS"]
    slapd.change(viewers, {"memberUid": [(ldap3.MODIFY_ADD, ["jan"])]})
    try:
        assert is_in(log_in("jan")[0])
        assert User.objects.get(username="jan").role == Role.VIEWER
    finally:
        slapd.change(viewers, {"memberUid": [(ldap3.MODIFY_DELETE, ["jan"])]})


def test_while_the_directory_is_away_the_portals_own_accounts_log_in(slapd: Slapd, settings: Any) -> None:
    use(settings, slapd, KEYMANAGER_LDAP_URL=f"ldaps://localhost:{free_port()}")
    client, page = log_in("jan")
    assert "The company directory gives no usable answer, so its accounts cannot log in now." in words(page)
    assert not is_in(client)
    assert is_in(log_in("admin", OWN_PASSWORD)[0])


@pytest.mark.parametrize(("own", "in_the_directory"), [("Ewa", "ewa"), ("Zenon.ODSZEDŁ", "zenon.odszedł")])
def test_a_name_of_the_portals_own_is_never_asked_of_the_directory(own: str, in_the_directory: str) -> None:
    logged_in(Role.VIEWER, own)
    assert not is_in(log_in(in_the_directory)[0])
    for name in (own, in_the_directory):
        assert is_in(log_in(name, OWN_PASSWORD)[0])
    assert not User.objects.filter(from_directory=True).exists()


def test_a_name_of_the_portals_own_in_other_letters_is_not_asked_for_either() -> None:
    logged_in(Role.VIEWER, "Ewa")
    _client, page = log_in("ｅｗａ")
    assert "The username and/or password you specified are not correct." in words(page)


def test_a_name_that_would_pass_for_a_filter_lets_nobody_in() -> None:
    for name in ("*", "jan)(uid=*", "*)(objectClass=*"):
        assert not is_in(log_in(name)[0])
        cache.clear()
    assert not User.objects.filter(from_directory=True).exists()


def test_a_name_that_the_portal_cannot_take_is_told(caplog: pytest.LogCaptureFixture) -> None:
    _client, page = log_in("zofia wolna")
    assert "User names here may have letters, digits" in words(page)


def test_many_wrong_passwords_lock_the_door_here_too() -> None:
    for _ in range(10):
        log_in("jan", "wrong")
    client, page = log_in("jan")
    assert "Too many failed login attempts" in words(page)
    assert not is_in(client)
    cache.clear()
    assert is_in(log_in("jan")[0])


def test_an_administrator_switches_a_user_of_the_directory_off_and_changes_nothing_else() -> None:
    earlier, _page = log_in("jan")
    admin, _page = log_in("ewa")
    jan = User.objects.get(username="jan")
    page = admin.get(reverse("user_edit", args=[jan.pk]))
    assert "The company directory says this, at each log-in." in words(page)  # type: ignore[arg-type]
    admin.post(reverse("user_edit", args=[jan.pk]), {"role": "administrator"})
    jan.refresh_from_db()
    assert (jan.role, jan.is_active) == (Role.OPERATOR, False)
    assert not is_in(earlier)
    client, page = log_in("jan")  # type: ignore[assignment]
    assert "An administrator has switched this account off." in words(page)  # type: ignore[arg-type]
    assert not is_in(client)


@pytest.mark.parametrize("mail", ["jan@intranet", "Jan Kowalski", f"{'jan' * 90}@firma.example"])
def test_a_user_without_a_proper_mail_address_in_the_directory_is_switched_off_too(
    mail: str, slapd: Slapd
) -> None:
    slapd.change(dn_of("jan"), {"mail": [(ldap3.MODIFY_REPLACE, [mail])]})
    try:
        log_in("jan")
    finally:
        slapd.change(dn_of("jan"), {"mail": [(ldap3.MODIFY_REPLACE, [])]})
    jan = User.objects.get(username="jan")
    admin, _page = log_in("ewa")
    admin.post(reverse("user_edit", args=[jan.pk]), {"role": "operator"})
    jan.refresh_from_db()
    assert not jan.is_active


def test_a_user_of_the_directory_has_no_password_here_to_change() -> None:
    client, page = log_in("ewa")
    assert "Change password" not in words(page)
    told = client.get(reverse("account_change_password"), follow=True)
    assert "change it there" in words(told)  # type: ignore[arg-type]
    ewa = User.objects.get(username="ewa")
    assert client.get(reverse("user_link", args=[ewa.pk])).status_code == 404
    with pytest.raises(Refused, match="directory_user"):
        invite_again(NOW, COMMAND, ewa.pk)
    listed = words(client.get(reverse("users")))  # type: ignore[arg-type]
    assert "ewa company directory Administrator ewa@firma.example" in listed


def test_the_last_administrator_of_the_portals_own_stays_where_the_directory_has_others() -> None:
    client, _page = log_in("ewa")
    admin = User.objects.get(username="admin")
    page = client.post(reverse("user_edit", args=[admin.pk]), {"role": "viewer", "is_active": "on"})
    assert "This is the last administrator" in words(page)  # type: ignore[arg-type]


def test_dangerous_acts_ask_for_the_directorys_password_again() -> None:
    client, _page = log_in("ewa")
    with clocks.travel(NOW.timestamp() + 16 * 60, tick=False):
        asked = client.get(reverse("user_invite"), follow=True)
        assert "Confirm that it is you" in words(asked)  # type: ignore[arg-type]
        again = f"{reverse('account_reauthenticate')}?next={reverse('user_invite')}"
        wrong = client.post(again, {"password": "wrong"}, follow=True)
        assert "Confirm that it is you" in words(wrong)  # type: ignore[arg-type]
        right = client.post(again, {"password": PASSWORD}, follow=True)
        assert "Invite a user" in words(right)  # type: ignore[arg-type]


def test_a_second_factor_is_asked_for_after_the_directorys_password() -> None:
    from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, generate_totp_secret, hotp_value

    log_in("jan")
    secret = generate_totp_secret()
    TOTP.activate(User.objects.get(username="jan"), secret)
    client, _page = log_in("jan")
    assert not is_in(client)
    code = format_hotp_value(hotp_value(secret, int(NOW.timestamp()) // 30))
    client.post(reverse("mfa_authenticate"), {"code": code})
    assert is_in(client)


def give_passkey(name: str) -> Authenticator:
    data = {"name": "key", "credential": {"clientExtensionResults": {"credProps": {"rk": True}}}}
    return Authenticator.objects.create(user=User.objects.get(username=name), type="webauthn", data=data)


def by_passkey(passkey: Authenticator, monkeypatch: pytest.MonkeyPatch) -> tuple[Client, HttpResponse]:
    """Somebody who shows his passkey and gives no password; only what the browser signs is left out."""
    monkeypatch.setattr(LoginWebAuthnForm, "clean_credential", lambda _form: passkey)
    client = Client(headers={"accept-language": "en"})
    page = client.post(reverse("mfa_login_webauthn"), {"credential": '{"a": 1}'}, follow=True)
    return client, page  # type: ignore[return-value]


def test_a_passkey_alone_lets_nobody_of_the_directory_in(monkeypatch: pytest.MonkeyPatch) -> None:
    log_in("jan")
    client, page = by_passkey(give_passkey("jan"), monkeypatch)
    assert "Accounts of the company directory log in with its password" in words(page)
    assert not is_in(client)
    assert is_in(by_passkey(give_passkey("admin"), monkeypatch)[0])


def test_nobody_of_the_directory_is_offered_a_passkey_in_place_of_the_password() -> None:
    offered = {}
    for name, password in (("jan", PASSWORD), ("admin", OWN_PASSWORD)):
        client, _page = log_in(name, password)
        client.post(reverse("account_reauthenticate"), {"password": password})
        page = client.get(reverse("mfa_add_webauthn"))
        offered[name] = (page.status_code, b'name="passwordless"' in page.content)
    assert offered == {"jan": (200, False), "admin": (200, True)}


def test_a_second_factor_alone_confirms_nobody_of_the_directory() -> None:
    from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, generate_totp_secret, hotp_value

    client, _page = log_in("ewa")
    secret = generate_totp_secret()
    TOTP.activate(User.objects.get(username="ewa"), secret)
    give_passkey("ewa")
    later = NOW + timedelta(minutes=16)
    with clocks.travel(later, tick=False):
        code = format_hotp_value(hotp_value(secret, int(later.timestamp()) // 30))
        for way in ("mfa_reauthenticate", "mfa_reauthenticate_webauthn"):
            led = client.post(reverse(way), {"code": code, "credential": "{}"})
            assert (led.status_code, led["Location"]) == (302, reverse("account_reauthenticate"))
        assert client.get(reverse("user_invite")).status_code == 302


def test_who_left_the_groups_loses_the_second_factors_too(left: None, slapd: Slapd) -> None:
    log_in("jan")
    give_passkey("jan")
    leave(slapd)
    log_in("jan")
    assert not Authenticator.objects.exists()


def test_no_password_reaches_the_log(slapd: Slapd, settings: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    log_in("jan")
    log_in("piotr")
    log_in("jan", f"wrong {PASSWORD}")
    use(settings, slapd, KEYMANAGER_LDAP_BIND_PASSWORD=f"{PORTAL_PASSWORD} no more")
    log_in("ola")
    assert "the portal's own name or password" in caplog.text
    assert PASSWORD not in caplog.text
    assert PORTAL_PASSWORD not in caplog.text


def test_without_a_directory_nobody_is_asked(settings: Any) -> None:
    settings.KEYMANAGER = dataclasses.replace(settings.KEYMANAGER, directory=None)
    assert authenticate(None, username="jan", password=PASSWORD) is None


def test_the_events_tell_of_people_of_the_directory(left: None, slapd: Slapd) -> None:
    log_in("jan")
    leave(slapd)
    log_in("jan")
    admin = Visitor(log_in("admin", OWN_PASSWORD)[0], User.objects.get(username="admin"))
    text = admin.reads("events")
    assert "User “jan” logged in by the company directory for the first time: Operator." in text
    assert "User “jan” is in none of the company directory's groups any more and was shut out." in text
