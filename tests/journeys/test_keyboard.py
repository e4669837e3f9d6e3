"""The three errands of an administrator, by keyboard alone: no click, no field reached but by its keys."""

import re
from typing import Any

from playwright.sync_api import Locator, Page, expect

from tests.journeys.windows import KEY, OTHER_KEY, api, checkout
from tests.portal_process import Demo

MOST_KEYS = 60


def has_focus(place: Locator) -> bool:
    return bool(place.evaluate("element => element === document.activeElement"))


def tab_to(page: Page, place: Locator) -> None:
    """Press Tab until it is reached, as somebody does who has no mouse; its focus must be seen."""
    place.wait_for()
    for _ in range(MOST_KEYS):
        if has_focus(place):
            break
        page.keyboard.press("Tab")
    expect(place).to_be_focused()
    expect(place).to_be_in_viewport()
    assert place.evaluate("element => getComputedStyle(element).outlineStyle") != "none", str(place)


def write_into(page: Page, name: str, text: str) -> None:
    """Go to a field and type over what stands there."""
    tab_to(page, page.get_by_label(name))
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type(text)


def push(page: Page, place: Locator) -> None:
    """Go to a link or button and press Enter."""
    tab_to(page, place)
    page.keyboard.press("Enter")


def go_by_letter(page: Page, letter: str, title: str) -> None:
    """Press `g` and the letter of a tab."""
    page.keyboard.press("g")
    page.keyboard.press(letter)
    expect(page.get_by_role("heading", name=title, level=1)).to_be_visible()
    page.wait_for_load_state("load")  # the scripts, which hear "/" and search as one types, run then


def test_a_key_is_added_and_its_modules_are_seen(demo: Demo, visit: Any) -> None:
    page = visit().open("/configuration")
    push(page, page.get_by_role("link", name="Add", exact=True).first)
    expect(page.get_by_role("heading", name="Add a virtual key")).to_be_visible()
    write_into(page, "Virtual key number", OTHER_KEY)
    write_into(page, "Customer id", "123456")
    write_into(page, "PIN", "1111")
    page.keyboard.press("Enter")
    expect(page.get_by_text("granted: its modules are up to date").first).to_be_visible(timeout=20_000)
    go_by_letter(page, "c", "Configuration")
    card = page.get_by_role("article", name=OTHER_KEY)
    expect(card.get_by_text("active", exact=True)).to_be_visible()
    push(page, card.get_by_role("link", name="2"))
    expect(page.get_by_role("row", name="Human resources")).to_be_visible()


def test_a_seat_is_freed(stocked: Demo, visit: Any) -> None:
    lease = checkout(stocked, "keyboard.user", "KASA").json()
    page = visit().open("/")
    go_by_letter(page, "t", "Taken modules")
    page.keyboard.press("/")
    page.keyboard.type("keyboard.user")
    expect(page.get_by_role("row", name="axe.user")).to_have_count(0)
    push(page, page.get_by_role("link", name="Release keyboard.user"))
    expect(page.get_by_role("heading", name="Release 1 lease?")).to_be_visible()
    write_into(page, "Reason", "went home")
    page.keyboard.press("Enter")
    expect(page.get_by_text("1 lease was released.")).to_be_visible()
    assert api(stocked, "GET", f"/leases/{lease['id']}").json()["state"] == "ended"


def test_it_is_found_who_was_refused_what_when_and_why(stocked: Demo, visit: Any) -> None:
    holders = [checkout(stocked, f"holder.{number}", "CRM") for number in (1, 2)]
    assert [holder.status_code for holder in holders] == [201, 409]
    page = visit().open(f"/modules/{KEY}/CRM")
    go_by_letter(page, "r", "Refusals")
    page.keyboard.press("/")
    page.keyboard.type("holder.2")
    expect(page.get_by_role("row", name="axe.user")).to_have_count(0)
    row = page.get_by_role("row", name="holder.2")
    for told in ("PC-holder.2", "ERP Optima 2026.5.1", "CRM", "All seats are taken."):
        expect(row).to_contain_text(told)
    expect(row.locator("time")).to_have_attribute("title", re.compile(r"^20\d\d-\d\d-\d\d \d\d:\d\d:\d\d"))
    api(stocked, "DELETE", f"/leases/{holders[0].json()['id']}")
