"""Pictures of what the portal says when it cannot show a page: each is brought about, none is made up."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from playwright.sync_api import Page

from tools.camera import FOREIGN_NAME, log_in, shoot, take

VIEWER, PASSWORD = "marek.pawlak", "a good long password"
MORE_THAN_A_PERSON_TRIES = 31


@contextmanager
def broken(data: Path) -> Iterator[None]:
    """The database lacks a table meanwhile."""
    with closing(sqlite3.connect(data / "keymanager.sqlite3", timeout=20)) as database:
        database.execute("ALTER TABLE licensing_refusal RENAME TO licensing_lost")
        try:
            yield
        finally:
            database.execute("ALTER TABLE licensing_lost RENAME TO licensing_refusal")


def take_failures(page: Page, url: str, data: Path, target: Path) -> None:
    """As a viewer do what leads to each of them."""
    take(page, url.replace("127.0.0.1", FOREIGN_NAME), {"bad-request": ""}, target)
    log_in(page, url, VIEWER, PASSWORD)
    take(page, url, {"forbidden": "users"}, target)
    with broken(data):
        take(page, url, {"fault": "refusals"}, target)
    page.goto(f"{url}/events")
    page.context.clear_cookies(name="csrftoken")
    page.get_by_role("button", name="Polski").click()
    shoot(page, target, "form-too-old")
    page.context.clear_cookies()
    take(page, url, {"session-over": "leases"}, target)


def take_too_many(page: Page, url: str, target: Path) -> None:
    """Guess passwords; whoever does is kept out for a minute, so nothing comes after this."""
    page.goto(f"{url}/accounts/login/")
    token = page.locator("input[name=csrfmiddlewaretoken]").first.input_value()
    guess = {"login": "admin", "csrfmiddlewaretoken": token}
    for _ in range(MORE_THAN_A_PERSON_TRIES):
        page.request.post(page.url, form=guess)
    page.locator("input[name=login]").fill("admin")
    page.locator("input[name=password]").fill("guess")
    page.locator("input[name=password]").press("Enter")
    page.get_by_text("429").wait_for()
    shoot(page, target, "too-many")
