"""The pages of allauth speak like ours: of log-in and passkeys, and in sentence case."""

import re

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from .test_polish import english_of
from .visitors import PASSWORD, Visitor, words

# With an authenticator app, or without one.
WITHOUT = ["mfa_activate_totp", "mfa_index", "account_change_password", "mfa_add_webauthn"]
WITH = [
    "mfa_index",
    "mfa_deactivate_totp",
    "mfa_view_recovery_codes",
    "mfa_generate_recovery_codes",
    "mfa_list_webauthn",
    "mfa_reauthenticate",
    "account_reauthenticate",
    "usersessions_list",
]
FOREIGN = re.compile(r"\bsign(ed)?[ -]?(in|out)\b|two-factor|passwordless", re.IGNORECASE)
HEADED = re.compile(r"<(?:h1|h2|label|legend|button)\b[^>]*>(.*?)</(?:h1|h2|label|legend|button)>", re.DOTALL)
TITLE_CASE = re.compile(r"[a-z] [A-Z][a-z]")


def opened(visitor: Visitor, names: list[str]) -> dict[str, str]:
    """The pages by name, all of which are there."""
    # Else the portal holds that somebody tries too often.
    cache.clear()
    visitor.client.post(reverse("account_reauthenticate"), {"password": PASSWORD})
    pages = {name: visitor.get(name) for name in names}
    assert {name: page.status_code for name, page in pages.items()} == dict.fromkeys(names, 200)
    return {name: page.content.decode() for name, page in pages.items()}


def protect(visitor: Visitor) -> None:
    """Give somebody an authenticator app and recovery codes."""
    from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
    from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret

    TOTP.activate(visitor.user, generate_totp_secret())
    RecoveryCodes.activate(visitor.user)


def faults(page: str) -> list[str]:
    """What is not in our words, or is written In Title Case."""
    main = page[page.index("<main") : page.index("</main")]
    text = re.sub(r"<(script|style)\b.*?</\1>", " ", main, flags=re.DOTALL)
    foreign = [found.group() for found in FOREIGN.finditer(re.sub(r"<[^>]+>", " ", text))]
    heads = [" ".join(re.sub(r"<[^>]+>", " ", head).split()) for head in HEADED.findall(text)]
    heads += re.findall(r'placeholder="([^"]*)"', text)
    return foreign + [head for head in heads if TITLE_CASE.search(head)]


@pytest.mark.parametrize(("has_app", "names"), [(False, WITHOUT), (True, WITH)], ids=["without", "with"])
def test_the_pages_of_an_account_use_the_portals_words_in_sentence_case(
    has_app: bool, names: list[str], administrator: Visitor
) -> None:
    if has_app:
        protect(administrator)
    pages = opened(administrator, names)
    assert {name: wrong for name, page in pages.items() if (wrong := faults(page))} == {}


@pytest.mark.parametrize(("has_app", "names"), [(False, WITHOUT), (True, WITH)], ids=["without", "with"])
def test_the_pages_of_an_account_are_polish(has_app: bool, names: list[str], administrator: Visitor) -> None:
    if has_app:
        protect(administrator)
    administrator.client.post(reverse("set_language"), {"language": "pl", "next": "/"})
    opened(administrator, names)
    left = {name: english_of(administrator.get(name)) for name in names if name != "usersessions_list"}
    assert {name: found for name, found in left.items() if found} == {}


def test_the_log_in_and_its_second_step_use_the_portals_words(administrator: Visitor) -> None:
    protect(administrator)
    client = Client(headers={"accept-language": "en"})
    first = client.get(reverse("account_login")).content.decode()
    given = {"login": administrator.user.username, "password": PASSWORD}
    second = client.post(reverse("account_login"), given, follow=True).content.decode()
    assert "Give the code that your authenticator app shows" in second
    assert faults(first) + faults(second) == []


def test_what_an_account_is_told_is_in_the_portals_words(administrator: Visitor) -> None:
    assert f"You are logged in as {administrator.user.username}." in words(administrator.get("modules"))
    new = {
        "oldpassword": PASSWORD,
        "password1": "another long password",
        "password2": "another long password",
    }
    assert "Your password is changed." in words(administrator.post("account_change_password", **new))
    assert "You are logged out." in words(administrator.post("account_logout"))


def test_a_new_passkey_is_named_by_its_number(administrator: Visitor) -> None:
    assert 'value="Passkey 1"' in opened(administrator, ["mfa_add_webauthn"])["mfa_add_webauthn"]
