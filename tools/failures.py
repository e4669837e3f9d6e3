"""Pictures of what the portal says when it cannot show a page: each is brought about, none is made up."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psutil
import requests
from playwright.sync_api import Page

from tools.camera import FOREIGN_NAME, log_in, shoot, take
from tools.past import PASSWORD, VIEWER

MORE_THAN_A_PERSON_TRIES = 31
START_SECONDS = 30


@contextmanager
def broken(data: Path) -> Iterator[None]:
    """The database lacks a table meanwhile."""
    with closing(sqlite3.connect(data / "keymanager.sqlite3", timeout=20)) as database:
        database.execute("ALTER TABLE licensing_refusal RENAME TO licensing_lost")
        try:
            yield
        finally:
            database.execute("ALTER TABLE licensing_lost RENAME TO licensing_refusal")


@contextmanager
def without_pages(serve: psutil.Process, url: str) -> Iterator[None]:
    """The process that serves the pages is gone meanwhile; afterwards it is started again."""
    serve.suspend()
    try:
        (pages,) = (each for each in serve.children() if "licensing.serving.pages" in each.cmdline())
        for process in (*pages.children(recursive=True), pages):
            process.kill()
        yield
    finally:
        serve.resume()
        deadline = time.monotonic() + START_SECONDS
        while requests.get(f"{url}/accounts/login/", timeout=START_SECONDS).status_code == 503:
            if time.monotonic() > deadline:
                raise RuntimeError("the pages were not started again")
            time.sleep(0.1)


def bring_about(page: Page, url: str, data: Path, serve: psutil.Process) -> Iterator[str]:
    """As a viewer who is logged in do what leads to each; its name is given while the page shows it."""
    page.goto(url.replace("127.0.0.1", FOREIGN_NAME))
    yield "bad-request"
    page.goto(f"{url}/users")
    yield "forbidden"
    page.goto(f"{url}/no-such-page")
    yield "not-found"
    with broken(data):
        page.goto(f"{url}/refusals")
        yield "fault"
    page.goto(f"{url}/events")
    page.context.clear_cookies(name="csrftoken")
    page.get_by_role("button", name="Polski").click()
    yield "form-too-old"
    with without_pages(serve, url):
        page.goto(f"{url}/leases")
        yield "pages-away"


def guess(page: Page, url: str) -> None:
    """Guess passwords; whoever does is kept out for a minute, so nothing comes after this."""
    page.goto(f"{url}/accounts/login/")
    token = page.locator("input[name=csrfmiddlewaretoken]").first.input_value()
    form = {"login": "admin", "csrfmiddlewaretoken": token}
    for _ in range(MORE_THAN_A_PERSON_TRIES):
        page.request.post(page.url, form=form)
    page.locator("input[name=login]").fill("admin")
    page.locator("input[name=password]").fill("guess")
    page.locator("input[name=password]").press("Enter")
    page.get_by_text("429").wait_for()


def take_failures(page: Page, url: str, data: Path, serve: psutil.Process, target: Path) -> None:
    """Take a picture of each."""
    log_in(page, url, VIEWER, PASSWORD)
    for name in bring_about(page, url, data, serve):
        shoot(page, target, name)
    page.context.clear_cookies()
    take(page, url, {"session-over": "leases"}, target)


def take_too_many(page: Page, url: str, target: Path) -> None:
    """Take the picture after which nobody logs in for a while."""
    guess(page, url)
    shoot(page, target, "too-many")
