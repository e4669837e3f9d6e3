"""How often passwords may be guessed."""

from collections.abc import Iterable
from datetime import timedelta

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from tests.factories import NOW

from .visitors import PASSWORD, Visitor, words

MOST = 5


def failed(name: str, number: int, host: str = "testserver") -> str:
    """What the log-in page says to a guesser who has many addresses."""
    address = f"10.0.{number // 200}.{number % 200}"
    client = Client(headers={"accept-language": "en", "host": host}, REMOTE_ADDR=address)
    return words(client.post(reverse("account_login"), {"login": name, "password": "wrong"}))  # type: ignore[arg-type]


def heard(told: Iterable[str]) -> int:
    """To how many of the guesses the portal listened."""
    return sum("Too many failed login attempts" not in text for text in told)


def test_an_account_has_few_attempts_whatever_the_portal_is_called(viewer: Visitor) -> None:
    hosts = ["testserver", *(f"testserver:{port}" for port in range(8000, 8010))]
    told = [failed(viewer.user.username, number, host) for number, host in enumerate(hosts)]
    assert heard(told) == MOST


@pytest.mark.parametrize("as_spelled", ["JAN", "ｊａｎ", "𝐣𝐚𝐧", "ján", "j\u00adan", "jan\u3000", "ⓙan"])
def test_an_account_has_few_attempts_however_its_name_is_spelled(as_spelled: str, viewer: Visitor) -> None:
    told = [failed("jan", number) for number in range(MOST)]
    assert heard([*told, failed(as_spelled, MOST)]) == MOST


def test_another_name_has_attempts_of_its_own(viewer: Visitor) -> None:
    told = [failed("jan", number) for number in range(MOST)]
    assert heard([*told, failed("janek", MOST), failed("łan", MOST + 1)]) == MOST + 2


def test_wrong_log_ins_of_other_names_make_none_forgotten(viewer: Visitor) -> None:
    told = [failed("jan", number) for number in range(MOST)]
    for number in range(120):
        failed(f"somebody{number}", MOST + number)
    assert heard([*told, failed("jan", 999)]) == MOST


def test_a_stranger_keeps_nobody_from_confirming_that_it_is_he(administrator: Visitor) -> None:
    assert heard(failed(administrator.user.username, number) for number in range(MOST + 1)) == MOST
    with time_machine.travel(NOW + timedelta(minutes=20), tick=False):
        for number in range(MOST):
            failed(administrator.user.username, number)
        administrator.post("account_reauthenticate", password=PASSWORD)
        assert administrator.get("user_invite").status_code == 200


def test_a_confirmation_has_few_attempts_too(administrator: Visitor) -> None:
    told = [words(administrator.post("account_reauthenticate", password="wrong")) for _ in range(MOST + 1)]
    assert heard(told) == MOST
