"""People of each role at the pages of a portal whose clock stands still."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest
import time_machine

# This file may be read before Django is set up; whatever needs Django is imported where it is used.
if TYPE_CHECKING:
    from django.test import Client

    from tests.factories import Portal

    from .visitors import Visitor


@pytest.fixture(autouse=True)
def _clock() -> Iterator[None]:
    from tests.factories import NOW

    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture(autouse=True)
def _fresh_limits() -> None:
    """Forget how often the tests before have logged in."""
    from django.core.cache import cache

    cache.clear()


@pytest.fixture
def log_in(portal: "Portal") -> "Callable[[str], Visitor]":
    """Return who logs a person of a role in by the log-in page, with English words."""
    from licensing.models import Role

    from .visitors import logged_in

    return lambda role: logged_in(Role(role))


@pytest.fixture
def administrator(log_in: "Callable[[str], Visitor]") -> "Visitor":
    return log_in("administrator")


@pytest.fixture
def operator(log_in: "Callable[[str], Visitor]") -> "Visitor":
    return log_in("operator")


@pytest.fixture
def viewer(log_in: "Callable[[str], Visitor]") -> "Visitor":
    return log_in("viewer")


@pytest.fixture
def nobody(portal: "Portal") -> "Client":
    """Return somebody who is not logged in."""
    from django.test import Client

    return Client(headers={"accept-language": "en"})
