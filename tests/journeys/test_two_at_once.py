"""Two who change the same thing, two clicks where one was meant, and the way back in a browser."""

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.journeys.windows import checkout
from tests.portal_process import Demo

ADD_VIEWER = """
from licensing.models import Role
from licensing.operations.actors import COMMAND
from licensing.operations.clock import portal_now
from licensing.operations.users import create_user
print(create_user(portal_now(), COMMAND, "two.at.once", "a good long password", Role.VIEWER).pk)
"""


def save(page: Page) -> None:
    """Press the button of the form that the field with the focus is in."""
    with page.expect_navigation():
        page.locator("form:has(:focus)").get_by_role("button", name=re.compile("^Save")).click()


def test_who_was_switched_off_stays_so_when_a_form_of_before_is_saved(demo: Demo, visit: Any) -> None:
    number = demo.manage("shell", "-v", "0", "-c", ADD_VIEWER).stdout.strip()
    mine, others = (visit().open(f"/users/{number}/edit") for _ in range(2))
    others.get_by_label("May log in").uncheck()
    save(others)
    mine.get_by_label("E-mail").fill("two@example.com")
    save(mine)
    page = visit().open(f"/users/{number}/edit")
    expect(page.get_by_label("E-mail")).to_have_value("two@example.com")
    expect(page.get_by_label("May log in")).not_to_be_checked()


def test_networks_stay_narrowed_when_a_form_of_before_is_saved(demo: Demo, visit: Any) -> None:
    mine, others = (visit().open("/clients/1/edit") for _ in range(2))
    others.get_by_label("Allowed networks").fill("127.0.0.0/8\n10.0.0.0/8")
    save(others)
    mine.get_by_label("Name").fill("Renamed")
    save(mine)
    page = visit().open("/clients/1/edit")
    expect(page.get_by_label("Name")).to_have_value("Renamed")
    expect(page.get_by_label("Allowed networks")).to_have_value("127.0.0.0/8\n10.0.0.0/8")


def test_a_setting_that_nobody_touched_stays_as_another_has_set_it(demo: Demo, visit: Any) -> None:
    mine, others = (visit().open("/configuration/advanced") for _ in range(2))
    others.get_by_label("Time to release an inactive module").fill("900")
    save(others)
    mine.get_by_label("Name the holders in refusals").uncheck()
    save(mine)
    expect(mine.get_by_text("1 setting was changed: Name the holders in refusals.")).to_be_visible()
    expect(mine.get_by_label("Time to release an inactive module")).to_have_value("900")


def test_after_a_mistake_only_what_was_touched_is_stored_still(demo: Demo, visit: Any) -> None:
    mine, others = (visit().open("/configuration/advanced") for _ in range(2))
    others.get_by_label("Sender's address").fill("other@demo.example")
    save(others)
    for hours in ("72", "5, 70"):
        mine.get_by_label("Warn after hours without contact").fill(hours)
        save(mine)
    expect(mine.get_by_text("1 setting was changed")).to_be_visible()
    expect(mine.get_by_label("Sender's address")).to_have_value("other@demo.example")


def test_a_double_click_sends_a_form_once(demo: Demo, visit: Any) -> None:
    page = visit().open("/users/invite")
    page.get_by_label("User name").fill("clicked.twice")
    # A person's second click comes before the answer to the first.
    page.evaluate(
        """() => {
            const form = document.querySelector("main form");
            form.requestSubmit();
            setTimeout(() => form.requestSubmit(), 30);
        }"""
    )
    expect(page.get_by_role("heading", name="Password link for clicked.twice")).to_be_visible()


@pytest.mark.parametrize("way", ["the search before", "a page that was opened"])
def test_back_leads_to_the_whole_page(way: str, stocked: Demo, visit: Any) -> None:
    page = visit().page
    page.unroute_all()  # with a route there is no cache
    page.goto(f"{stocked.url}/leases")
    page.locator("#q").fill("axe.user")
    expect(page).to_have_url(re.compile("q=axe.user"))
    expect(page.get_by_role("row", name="axe.user")).to_be_visible()
    if way == "a page that was opened":
        page.get_by_role("link", name="Release axe.user").click()
        expect(page.get_by_role("heading", name="Release 1 lease?")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("heading", name="Taken modules", level=1)).to_be_visible()
    expect(page.locator("#q")).to_have_value("axe.user" if way == "a page that was opened" else "")


def test_a_list_that_refreshes_itself_keeps_the_focus(stocked: Demo, visit: Any) -> None:
    window = visit()
    window.page.clock.install()
    page = window.open("/leases")
    link = page.get_by_role("link", name="Release axe.user")
    link.focus()
    with page.expect_response(re.compile("/leases")):
        page.clock.fast_forward(11_000)
    expect(link).to_be_focused()


def test_the_link_that_sorts_keeps_the_focus_and_a_search_the_order(stocked: Demo, visit: Any) -> None:
    page = visit().open("/leases")
    checkout(stocked, "another.user", "KASA")
    link = page.get_by_role("link", name="Since")
    link.press("Enter")
    expect(page).to_have_url(re.compile("sort=taken"))
    expect(link).to_be_focused()
    page.locator("#q").fill("user")
    expect(page).to_have_url(re.compile("q=user.*sort=taken"))


def test_what_is_switched_on_is_seen_in_the_systems_own_colours(stocked: Demo, visit: Any) -> None:
    window = visit(forced_colors="active")
    for path, name in (
        ("/configuration/advanced", "Notify when a key loses contact"),
        ("/leases", "Pick the lease of axe.user"),
    ):
        box = window.open(path).get_by_label(name)
        looks = set()
        for is_on in (True, False):
            box.set_checked(is_on)
            box.blur()
            window.page.mouse.move(0, 0)
            looks.add(box.screenshot())
        assert len(looks) == 2, path
    open_tab, *others = (
        window.page.locator(selector).first.evaluate("tab => getComputedStyle(tab).borderBottomColor")
        for selector in (".tabs [aria-current]", ".tabs a:not([aria-current])")
    )
    assert open_tab not in others
