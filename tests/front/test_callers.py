"""Callers kept in memory: known at once, and forgotten as soon as anything changes."""

import pytest

from licensing.front.callers import LOOK_SECONDS, Callers
from licensing.models import ErpClient
from licensing.operations.actors import COMMAND
from licensing.operations.clients import add_erp_client, disable_erp_client, replace_token
from licensing.operations.errors import Refused
from tests.factories import NOW, Portal

pytestmark = pytest.mark.django_db

ADDRESS = "192.168.1.20:50000"


def known(portal: Portal) -> tuple[Callers, ErpClient, str]:
    """A caller that has called before."""
    client, token = add_erp_client(NOW, COMMAND, "ERP of the test")
    callers = Callers()
    callers.look()
    callers.ask(f"Bearer {token}", ADDRESS)
    return callers, client, f"Bearer {token}"


def test_caller_that_has_called_is_known_without_asking(portal: Portal) -> None:
    callers, client, authorization = known(portal)
    found = callers.caller(authorization, ADDRESS)
    assert found is not None
    assert found.id == client.pk
    assert callers.caller(authorization, "192.168.1.21:50000") is None


def test_another_connection_from_the_same_address_is_known_too(portal: Portal) -> None:
    callers, client, authorization = known(portal)
    found = callers.caller(authorization, ADDRESS.replace(":50000", ":50001"))
    assert found is not None
    assert found.id == client.pk


def test_disabled_client_is_let_in_no_more(portal: Portal) -> None:
    callers, mine, authorization = known(portal)
    disable_erp_client(NOW, COMMAND, mine.pk)
    callers.look()
    assert callers.caller(authorization, ADDRESS) is None
    with pytest.raises(Refused, match="client_not_allowed"):
        callers.ask(authorization, ADDRESS)


def test_replaced_token_is_good_no_more(portal: Portal) -> None:
    callers, mine, authorization = known(portal)
    replace_token(NOW, COMMAND, mine.pk)
    callers.look()
    assert callers.caller(authorization, ADDRESS) is None
    with pytest.raises(Refused, match="token_invalid"):
        callers.ask(authorization, ADDRESS)


def test_nothing_changed_keeps_the_caller(portal: Portal) -> None:
    callers, _, authorization = known(portal)
    callers.look()
    assert callers.caller(authorization, ADDRESS) is not None


def test_changes_are_looked_for_more_often_than_once_a_second() -> None:
    assert LOOK_SECONDS < 1
