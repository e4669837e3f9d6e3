"""A browser that takes pictures of pages, in each language and theme and at three widths."""

from collections.abc import Callable, Mapping
from pathlib import Path

from playwright.sync_api import Page, Playwright

WIDTHS = {1440: 900, 1024: 768, 390: 844}
LANGUAGES = ("pl", "en")
THEMES = ("light", "dark")
SETTLE_MILLISECONDS = 300
PATIENCE_MILLISECONDS = 60_000
# A name that no portal is called by; in a browser it leads here.
FOREIGN_NAME = "other.localhost"


def log_in(page: Page, url: str, username: str, password: str) -> None:
    """Pass the log-in page."""
    page.goto(f"{url}/accounts/login/")
    page.locator("input[name=login]").fill(username)
    page.locator("input[name=password]").fill(password)
    page.locator("input[name=password]").press("Enter")
    page.wait_for_url(lambda url: "/login" not in url)


def shoot(page: Page, target: Path, name: str) -> None:
    """Take one picture of what the window shows, at each width."""
    for width, height in WIDTHS.items():
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_timeout(SETTLE_MILLISECONDS)
        page.screenshot(path=target / f"{name}-{width}.png", full_page=True)


def take(page: Page, url: str, pages: Mapping[str, str], target: Path, password: str = "") -> None:
    """Take one picture of each page, at each width; the password is given where it is asked for again."""
    for name, path in pages.items():
        page.goto(f"{url}/{path}")
        if "reauthenticate" in page.url.removesuffix(path):
            page.locator("input[name=password]").fill(password)
            page.locator("input[name=password]").press("Enter")
            page.wait_for_url(f"**/{path}")
        shoot(page, target, name)


def in_each_look(playwright: Playwright, target: Path, visit: Callable[[Page, Path], None]) -> None:
    """Let `visit` go through pages in each language and theme, in a browser that has been nowhere."""
    browser = playwright.chromium.launch(
        executable_path="/usr/bin/chromium",
        args=["--no-sandbox"],
    )
    for language in LANGUAGES:
        for theme in THEMES:
            print(f"{language}, {theme}", flush=True)
            context = browser.new_context(
                locale=language,
                color_scheme=theme,  # type: ignore[arg-type]
                timezone_id="Europe/Warsaw",
            )
            context.set_default_timeout(PATIENCE_MILLISECONDS)
            folder = target / f"{language}-{theme}"
            folder.mkdir(parents=True, exist_ok=True)
            visit(context.new_page(), folder)
            context.close()
    browser.close()
