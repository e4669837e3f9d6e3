"""The chart of a module's use in a real browser."""

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tools.camera import log_in

PASSWORD = "a good long password"
# Notes every text that is drawn.
NOTE_TEXTS = """
window.drawn = [];
const draw = CanvasRenderingContext2D.prototype.fillText;
CanvasRenderingContext2D.prototype.fillText = function (text, ...place) {
  window.drawn.push(text);
  return draw.call(this, text, ...place);
};
"""


@pytest.fixture
def history(transactional_db: None, settings: Any, tmp_path: Path) -> None:
    """An hour of use, which ended a day ago, and an administrator."""
    from licensing.models import Role
    from licensing.operations.actors import COMMAND
    from licensing.operations.clock import portal_now
    from licensing.operations.rollup import roll_up
    from licensing.operations.users import create_user
    from tests.factories import KEY, give_back, make_client, make_portal, module, take

    now = portal_now()
    then = now - timedelta(days=1)
    settings.KEYMANAGER = settings.KEYMANAGER  # noted, so that it is put back
    make_portal(tmp_path, then).accept(KEY, [module("HANDEL", 3)], now=then)
    client = make_client(now=then)
    give_back(client, take(client, now=then), then + timedelta(minutes=25))
    roll_up(now)
    create_user(now, COMMAND, "admin", PASSWORD, Role.ADMINISTRATOR)


def test_a_chart_is_drawn_from_its_table_without_a_word_on_the_console(
    history: None, live_server: Any, page: Page
) -> None:
    faults: list[str] = []
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    log_in(page, live_server.url, "admin", PASSWORD)
    for by in ("hour", "day", "month"):
        page.goto(f"{live_server.url}/history/HANDEL?by={by}")
        expect(page.locator(".chart canvas")).to_be_visible()
        expect(page.locator(".chart .u-series")).to_have_count(4)
    page.locator("[data-theme-switch]").click()
    expect(page.locator(".chart canvas")).to_have_count(1)
    page.locator("details.card summary").click()
    expect(page.get_by_role("table", name="").last).to_be_visible()
    assert faults == []


@pytest.fixture
def noted(history: None, live_server: Any, browser: Browser) -> Iterator[Page]:
    """The chart in a browser that prefers American English and notes what is drawn."""
    page = browser.new_page(locale="en-US")
    page.add_init_script(NOTE_TEXTS)
    log_in(page, live_server.url, "admin", PASSWORD)
    page.goto(f"{live_server.url}/history/HANDEL?by=day")
    expect(page.locator(".chart canvas")).to_be_visible()
    yield page
    page.context.close()


def test_the_numbers_of_a_chart_are_in_the_language_of_the_page(noted: Page) -> None:
    noted.get_by_role("button", name="Polski").click()
    expect(noted.locator("html")).to_have_attribute("lang", "pl")
    expect(noted.locator(".chart canvas")).to_be_visible()
    drawn = noted.evaluate("window.drawn")
    assert "0,5" in drawn
    assert "0.5" not in drawn


def test_the_dates_of_a_chart_are_written_as_on_the_page(noted: Page) -> None:
    dates = [text for text in noted.evaluate("window.drawn") if re.search("[A-Z]", text)]
    assert dates
    assert [date for date in dates if not re.match(r"[0-9]+ [A-Z][a-z]+$", date)] == []
