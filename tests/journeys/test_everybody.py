"""No page shuts anybody out: by axe, at three widths, and on paper."""

from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page

from tests.journeys.windows import KEY, MIDDLE, NARROW, PAGES, WIDE, Visit, checkout
from tests.portal_process import Demo

MISPLACED = (Path(__file__).parent / "misplaced.js").read_text(encoding="utf-8")
PRINTED = (Path(__file__).parent / "printed.js").read_text(encoding="utf-8")
# What a sheet of A4, upright, leaves between its margins.
PAPER = {"width": 688, "height": 1017}
PRINTED_PAGES = [
    "/",
    f"/modules/{KEY}/HANDEL",
    "/leases",
    "/leases?group=module",
    "/refusals",
    "/refusals/hours",
    "/history",
    "/history/HANDEL/needs",
    "/events",
    "/configuration",
    "/configuration/contacts",
    "/configuration/mails",
    "/clients",
    "/users",
    "/glossary",
]


def violations(page: Page) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [
        f"{each['id']}: {node['target']} {node['html'][:120]}" for each in found for node in each["nodes"]
    ]


@pytest.mark.parametrize(
    ("language", "theme"),
    [
        ("en", "light"),
        ("pl", "dark"),
        pytest.param("en", "dark", marks=pytest.mark.full),
        pytest.param("pl", "light", marks=pytest.mark.full),
    ],
)
def test_axe_finds_nothing_on_any_page(language: str, theme: Any, stocked: Demo, visit: Any) -> None:
    window = visit(language, color_scheme=theme)
    found = {path: wrong for path in PAGES if (wrong := violations(window.open(path)))}
    assert found == {}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_before_the_log_in(
    theme: Any, demo: Demo, browser: Browser, opened: list[BrowserContext]
) -> None:
    context = browser.new_context(color_scheme=theme)
    opened.append(context)
    window = Visit(context.new_page(), demo)
    for path in ("/accounts/login/", "/invitations/MQ/x", "/accounts/inactive/"):
        assert violations(window.open(path)) == [], path


@pytest.mark.parametrize("language", ["pl", "en"])
def test_at_no_width_a_page_scrolls_sideways_or_a_control_is_cut_off_or_hidden(
    language: str, stocked: Demo, visit: Any
) -> None:
    longest = checkout(
        stocked, "maria-magdalena.lewandowska-kowalczyk@oddzial.firma", "HANDEL", "KASA", "FAKTURY"
    )
    assert longest.status_code in (201, 409)
    checkout(stocked, "the.only.one", "CRM")
    window, found = visit(language), {}
    for path in (*PAGES, "/api/v1/docs", "/problems/no_free_seat"):
        page = window.open(path)
        for size in (WIDE, MIDDLE, NARROW):
            page.set_viewport_size(size)
            if wrong := page.evaluate(MISPLACED):
                found[f"{path} at {size['width']}"] = wrong
    assert found == {}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_on_paper_lists_are_whole_black_on_white_and_without_what_one_clicks(
    theme: Any, stocked: Demo, visit: Any
) -> None:
    window, found = visit(viewport=PAPER, color_scheme=theme), {}
    window.page.emulate_media(media="print")
    for path in PRINTED_PAGES:
        if wrong := window.open(path).evaluate(PRINTED):
            found[path] = wrong
    assert found == {}
    assert window.open("/leases").pdf(format="A4").startswith(b"%PDF")
