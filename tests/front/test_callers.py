"""Callers kept in memory: known at once, and learned anew as soon as anything changes."""

from typing import Any

import pytest

from licensing.api.auth import Caller, may_call
from licensing.front.callers import LOOK_SECONDS, TRUSTED_SECONDS, Callers
from licensing.models import ErpClient
from licensing.operations.actors import COMMAND
from licensing.operations.clients import add_erp_client, disable_erp_client, replace_token
from licensing.operations.errors import Refused
from licensing.operations.installation import bump_version
from tests.factories import NOW, Portal

pytestmark = pytest.mark.django_db

ADDRESS = "192.168.1.20:50000"


def known(portal: Portal, *networks: str) -> tuple[Callers, ErpClient, str]:
    """A caller that has called before."""
    client, token = add_erp_client(NOW, COMMAND, "ERP of the test", networks)
    callers = Callers()
    callers.look()
    assert callers.caller(f"Bearer {token}", ADDRESS) is not None
    return callers, client, f"Bearer {token}"


def test_caller_is_known_without_asking_on_whichever_connection(
    portal: Portal, django_assert_num_queries: Any
) -> None:
    callers, client, authorization = known(portal)
    with django_assert_num_queries(0):
        for port in range(50_000, 50_100):
            found = callers.caller(authorization, f"192.168.1.20:{port}")
            assert found is not None
            assert found.id == client.pk


def test_caller_is_known_only_where_it_may_call_from(portal: Portal) -> None:
    callers, _, authorization = known(portal, "192.168.1.0/24")
    assert callers.caller(authorization, "[::ffff:192.168.1.21]:50000") is not None
    assert callers.caller(authorization, "192.168.2.20:50000") is None
    with pytest.raises(Refused, match="client_not_allowed"):
        callers.ask(authorization, "192.168.2.20:50000")


@pytest.mark.parametrize(
    "authorization", [None, "", "Bearer ", "Basic km_", "Bearer km_short", f"Bearer km_{'a' * 43}"]
)
def test_who_has_no_token_that_is_known_is_nobody(portal: Portal, authorization: str | None) -> None:
    callers, _, _ = known(portal)
    assert callers.caller(authorization, ADDRESS) is None


def test_change_costs_one_query_for_all_callers(portal: Portal, django_assert_num_queries: Any) -> None:
    callers, _, authorization = known(portal)
    bump_version()
    # The version, the clients, the clock.
    with django_assert_num_queries(3):
        callers.look()
        for port in range(50_000, 50_100):
            assert callers.caller(authorization, f"192.168.1.20:{port}") is not None


def test_what_was_found_before_a_change_is_not_kept_after_it(
    portal: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    callers, mine, authorization = known(portal)

    def overtaken(caller: Caller, address: str) -> bool:
        disable_erp_client(NOW, COMMAND, mine.pk)
        callers.look()
        return may_call(caller, address)

    with monkeypatch.context() as patched:
        patched.setattr("licensing.front.callers.may_call", overtaken)
        callers.caller(authorization, "192.168.1.20:50001")
    assert callers.caller(authorization, "192.168.1.20:50001") is None


def test_who_was_forgotten_is_learned_at_the_next_look_though_nothing_changed(portal: Portal) -> None:
    callers, _, authorization = known(portal)
    callers.forget()
    assert callers.caller(authorization, ADDRESS) is None
    assert callers.ask(authorization, ADDRESS).name == "ERP of the test"
    callers.look()
    assert callers.caller(authorization, ADDRESS) is not None


def test_names_take_no_more_room_than_they_may(portal: Portal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("licensing.front.callers.MOST_NAMES", 3)
    callers, _, authorization = known(portal)
    for port in range(50_000, 50_010):
        assert callers.caller(authorization, f"192.168.1.20:{port}") is not None
        assert len(callers._learned.names) <= 3


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


def test_caller_is_trusted_for_a_second_after_a_look_began_and_no_longer(
    portal: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    _, token = add_erp_client(NOW, COMMAND, "ERP of the test", [])
    callers = Callers(lambda: now)
    callers.look()
    now += TRUSTED_SECONDS
    assert callers.caller(f"Bearer {token}", ADDRESS) is not None
    now += 0.01
    assert callers.caller(f"Bearer {token}", ADDRESS) is None
    assert callers.ask(f"Bearer {token}", ADDRESS).name == "ERP of the test"
    callers.look()
    assert callers.caller(f"Bearer {token}", ADDRESS) is not None

    def slow() -> None:
        nonlocal now
        now += TRUSTED_SECONDS + 0.01

    # What it has read may have changed since.
    monkeypatch.setattr(callers, "read_clock", slow)
    callers.look()
    assert callers.caller(f"Bearer {token}", ADDRESS) is None


def test_changes_are_looked_for_more_often_than_once_a_second() -> None:
    assert LOOK_SECONDS < TRUSTED_SECONDS <= 1
