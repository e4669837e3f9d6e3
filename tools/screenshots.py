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

import psutil
import requests
from playwright.sync_api import Page, Playwright, sync_playwright

from tests.postgresql import free_port
from tools.camera import in_each_look, log_in, take
from tools.failures import take_failures, take_too_many
from tools.past import PASSWORD

ROOT = Path(__file__).resolve().parent.parent
MANAGE = [sys.executable, str(ROOT / "manage.py")]
START_SECONDS = 90

ENTRANCE = {
    "log-in": "accounts/login/",
    "invitation-over": "invitations/MQ/x",
    "inactive": "accounts/inactive/",
}
PAGES = {
    "modules": "",
    "holders": "modules/5000006622/HANDEL",
    "leases": "leases",
    "leases-by-user": "leases?group=user",
    "leases-by-module": "leases?group=module",
    "release": "leases/release?user=anna.nowak",
    "first-steps": "first-steps",
    "glossary": "glossary",
    "configuration": "configuration",
    "key-add": "configuration/keys/add",
    "key-edit": "configuration/keys/5000006625/edit",
    "key-bind": "configuration/keys/5000006622/bind",
    "key-remove": "configuration/keys/5000006622/remove",
    "contact": "configuration/contact?since=2026-01-01T00:00:00.000000Z",
    "contacts": "configuration/contacts",
    "connection": "configuration/diagnosis",
    "mails": "configuration/mails",
    "worker": "configuration/worker",
    "logs": "configuration/logs",
    "offline": "configuration/offline",
    "advanced": "configuration/advanced",
    "defaults": "configuration/advanced/defaults",
    "refusals": "refusals",
    "refusals-by-hour": "refusals/hours",
    "history": "history",
    "history-module": "history/HANDEL",
    "history-by-hour": "history/HANDEL?by=hour&days=7",
    "history-by-month": "history/FAKTURY?by=month",
    "needs": "history/HANDEL/needs",
    "events": "events",
    "clients": "clients",
    "client-add": "clients/add",
    "client-edit": "clients/1/edit",
    "client-token": "clients/1/token",
    "users": "users",
    "user-invite": "users/invite",
    "user-edit": "users/2/edit",
    "user-link": "users/2/link",
    "user-factors": "users/2/factors",
    "password": "accounts/password/change/",
    "second-factor": "accounts/2fa/",
    "second-factor-app": "accounts/2fa/totp/activate/",
    "passkeys": "accounts/2fa/webauthn/",
    "passkey-add": "accounts/2fa/webauthn/add/",
    "sessions": "accounts/sessions/",
    "reauthenticate": "accounts/reauthenticate/",
    "log-out": "accounts/logout/",
    "api": "api/v1/docs",
    "problems": "problems",
    "problem": "problems/no_free_seat",
}
# Of a portal that has just been made.
FIRST_RUN = {"first-run": "first-run"}
EMPTY = {
    "empty-first-steps": "first-steps",
    "empty-modules": "",
    "empty-leases": "leases",
    "empty-configuration": "configuration",
    "empty-refusals": "refusals",
    "empty-history": "history",
    "empty-clients": "clients",
    "empty-contacts": "configuration/contacts",
    "empty-mails": "configuration/mails",
    "empty-offline": "configuration/offline",
}


@contextmanager
def served(folder: Path, *arguments: str) -> Iterator[str]:
    """Run a portal until it is ready, and give its address."""
    port = free_port()
    log = folder / "serve.log"
    command = [*MANAGE, "serve", "--data", str(folder), "--port", str(port), *arguments]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + START_SECONDS
        while "is ready at" not in log.read_text():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(log.read_text())
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=20)


@contextmanager
def demo(folder: Path) -> Iterator[dict[str, Any]]:
    """Run the demo until it is ready, and give what it wrote into demo.json."""
    with served(folder, "--demo", "--authority-port", str(free_port())):
        yield json.loads((folder / "demo.json").read_text())


def fill(folder: Path, portal: dict[str, Any]) -> str:
    """Give the pages something to show: keys, one with a wrong PIN, a past, users, leases, a refusal.

    Gives the path of the link by which an invited user sets a password.
    """
    keys = [(key["number"], key["customer"], key["pin"]) for key in portal["keys"]]
    environment = {**os.environ, "KEYMANAGER_DATA": str(folder)}
    for number, customer, pin in [*keys, ("5000006625", "123456", "9999")]:
        command = [*MANAGE, "add_key", "--number", number, "--customer", customer, "--pin", pin]
        subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    past = [sys.executable, "-m", "tools.past"]
    told = subprocess.run(past, cwd=ROOT, env=environment, check=True, text=True, stdout=subprocess.PIPE)
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
    return told.stdout.strip()


def tested(page: Page, url: str) -> str:
    """Test the connection. Gives the path of the page with the result."""
    page.goto(f"{url}/configuration/diagnosis")
    page.locator("main form button").click()
    page.locator("main [role=status] .note.good").wait_for()
    return page.url.removeprefix(f"{url}/")


def take_demo(playwright: Playwright, target: Path) -> None:
    """Run the demo, fill it, and take every page."""
    with tempfile.TemporaryDirectory(prefix="km-screenshots-") as name, demo(Path(name)) as portal:
        invitation = fill(Path(name), portal)

        def visit(page: Page, folder: Path) -> None:
            take(page, portal["portal"], ENTRANCE | {"invitation": invitation}, folder)
            url, password = portal["portal"], portal["admin"]["password"]
            log_in(page, url, portal["admin"]["username"], password)
            take(page, url, PAGES | {"connection-tested": tested(page, url)}, folder, password)

        in_each_look(playwright, target, visit)
        url, data = portal["portal"], Path(name)
        (serve,) = (each for each in psutil.Process().children() if "serve" in each.cmdline())
        in_each_look(playwright, target, lambda page, folder: take_failures(page, url, data, serve, folder))
        in_each_look(playwright, target, lambda page, folder: take_too_many(page, url, folder))


def take_empty(playwright: Playwright, target: Path) -> None:
    """Run a portal that has just been made, and take what it says before there is anything."""
    with tempfile.TemporaryDirectory(prefix="km-screenshots-") as name, served(Path(name)) as url:
        in_each_look(playwright, target, lambda page, folder: take(page, url, FIRST_RUN, folder))
        command = [*MANAGE, "create_admin", "--username", "admin", "--data", name]
        subprocess.run(command, input=PASSWORD, text=True, check=True, stdout=subprocess.DEVNULL)

        def visit(page: Page, folder: Path) -> None:
            log_in(page, url, "admin", PASSWORD)
            take(page, url, EMPTY, folder)

        in_each_look(playwright, target, visit)


def main() -> None:
    """Take the pictures of a portal at work, and of an empty one."""
    target = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "screenshots")
    with sync_playwright() as playwright:
        take_demo(playwright, target)
        take_empty(playwright, target)
    print(f"pictures are in {target}")


if __name__ == "__main__":
    main()
