"""The status light stays in sight on every page, and hides nothing that has the focus."""

from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.journeys.windows import NARROW, WIDE, authority_mode
from tests.portal_process import Demo

LONGEST = "/configuration/advanced"
# Whether the element with the focus lies in sight, and nothing lies on it.
FOCUS_IS_SEEN = """() => {
  const box = document.activeElement.getClientRects()[0];
  const light = document.querySelector(".light-strip").getBoundingClientRect();
  return box.top >= light.bottom && box.bottom <= window.innerHeight;
}"""


def top_of(part: Locator) -> float:
    box = part.bounding_box()
    assert box
    return box["y"]


def scroll_to_end(page: Page) -> None:
    page.evaluate("window.scrollTo(0, document.documentElement.scrollHeight)")
    assert page.evaluate("window.scrollY") > 100


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
@pytest.mark.parametrize("path", [LONGEST, "/glossary"])
def test_the_light_with_its_runway_is_in_sight_at_the_end_of_a_page(
    path: str, size: Any, stocked: Demo, visit: Any
) -> None:
    page = visit("pl", size, reduced_motion="reduce").open(path)
    scroll_to_end(page)
    for part in (".light-strip .dot", ".light-runway strong"):
        expect(page.locator(part)).to_be_in_viewport(ratio=1)
    strip = page.locator(".light-strip").bounding_box()
    assert strip
    assert (strip["y"], strip["height"] <= 48) == (0, True), strip


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_what_gets_the_focus_is_not_hidden_beneath_the_light(size: Any, stocked: Demo, visit: Any) -> None:
    page = visit("en", size, reduced_motion="reduce").open(LONGEST)
    scroll_to_end(page)
    page.locator("main :is(a, button, input, select)").last.focus()
    hidden = []
    for _ in range(400):
        page.keyboard.press("Shift+Tab")
        if page.evaluate("document.activeElement.closest('main') === null"):
            break
        if not page.evaluate(FOCUS_IS_SEEN):
            hidden.append(page.evaluate("document.activeElement.outerHTML.slice(0, 120)"))
    assert page.evaluate("window.scrollY") < 500, "the keyboard came to the page's beginning"
    assert hidden == []


def test_why_it_is_not_green_is_read_in_full_and_follows_what_happens(stocked: Demo, visit: Any) -> None:
    page = visit("en", NARROW).open("/glossary")
    page.clock.install()
    page.reload()
    expect(page.locator(".light-strip")).to_have_class("light-strip green")
    authority_mode(stocked, "refuse")
    try:
        stocked.manage("contact")
        page.clock.fast_forward(61_000)
        expect(page.locator(".light-strip")).to_have_class("light-strip yellow")
        told = page.locator(".light-more")
        head = page.locator(".light-head")
        expect(head).to_have_text("It works, but needs your attention")
        strip = page.locator(".light-strip")
        expect(strip).to_contain_text("The last contact with the vendor failed.")
        assert top_of(head) < top_of(strip) < top_of(told), "the headline comes before its reason"
        expect(told).to_contain_text("The last contact with the vendor failed.")
        expect(told.get_by_role("link", name="Update without an internet connection")).to_be_visible()
    finally:
        authority_mode(stocked, "ok")
        stocked.manage("contact")
    page.clock.fast_forward(61_000)
    expect(page.locator(".light-strip")).to_have_class("light-strip green")
