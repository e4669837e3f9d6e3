"""One demo for all journeys that need no product of their own: each uses keys that nobody else uses.

And one for each file of journeys in a browser.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext

from tests.authority_process import module
from tests.journeys.portal import Portal, day, token_of
from tests.journeys.windows import KEY, Visit, Windows, checkout
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


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """A demo that runs as long as a module's tests."""
    with Demo(tmp_path_factory.mktemp("demo") / "var") as running:
        yield running.wait_until_ready()


@pytest.fixture(scope="module")
def stocked(demo: Demo) -> Demo:
    """A demo with a key, somebody who holds modules, and somebody who was refused."""
    demo.manage("add_key", "--number", KEY, "--customer", "123456", "--pin", "0427")
    assert checkout(demo, "axe.user", "HANDEL", "KASA").status_code == 201
    assert checkout(demo, "axe.user", "NOTHING").status_code == 422
    return demo


@pytest.fixture(scope="module")
def session(demo: Demo, browser: Browser) -> Any:
    """The cookies of an administrator, so that not every test logs in."""
    context = browser.new_context()
    Visit(context.new_page(), demo).log_in()
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def opened(browser: Browser) -> Iterator[list[BrowserContext]]:
    """Windows that a test opens itself."""
    contexts: list[BrowserContext] = []
    yield contexts
    for context in contexts:
        context.close()


@pytest.fixture
def visit(demo: Demo, browser: Browser, session: Any) -> Iterator[Windows]:
    """Opens a window as an administrator; afterwards nothing may have gone wrong in any."""
    windows = Windows(browser, demo, session)
    yield windows
    windows.close()
    assert windows.faults() == []
