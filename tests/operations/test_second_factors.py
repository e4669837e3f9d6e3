"""Second factors that are taken away from somebody who cannot do it himself."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret

from licensing.models import Event, Role, User
from licensing.operations.actors import COMMAND, Actor
from licensing.operations.errors import Refused
from licensing.operations.installation import new_installation
from licensing.operations.second_factors import remove_second_factors, remove_unopenable
from licensing.operations.users import create_user
from tests.factories import NOW, Portal

pytestmark = pytest.mark.django_db


def new_user(name: str, *, app: bool = True, passkey: bool = False) -> User:
    user = create_user(NOW, COMMAND, name, "a good long password", Role.VIEWER)
    if app:
        TOTP.activate(user, generate_totp_secret())
    if passkey:
        Authenticator.objects.create(user=user, type="webauthn", data={"name": "key", "credential": {}})
    RecoveryCodes.activate(user)
    return user


def types_of(user: User) -> set[str]:
    return set(Authenticator.objects.filter(user=user).values_list("type", flat=True))


def told() -> list[str]:
    found = Event.objects.filter(kind="second_factors_removed").order_by("subject")
    return list(found.values_list("subject", flat=True))


def test_all_second_factors_of_a_user_are_removed_and_nobody_elses() -> None:
    jan, ewa = new_user("jan", passkey=True), new_user("ewa")
    for _ in range(2):
        remove_second_factors(NOW, COMMAND, jan.pk)
    assert (types_of(jan), types_of(ewa), told()) == (set(), {"totp", "recovery_codes"}, ["jan"])


def test_only_an_administrator_removes_second_factors() -> None:
    jan = new_user("jan")
    with pytest.raises(Refused, match="not_permitted"):
        remove_second_factors(NOW, Actor("ola", Role.OPERATOR), jan.pk)
    with pytest.raises(Refused, match="user_unknown"):
        remove_second_factors(NOW, COMMAND, 404)
    assert types_of(jan) == {"totp", "recovery_codes"}


def test_a_new_installation_removes_the_second_factors_that_do_not_open_any_more(
    portal: Portal, settings: Any, tmp_path: Path
) -> None:
    jan, ewa, ola = new_user("jan"), new_user("ewa", app=False, passkey=True), new_user("ola", app=False)
    Authenticator.objects.filter(user=ola).delete()
    settings.KEYMANAGER = dataclasses.replace(settings.KEYMANAGER, key_file=tmp_path / "new.key")
    assert new_installation(NOW, COMMAND) == ["ewa", "jan"]
    assert (types_of(jan), types_of(ewa), told()) == (set(), {"webauthn"}, ["ewa", "jan"])


def test_second_factors_that_open_stay(portal: Portal) -> None:
    jan = new_user("jan")
    assert remove_unopenable(NOW, COMMAND) == []
    assert (types_of(jan), told()) == ({"totp", "recovery_codes"}, [])


def test_recovery_codes_do_not_stay_alone() -> None:
    jan = new_user("jan")
    Authenticator.objects.filter(user=jan, type="totp").update(data={"secret": "edited"})
    assert remove_unopenable(NOW, COMMAND) == ["jan"]
    assert types_of(jan) == set()
