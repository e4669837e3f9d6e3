"""Pictures of every page: `python -m tools.screenshots [FOLDER]` (screenshots/).

It runs the demo on a data folder of its own, fills it with keys, a year of use and refusals, and visits
every page in both languages, both themes and three widths.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
from playwright.sync_api import Browser, Page, sync_playwright

from tests.postgresql import free_port

ROOT = Path(__file__).resolve().parent.parent
MANAGE = [sys.executable, str(ROOT / "manage.py")]
START_SECONDS = 90
WIDTHS = {1440: 900, 1024: 768, 390: 844}
LANGUAGES = ("pl", "en")
THEMES = ("light", "dark")
SETTLE_MILLISECONDS = 400

ENTRANCE = {"log-in": "accounts/login/"}
PAGES = {
    "modules": "",
    "holders": "modules/5000006622/HANDEL",
    "leases": "leases",
    "leases-by-module": "leases?group=module",
    "first-steps": "first-steps",
    "glossary": "glossary",
    "configuration": "configuration",
    "key-add": "configuration/keys/add",
    "key-edit": "configuration/keys/5000006625/edit",
    "key-remove": "configuration/keys/5000006622/remove",
    "contact": "configuration/contact?since=2026-01-01T00:00:00.000000Z",
    "contacts": "configuration/contacts",
    "connection": "configuration/diagnosis",
    "mails": "configuration/mails",
    "logs": "configuration/logs",
    "offline": "configuration/offline",
    "advanced": "configuration/advanced",
    "defaults": "configuration/advanced/defaults",
    "refusals": "refusals",
    "refusals-by-hour": "refusals/hours",
    "history": "history",
    "history-module": "history/HANDEL",
    "needs": "history/HANDEL/needs",
    "events": "events",
    "clients": "clients",
    "client-add": "clients/add",
    "users": "users",
    "user-invite": "users/invite",
    "password": "accounts/password/change/",
    "second-factor": "accounts/2fa/",
    "sessions": "accounts/sessions/",
    "not-found": "no-such-page",
    "api": "api/v1/docs",
    "problems": "problems/no_free_seat",
}


@contextmanager
def demo(folder: Path) -> Iterator[dict[str, Any]]:
    """Run the demo until it is ready, and give what it wrote into demo.json."""
    ports = ["--port", str(free_port()), "--authority-port", str(free_port())]
    with (folder / "serve.log").open("wb") as log:
        command = [*MANAGE, "serve", "--demo", "--data", str(folder), *ports]
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        ready = folder / "demo.json"
        deadline = time.monotonic() + START_SECONDS
        while not ready.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((folder / "serve.log").read_text())
            time.sleep(0.2)
        yield json.loads(ready.read_text())
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=20)


def fill(folder: Path, portal: dict[str, Any]) -> None:
    """Give the pages something to show: four keys, one with a wrong PIN, a past, leases, and a refusal."""
    keys = [(key["number"], key["customer"], key["pin"]) for key in portal["keys"]]
    environment = {**os.environ, "KEYMANAGER_DATA": str(folder)}
    for number, customer, pin in [*keys, ("5000006625", "123456", "9999")]:
        command = [*MANAGE, "add_key", "--number", number, "--customer", customer, "--pin", pin]
        subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    subprocess.run([sys.executable, "-m", "tools.past"], cwd=ROOT, env=environment, check=True)
    names = ["anna.nowak", "jan.kowalski", "ewa.wiśniewska", "piotr.zieliński", "maria.lewandowska"]
    for number, name in enumerate(names, 17):
        lease = {
            "modules": ["HANDEL"] if number > 19 else ["HANDEL", "KASA", "FAKTURY"],
            "workstation": f"PC-{number:03}",
            "user": name,
            "program": {"name": "ERP Optima", "version": "2026.5.1"},
        }
        requests.post(
            f"{portal['portal']}/api/v1/leases",
            json=lease | {"key": "5000006622"},
            headers={"Authorization": f"Bearer {portal['erp_client_token']}"},
            timeout=10,
        )
    refused = lease | {"modules": ["FAKTURY"], "user": "tomasz.mazur", "key": "5000006622"}
    requests.post(
        f"{portal['portal']}/api/v1/leases",
        json=refused,
        headers={"Authorization": f"Bearer {portal['erp_client_token']}"},
        timeout=10,
    )


def log_in(page: Page, portal: dict[str, Any]) -> None:
    """Pass the log-in page as the demo's administrator."""
    page.goto(f"{portal['portal']}/accounts/login/")
    page.locator("input[name=login]").fill(portal["admin"]["username"])
    page.locator("input[name=password]").fill(portal["admin"]["password"])
    page.locator("input[name=password]").press("Enter")
    page.wait_for_url(lambda url: "/login" not in url)


def take(page: Page, portal: dict[str, Any], pages: dict[str, str], target: Path) -> None:
    """Take one picture of each page, at each width."""
    for name, path in pages.items():
        page.goto(f"{portal['portal']}/{path}")
        for width, height in WIDTHS.items():
            page.set_viewport_size({"width": width, "height": height})
            page.wait_for_timeout(SETTLE_MILLISECONDS)
            page.screenshot(path=target / f"{name}-{width}.png", full_page=True)


def take_all(browser: Browser, portal: dict[str, Any], target: Path) -> None:
    """Visit every page in each language and theme, in a browser that has been nowhere."""
    for language in LANGUAGES:
        for theme in THEMES:
            print(f"{language}, {theme}")
            context = browser.new_context(
                locale=language,
                color_scheme=theme,  # type: ignore[arg-type]
                timezone_id="Europe/Warsaw",
            )
            context.set_default_timeout(15_000)
            page = context.new_page()
            folder = target / f"{language}-{theme}"
            folder.mkdir(parents=True, exist_ok=True)
            take(page, portal, ENTRANCE, folder)
            log_in(page, portal)
            take(page, portal, PAGES, folder)
            context.close()


def main() -> None:
    """Run the demo, fill it, and take the pictures."""
    target = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "screenshots")
    with tempfile.TemporaryDirectory(prefix="km-screenshots-") as name, demo(Path(name)) as portal:
        fill(Path(name), portal)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
            take_all(browser, portal, target)
    print(f"pictures are in {target}")


if __name__ == "__main__":
    main()
