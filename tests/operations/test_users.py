"""The first administrator, invitations and roles."""

import stat
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from django.conf import settings
from django.db import connection

from licensing.models import Event, Role, User
from licensing.operations.actors import COMMAND, Actor
from licensing.operations.errors import Refused
from licensing.operations.users import (
    accept_invitation,
    change_user,
    create_first_administrator,
    create_user,
    first_run_token,
    invitation,
    invite_again,
    invite_user,
    invited_user,
    needs_first_administrator,
)
from tests.factories import NOW

pytestmark = pytest.mark.django_db
PASSWORD = "a good long password"


@pytest.fixture(autouse=True)
def token_file() -> Iterator[Path]:
    path = settings.KEYMANAGER.data / "first-run-token"
    yield path
    path.unlink(missing_ok=True)


def first(token: str, username: str = "anna") -> User:
    return create_first_administrator(NOW, token, username, PASSWORD, "")


def new_user(name: str = "jan", role: Role = Role.VIEWER) -> User:
    return create_user(NOW, COMMAND, name, PASSWORD, role)


def test_the_first_run_token_is_stored_hashed_in_a_file_of_the_owner(token_file: Path) -> None:
    token = first_run_token()
    assert token
    assert token not in token_file.read_text()
    assert stat.S_IMODE(token_file.stat().st_mode) == 0o600


def test_whoever_knows_the_token_makes_the_first_administrator(token_file: Path) -> None:
    token = first_run_token() or ""
    user = first(f" {token}\n")
    assert (user.role, user.check_password(PASSWORD)) == (Role.ADMINISTRATOR, True)
    assert not token_file.exists()
    assert not needs_first_administrator()


def test_the_first_run_is_over_with_the_first_administrator() -> None:
    token = first_run_token() or ""
    first(token)
    with pytest.raises(Refused, match="first_run_over"):
        first(token, "ewa")
    assert first_run_token() is None


def test_a_wrong_token_makes_nobody() -> None:
    first_run_token()
    for wrong in ("", "guess"):
        with pytest.raises(Refused, match="first_run_token_wrong"):
            first(wrong)
    assert not User.objects.exists()


def test_without_a_token_file_no_token_is_right() -> None:
    with pytest.raises(Refused, match="first_run_token_wrong"):
        first("")


def test_a_token_of_an_earlier_start_is_good_no_more() -> None:
    earlier = first_run_token() or ""
    first_run_token()
    with pytest.raises(Refused, match="first_run_token_wrong"):
        first(earlier)


@pytest.mark.django_db(transaction=True)
def test_of_two_with_the_token_at_once_one_becomes_administrator() -> None:
    token = first_run_token() or ""
    start = threading.Barrier(2)

    def run(username: str) -> str:
        try:
            start.wait()
            return first(token, username).username
        except Refused as refused:
            return refused.code
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        outcomes = set(pool.map(run, ("anna", "ewa")))
    made = set(User.objects.values_list("username", flat=True))
    assert len(made) == 1
    assert made < outcomes
    assert (outcomes - made) <= {"first_run_over", "first_run_token_wrong"}


def test_a_weak_password_keeps_the_token_for_another_try() -> None:
    token = first_run_token() or ""
    with pytest.raises(Refused) as refusal:
        create_first_administrator(NOW, token, "anna", "short", "")
    assert set(refusal.value.data["errors"]) == {"password"}
    assert first(token).username == "anna"


@pytest.mark.parametrize("username", ["", "a b", "x" * 151])
def test_a_user_name_that_cannot_be_used_is_refused(username: str) -> None:
    with pytest.raises(Refused) as refusal:
        new_user(username)
    assert set(refusal.value.data["errors"]) == {"username"}


@pytest.mark.parametrize(("first", "second"), [("Jan", "jan"), ("Łukasz", "łukasz"), ("żaneta", "ŻANETA")])
def test_two_users_whose_names_differ_in_case_alone_are_refused(first: str, second: str) -> None:
    new_user(first)
    with pytest.raises(Refused, match="username_taken"):
        new_user(second)


def test_a_wrong_email_is_refused() -> None:
    with pytest.raises(Refused) as refusal:
        create_user(NOW, COMMAND, "jan", PASSWORD, Role.VIEWER, "jan")
    assert set(refusal.value.data["errors"]) == {"email"}


def test_an_invited_user_chooses_a_password_by_the_link_once() -> None:
    user = invite_user(NOW, COMMAND, "jan", Role.OPERATOR)
    assert not user.has_usable_password()
    uid, token = invitation(user)
    assert invited_user(uid, token) == user
    accept_invitation(NOW, uid, token, PASSWORD)
    user.refresh_from_db()
    assert user.check_password(PASSWORD)
    with pytest.raises(Refused, match="invitation_over"):
        accept_invitation(NOW, uid, token, "another long password")


@pytest.mark.parametrize(("uid", "token"), [("x", "y"), ("MQ", "c0-ffee"), ("////", ""), ("4pyT", "x")])
def test_a_made_up_link_is_for_nobody(uid: str, token: str) -> None:
    new_user()
    with pytest.raises(Refused, match="invitation_over"):
        invited_user(uid, token)


def test_a_link_is_over_after_three_days_and_when_another_is_made() -> None:
    with time_machine.travel(NOW, tick=False):
        user = invite_user(NOW, COMMAND, "jan", Role.VIEWER)
        uid, token = invitation(user)
    late = NOW + timedelta(days=3, minutes=1)
    with time_machine.travel(late, tick=False), pytest.raises(Refused, match="invitation_over"):
        invited_user(uid, token)
    with time_machine.travel(NOW, tick=False):
        invite_again(NOW, COMMAND, user.pk)
        with pytest.raises(Refused, match="invitation_over"):
            invited_user(uid, token)


def test_a_link_stays_good_when_the_email_is_corrected_or_the_user_logs_in_by_a_passkey() -> None:
    user = new_user()
    link = invitation(invite_again(NOW, COMMAND, user.pk))
    change_user(NOW, COMMAND, user.pk, role=Role.OPERATOR, email="jan@example.com", is_active=True)
    User.objects.filter(pk=user.pk).update(last_login=NOW)
    assert invited_user(*link) == user
    accept_invitation(NOW, *link, PASSWORD)


def test_a_user_who_was_switched_off_has_no_link() -> None:
    user = invite_user(NOW, COMMAND, "jan", Role.VIEWER)
    uid, token = invitation(user)
    change_user(NOW, COMMAND, user.pk, role=Role.VIEWER, email="", is_active=False)
    with pytest.raises(Refused, match="invitation_over"):
        invited_user(uid, token)


def test_a_new_link_makes_the_old_password_useless() -> None:
    user = new_user()
    invite_again(NOW, COMMAND, user.pk)
    user.refresh_from_db()
    assert not user.has_usable_password()


def test_a_change_of_role_is_recorded_with_before_and_after() -> None:
    user = new_user()
    change_user(NOW, COMMAND, user.pk, role=Role.OPERATOR, email="jan@example.com", is_active=True)
    event = Event.objects.get(kind="user_changed")
    assert event.data["before"]["role"] == "viewer"
    assert event.data["after"] == {"role": "operator", "email": "jan@example.com", "is_active": True}


def test_a_change_of_nothing_is_not_recorded() -> None:
    user = new_user()
    change_user(NOW, COMMAND, user.pk, role=Role.VIEWER, email="", is_active=True)
    assert not Event.objects.filter(kind="user_changed").exists()


@pytest.mark.parametrize(("role", "is_active"), [(Role.OPERATOR, True), (Role.ADMINISTRATOR, False)])
def test_the_last_administrator_stays_one(role: Role, is_active: bool) -> None:
    last = new_user("anna", Role.ADMINISTRATOR)
    with pytest.raises(Refused, match="last_administrator"):
        change_user(NOW, COMMAND, last.pk, role=role, email="", is_active=is_active)
    new_user("ewa", Role.ADMINISTRATOR)
    change_user(NOW, COMMAND, last.pk, role=role, email="", is_active=is_active)


@pytest.mark.parametrize(("role", "is_active"), [(Role.OPERATOR, True), (Role.ADMINISTRATOR, False)])
def test_an_administrator_who_has_no_password_yet_does_not_count(role: Role, is_active: bool) -> None:
    last = new_user("anna", Role.ADMINISTRATOR)
    invited = invite_user(NOW, COMMAND, "ewa", Role.ADMINISTRATOR)
    with pytest.raises(Refused, match="last_administrator"):
        change_user(NOW, COMMAND, last.pk, role=role, email="", is_active=is_active)
    accept_invitation(NOW, *invitation(invited), PASSWORD)
    change_user(NOW, COMMAND, last.pk, role=role, email="", is_active=is_active)


def test_the_last_administrator_keeps_the_password() -> None:
    last = new_user("anna", Role.ADMINISTRATOR)
    invited = invite_user(NOW, COMMAND, "ewa", Role.ADMINISTRATOR)
    with pytest.raises(Refused, match="last_administrator"):
        invite_again(NOW, COMMAND, last.pk)
    last.refresh_from_db()
    assert last.check_password(PASSWORD)
    accept_invitation(NOW, *invitation(invited), PASSWORD)
    invite_again(NOW, COMMAND, last.pk)


def test_a_user_who_is_not_there_is_refused() -> None:
    with pytest.raises(Refused, match="user_unknown"):
        invite_again(NOW, COMMAND, 404)


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR])
def test_only_an_administrator_touches_users(role: Role) -> None:
    user, actor = new_user(), Actor("ola", role)
    for call in (
        lambda: create_user(NOW, actor, "piotr", PASSWORD, Role.VIEWER),
        lambda: invite_user(NOW, actor, "piotr", Role.VIEWER),
        lambda: invite_again(NOW, actor, user.pk),
        lambda: change_user(NOW, actor, user.pk, role=Role.VIEWER, email="", is_active=True),
    ):
        with pytest.raises(Refused, match="not_permitted"):
            call()
