"""One demo for all journeys that need no product of their own: each uses keys that nobody else uses."""

from collections.abc import Iterator

import pytest

from tests.authority_process import module
from tests.journeys.portal import Portal, day, token_of
from tests.portal_process import Demo


@pytest.fixture(scope="session")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portal]:
    """A running demo without keys."""
    with Demo(tmp_path_factory.mktemp("contract") / "var") as demo:
        running = Portal(demo.wait_until_ready())
        yield running
        running.close()


@pytest.fixture(scope="session")
def key(portal: Portal) -> str:
    """A key with a module for each judgement."""
    return portal.new_key(
        module("A_MANY", 1000),
        module("A_FEW", 2),
        module("A_FREE", None),
        module("A_PAST", 9, expires_on=day(-1)),
        module("A_LAST", 9, expires_on=day(0)),
        module("A_OLD", 9, warranty_until=day(-30)),
    )


@pytest.fixture(scope="session")
def foreigner(portal: Portal, key: str) -> str:
    """The token of another ERP client."""
    return token_of(portal.run("add_erp_client", "foreign client"))
