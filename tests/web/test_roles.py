"""Every address of the pages × whoever may ask for it, made from the URLconf: no deviation.

`ALLOWED` is written by hand on purpose: it is the table that the pages are held against. An address that
is missing here fails the test, so a new page is thought about.
"""

from collections.abc import Callable, Iterator
from uuid import UUID

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from licensing.models import Role
from tests.factories import KEY, Portal, make_client, module, take

from .visitors import PASSWORD, Visitor

PUBLIC = "public"
ANYBODY = "anybody logged in"
ALLOWED: dict[str, Role | str] = {
    "modules": Role.VIEWER,
    "holders": Role.VIEWER,
    "leases": Role.VIEWER,
    "release": Role.OPERATOR,
    "configuration": Role.VIEWER,
    "key_add": Role.ADMINISTRATOR,
    "key_edit": Role.ADMINISTRATOR,
    "key_bind": Role.ADMINISTRATOR,
    "key_remove": Role.ADMINISTRATOR,
    "contact_start": Role.OPERATOR,
    "contact": Role.OPERATOR,
    "attempts": Role.VIEWER,
    "diagnosis": Role.OPERATOR,
    "diagnosis_progress": Role.OPERATOR,
    "mails": Role.OPERATOR,
    "mail_again": Role.OPERATOR,
    "log_packs": Role.ADMINISTRATOR,
    "log_pack": Role.ADMINISTRATOR,
    "log_pack_progress": Role.ADMINISTRATOR,
    "worker": Role.VIEWER,
    "cluster_switch": Role.ADMINISTRATOR,
    "offline": Role.OPERATOR,
    "offline_code": Role.OPERATOR,
    "offline_export": Role.OPERATOR,
    "offline_import": Role.OPERATOR,
    "advanced": Role.ADMINISTRATOR,
    "test_mail": Role.ADMINISTRATOR,
    "defaults": Role.ADMINISTRATOR,
    "refusals": Role.VIEWER,
    "refusal_hours": Role.VIEWER,
    "history": Role.VIEWER,
    "history_module": Role.VIEWER,
    "needs": Role.VIEWER,
    "events": Role.VIEWER,
    "clients": Role.ADMINISTRATOR,
    "client_add": Role.ADMINISTRATOR,
    "client_edit": Role.ADMINISTRATOR,
    "client_switch": Role.ADMINISTRATOR,
    "client_token": Role.ADMINISTRATOR,
    "users": Role.ADMINISTRATOR,
    "user_invite": Role.ADMINISTRATOR,
    "user_edit": Role.ADMINISTRATOR,
    "user_link": Role.ADMINISTRATOR,
    "user_factors": Role.ADMINISTRATOR,
    "first_steps": Role.ADMINISTRATOR,
    "light": Role.VIEWER,
    "glossary": Role.VIEWER,
    "first_run": PUBLIC,
    "invitation": PUBLIC,
    "set_language": PUBLIC,
    "account_login": PUBLIC,
    "account_inactive": PUBLIC,
    # In the middle of a log-in; whoever is not is led to the log-in page.
    "mfa_authenticate": PUBLIC,
    # Logging out twice is logging out.
    "account_logout": PUBLIC,
    "account_reauthenticate": ANYBODY,
    "account_change_password": ANYBODY,
    "mfa_index": ANYBODY,
    "mfa_reauthenticate": ANYBODY,
    "mfa_activate_totp": ANYBODY,
    "mfa_deactivate_totp": ANYBODY,
    "mfa_view_recovery_codes": ANYBODY,
    "mfa_generate_recovery_codes": ANYBODY,
    "mfa_download_recovery_codes": ANYBODY,
    "usersessions_list": ANYBODY,
    "mfa_list_webauthn": ANYBODY,
    "mfa_add_webauthn": ANYBODY,
    "mfa_edit_webauthn": ANYBODY,
    "mfa_remove_webauthn": ANYBODY,
    "mfa_reauthenticate_webauthn": ANYBODY,
    # Another way to log in; what it answers is for the browser's script.
    "mfa_login_webauthn": PUBLIC,
}
ARGUMENTS: dict[str, object] = {
    "key": KEY,
    "number": KEY,
    "code": "HANDEL",
    "uid": "MQ",
    "token": "x",
    "attempt_id": UUID(int=1),
    "mail_id": 1,
    "name": "none.zip",
    "pk": 1,
}
ROLES = [Role.VIEWER, Role.OPERATOR, Role.ADMINISTRATOR]


def patterns(resolver: URLResolver) -> Iterator[URLPattern]:
    """Every address of the URLconf."""
    for entry in resolver.url_patterns:
        if isinstance(entry, URLResolver):
            yield from patterns(entry)
        else:
            yield entry


PATTERNS = {pattern.name or "": pattern for pattern in patterns(get_resolver())}


def address(name: str, ids: dict[str, int]) -> str:
    # With the arguments of the includes around it.
    names = get_resolver().reverse_dict[name][0][0][1]
    return reverse(name, kwargs={each: {**ARGUMENTS, **ids}[each] for each in names})


@pytest.fixture
def ids(portal: Portal) -> dict[str, int]:
    """There is a key, an ERP client with a lease, and a user to change."""
    from licensing.operations.actors import COMMAND
    from licensing.operations.users import create_user
    from tests.factories import NOW

    portal.accept(KEY, [module()])
    client = make_client()
    take(client)
    user = create_user(NOW, COMMAND, "somebody", PASSWORD, Role.ADMINISTRATOR)
    return {"client_id": client.pk, "user_id": user.pk}


def led_to_log_in(client: Client, method: str, url: str) -> bool:
    response = client.generic(method, url)
    return response.status_code == 302 and response["Location"].startswith(reverse("account_login"))


def test_every_address_stands_in_the_table() -> None:
    assert set(PATTERNS) == set(ALLOWED)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_nobody_comes_in_without_logging_in(method: str, nobody: Client, ids: dict[str, int]) -> None:
    open_ones = {name for name in PATTERNS if not led_to_log_in(nobody, method, address(name, ids))}
    closed_to_nobody = {name for name, allowed in ALLOWED.items() if allowed == PUBLIC}
    # These lead to the log-in page anyway: there is nothing else to do there.
    led_there = {"mfa_authenticate", "mfa_login_webauthn", "first_run", "account_logout"}
    assert open_ones | led_there == closed_to_nobody


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("role", ROLES)
def test_each_role_is_let_in_where_the_table_says(
    role: Role, method: str, log_in: Callable[[str], Visitor], ids: dict[str, int]
) -> None:
    visitor = log_in(role.value)
    refused = set()
    for name in PATTERNS:
        if name in ("account_logout", "set_language"):
            continue
        # Of three pages each test changes what the next one needs, so each is asked for by itself.
        response = visitor.client.generic(method, address(name, ids))
        assert response.status_code < 500, name
        if response.status_code == 403:
            refused.add(name)
    expected = {
        name for name, allowed in ALLOWED.items() if isinstance(allowed, Role) and not role.may(allowed)
    }
    assert refused == expected


@pytest.mark.parametrize("role", ROLES)
def test_the_tabs_lead_only_where_the_role_may_go(role: Role, log_in: Callable[[str], Visitor]) -> None:
    from licensing.web.layout import TABS

    text = log_in(role.value).get("modules").content.decode()
    for name, _, _, needed, _ in TABS:
        assert (f'href="{reverse(name)}"' in text) == role.may(needed), name


def test_pages_that_do_harm_ask_for_the_password_again_after_a_while(
    administrator: Visitor, ids: dict[str, int]
) -> None:
    import time_machine

    from tests.factories import NOW

    with time_machine.travel(NOW.replace(hour=9), tick=False):
        for name in (
            "key_remove",
            "client_add",
            "client_token",
            "user_invite",
            "user_edit",
            "user_link",
            "user_factors",
            "defaults",
        ):
            response = administrator.client.get(address(name, ids))
            assert response.status_code == 302, name
            assert response["Location"].startswith(reverse("account_reauthenticate")), name


def test_somebody_switched_off_is_out_at_once(
    administrator: Visitor, log_in: Callable[[str], Visitor]
) -> None:
    other = log_in("viewer")
    assert other.get("modules").status_code == 200
    administrator.post("user_edit", other.user.pk, role="viewer", email="")
    assert other.get("modules").status_code == 302
