"""How often passwords may be guessed."""

from collections.abc import Iterable

import pytest
from django.test import Client
from django.urls import reverse

from .visitors import Visitor, words

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
