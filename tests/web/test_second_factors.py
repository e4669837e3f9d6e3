"""Second factors that are lost, or do not open."""

from datetime import timedelta

import pytest
import time_machine
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, generate_totp_secret, hotp_value
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from licensing.models import User
from tests.factories import NOW

from .visitors import PASSWORD, Visitor, words


def protect(user: User) -> None:
    TOTP.activate(user, generate_totp_secret())
    RecoveryCodes.activate(user)


def break_the_seals() -> None:
    """As after a lost key file."""
    for factor in Authenticator.objects.all():
        factor.data = {**factor.data, **dict.fromkeys(factor.data.keys() & {"secret", "seed"}, "edited")}
        factor.save()


def test_an_administrator_lets_a_user_without_his_telephone_in_again(
    administrator: Visitor, viewer: Visitor
) -> None:
    protect(viewer.user)
    assert administrator.reads("users").count("Remove second factors") == 1
    assert f"Remove the second factors of {viewer.user.username}?" in administrator.reads(
        "user_factors", viewer.user.pk
    )
    page = administrator.post("user_factors", viewer.user.pk)
    assert f"The second factors of {viewer.user.username} are removed." in words(page)
    assert "Remove second factors" not in administrator.reads("users")
    assert f"The second factors of user “{viewer.user.username}” were removed." in administrator.reads(
        "events"
    )
    client = Client()
    client.post(reverse("account_login"), {"login": viewer.user.username, "password": PASSWORD})
    assert client.get(reverse("modules")).status_code == 200


def test_second_factors_are_removed_after_the_password_alone(administrator: Visitor, viewer: Visitor) -> None:
    protect(viewer.user)
    with time_machine.travel(NOW + timedelta(minutes=20), tick=False):
        response = administrator.post("user_factors", viewer.user.pk, follow=False)
    assert response["Location"].startswith(reverse("account_reauthenticate"))
    assert Authenticator.objects.exists()


def test_a_log_in_by_a_second_factor_that_does_not_open_is_refused_with_a_sentence(viewer: Visitor) -> None:
    protect(viewer.user)
    break_the_seals()
    client = Client(headers={"accept-language": "en"})
    client.post(reverse("account_login"), {"login": viewer.user.username, "password": PASSWORD})
    page = client.post(reverse("mfa_authenticate"), {"code": "123456"}, follow=True)
    assert "This second factor does not open with the portal's key file" in words(page)  # type: ignore[arg-type]
    assert client.get(reverse("modules")).status_code == 302


@pytest.mark.parametrize("name", ["mfa_index", "mfa_view_recovery_codes", "mfa_generate_recovery_codes"])
def test_a_page_of_a_second_factor_that_does_not_open_says_so(name: str, viewer: Visitor) -> None:
    protect(viewer.user)
    break_the_seals()
    viewer.client.post(reverse("account_reauthenticate"), {"password": PASSWORD})
    page = viewer.client.get(reverse(name), follow=True)
    assert page.status_code == 200
    assert "This second factor does not open" in words(page)  # type: ignore[arg-type]


def test_a_second_factor_completes_no_log_in_whose_password_is_good_no_more(
    administrator: Visitor, viewer: Visitor
) -> None:
    secret = generate_totp_secret()
    TOTP.activate(viewer.user, secret)
    for new_link in (True, False):
        client = Client()
        client.post(reverse("account_login"), {"login": viewer.user.username, "password": PASSWORD})
        if new_link:
            administrator.post("user_link", viewer.user.pk)
        code = format_hotp_value(hotp_value(secret, int(NOW.timestamp()) // 30))
        cache.clear()
        led = client.post(reverse("mfa_authenticate"), {"code": code})
        assert led["Location"] == reverse("account_login" if new_link else "modules")
        assert client.get(reverse("modules")).status_code == (302 if new_link else 200)
        viewer.user.set_password(PASSWORD)
        viewer.user.save()
