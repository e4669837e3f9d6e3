"""No page shuts anybody out: by axe, at three widths, and on paper."""

from pathlib import Path
from typing import Any

import psutil
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page

from tests.journeys.windows import KEY, LOCALES, MIDDLE, NARROW, PAGES, WIDE, Visit, checkout
from tests.portal_process import Demo
from tools.camera import log_in
from tools.failures import bring_about, guess
from tools.past import PASSWORD, VIEWER

MISPLACED = (Path(__file__).parent / "misplaced.js").read_text(encoding="utf-8")
PRINTED = (Path(__file__).parent / "printed.js").read_text(encoding="utf-8")
ADD_VIEWER = f"""
from licensing.models import Role
from licensing.operations.actors import COMMAND
from licensing.operations.clock import portal_now
from licensing.operations.users import create_user
create_user(portal_now(), COMMAND, "{VIEWER}", "{PASSWORD}", Role.VIEWER)
"""
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


# Which controls have a border that is hard to see: below 3:1 against what lies around (WCAG 1.4.11).
FAINT = """() => {
  const pen = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  function light(colour) {
    pen.clearRect(0, 0, 1, 1);
    pen.fillStyle = colour;
    pen.fillRect(0, 0, 1, 1);
    const parts = Array.from(pen.getImageData(0, 0, 1, 1).data.slice(0, 3)).map(function (part) {
      return part / 255 <= 0.04045 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
  }
  function around(element) {
    const colour = getComputedStyle(element).backgroundColor;
    return /^rgba.*, 0\\)$/.test(colour) ? around(element.parentElement) : colour;
  }
  const controls = "input:not([type=hidden], :checked), select, textarea";
  return Array.from(document.querySelectorAll(controls)).filter(function (control) {
    const [low, high] = [getComputedStyle(control).borderTopColor, around(control.parentElement)]
      .map(light).sort(function (a, b) { return a - b; });
    return control.checkVisibility() && (high + 0.05) / (low + 0.05) < 3;
  }).map(function (control) { return control.id || control.name; });
}"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_what_one_types_into_or_switches_is_seen(theme: Any, stocked: Demo, visit: Any) -> None:
    window = visit(color_scheme=theme)
    paths = ("/leases", "/configuration/advanced", "/configuration/offline", "/users/invite", "/refusals")
    found = {path: faint for path in paths if (faint := window.open(path).evaluate(FAINT))}
    assert found == {}


@pytest.fixture(scope="module")
def viewer(stocked: Demo) -> Demo:
    """The demo with a user who may only look."""
    assert stocked.manage("shell", "-v", "0", "-c", ADD_VIEWER).returncode == 0
    return stocked


@pytest.mark.parametrize(
    ("language", "theme"),
    [
        ("pl", "dark"),
        *(
            pytest.param(*each, marks=pytest.mark.full)
            for each in (("pl", "light"), ("en", "dark"), ("en", "light"))
        ),
    ],
)
def test_axe_finds_nothing_where_a_page_cannot_be_shown(
    language: str, theme: Any, viewer: Demo, browser: Browser, opened: list[BrowserContext]
) -> None:
    context = browser.new_context(locale=LOCALES[language], color_scheme=theme)
    opened.append(context)
    page, serve, found = context.new_page(), psutil.Process(viewer.process.pid), {}
    log_in(page, viewer.url, VIEWER, PASSWORD)
    for name in bring_about(page, viewer.url, viewer.data, serve):
        found[name] = (page.title().rpartition(" · ")[0], violations(page))
        assert page.locator("html").get_attribute("lang") == language, name
    assert {name: wrong for name, (_, wrong) in found.items() if wrong} == {}
    assert len({title for title, _ in found.values()}) == len(found) == 6


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


ADD_LONGEST = """
from licensing.models import Role
from licensing.operations.actors import COMMAND
from licensing.operations.clock import portal_now
from licensing.operations.clients import add_erp_client
from licensing.operations.users import create_user
now = portal_now()
print(add_erp_client(now, COMMAND, "W" * 64, [])[0].pk)
address = "m" * 60 + "@" + "e" * 60 + ".example"
create_user(now, COMMAND, "M" * 64, "a good long password", Role.VIEWER, address)
"""


def test_one_long_word_makes_no_page_scroll_sideways_nor_does_a_zoom_of_400(
    stocked: Demo, visit: Any
) -> None:
    number = stocked.manage("shell", "-v", "0", "-c", ADD_LONGEST).stdout.strip()
    client = f"/clients/{number}"
    window, found = visit("pl"), {}
    for path in ("/clients", f"{client}/edit", f"{client}/token", "/users", "/configuration", "/events"):
        page = window.open(path)
        for width in (1440, 320):
            page.set_viewport_size({"width": width, "height": 800})
            if wrong := page.evaluate(MISPLACED):
                found[f"{path} at {width}"] = wrong
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


@pytest.mark.parametrize("theme", ["light", pytest.param("dark", marks=pytest.mark.full)])
def test_axe_finds_nothing_where_one_has_guessed_too_often(
    theme: Any, demo: Demo, browser: Browser, opened: list[BrowserContext]
) -> None:
    context = browser.new_context(color_scheme=theme)
    opened.append(context)
    page = context.new_page()
    guess(page, demo.url)
    assert violations(page) == []
