"""Windows of a real browser on a demo, and what ERP programs do there meanwhile."""

from dataclasses import dataclass, field
from typing import Any

import requests
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from tests.portal_process import Demo

KEY, OTHER_KEY = "5000006622", "5000006623"
WIDE, MIDDLE, NARROW = (
    {"width": width, "height": height} for width, height in ((1440, 900), (1024, 768), (390, 844))
)
LOCALES = {"en": "en-GB", "pl": "pl-PL"}
# Every page that an administrator finds; the demo has the key, somebody who holds modules, a refusal.
PAGES = [
    "/",
    f"/modules/{KEY}/HANDEL",
    "/leases",
    "/leases?group=user",
    "/leases?group=module",
    "/first-steps",
    "/glossary",
    "/leases/release?user=axe.user",
    "/configuration",
    "/configuration/keys/add",
    f"/configuration/keys/{KEY}/edit",
    f"/configuration/keys/{KEY}/bind",
    f"/configuration/keys/{KEY}/remove",
    "/configuration/contact?since=2026-01-01T00:00:00.000000Z",
    "/configuration/contacts",
    "/configuration/diagnosis",
    "/configuration/mails",
    "/configuration/worker",
    "/configuration/logs",
    "/configuration/offline",
    "/configuration/advanced",
    "/configuration/advanced/defaults",
    "/refusals",
    "/refusals/hours",
    "/history",
    "/history/HANDEL",
    "/history/HANDEL?by=hour&days=7",
    "/history/HANDEL/needs",
    "/events",
    "/clients",
    "/clients/add",
    "/clients/1/edit",
    "/clients/1/token",
    "/users",
    "/users/invite",
    "/users/1/edit",
    "/users/1/link",
    "/accounts/logout/",
    "/accounts/password/change/",
    "/accounts/2fa/",
    "/accounts/2fa/totp/activate/",
    "/accounts/2fa/webauthn/",
    "/accounts/2fa/webauthn/add/",
    "/accounts/reauthenticate/",
    "/accounts/sessions/",
    "/nothing-of-the-kind",
]


def api(demo: Demo, method: str, path: str, **options: Any) -> requests.Response:
    """A call of the lease API by the demo's ERP client."""
    headers = {"Authorization": f"Bearer {demo.told['erp_client_token']}"}
    return requests.request(method, f"{demo.url}/api/v1{path}", headers=headers, timeout=10, **options)


def checkout(demo: Demo, user: str, *modules: str) -> requests.Response:
    """A log-in of a user, who asks for modules."""
    body = {
        "modules": list(modules),
        "workstation": f"PC-{user}",
        "user": user,
        "program": {"name": "ERP Optima", "version": "2026.5.1", "built_on": "2026-09-01"},
    }
    return api(demo, "POST", "/leases", json=body)


def authority_mode(demo: Demo, mode: str) -> None:
    """Have the demo's authority behave: "ok", "refuse" …"""
    url = f"{demo.told['authority']}/_control/mode"
    requests.post(url, json={"mode": mode}, timeout=10).raise_for_status()


@dataclass
class Visit:
    """A browser window, and what went wrong in it: errors on its console, requests that left the portal."""

    page: Page
    demo: Demo
    faults: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.route("**/*", self._watch)

    def _hear(self, message: Any) -> None:
        # A page that is meant to be a 404 is one.
        if message.type in ("error", "warning") and "nothing-of-the-kind" not in self.page.url:
            self.faults.append(f"{self.page.url}: {message.text}")

    def _watch(self, route: Route) -> None:
        if not route.request.url.startswith((self.demo.url + "/", "data:")):
            self.faults.append(f"left the portal: {route.request.url}")
        route.continue_()

    def open(self, path: str) -> Page:
        self.page.goto(self.demo.url + path)
        return self.page

    def log_in(self) -> "Visit":
        self.open("/accounts/login/")
        self.page.locator("#id_login").fill(self.demo.told["admin"]["username"])
        self.page.locator("#id_password").fill(self.demo.told["admin"]["password"])
        self.page.locator("#id_password").press("Enter")
        expect(self.page.locator(".tabs")).to_be_visible()
        return self


class Windows:
    """Opens windows of one browser as the demo's administrator, and closes them."""

    def __init__(self, browser: Browser, demo: Demo, session: Any) -> None:
        self.browser, self.demo, self.session = browser, demo, session
        self.opened: list[BrowserContext] = []
        self.visits: list[Visit] = []

    def __call__(self, language: str = "en", viewport: Any = WIDE, **options: Any) -> Visit:
        context = self.browser.new_context(
            storage_state=self.session, locale=LOCALES[language], viewport=viewport, **options
        )
        self.opened.append(context)
        self.visits.append(Visit(context.new_page(), self.demo))
        return self.visits[-1]

    def faults(self) -> list[str]:
        """What went wrong in any of them."""
        return [fault for visit in self.visits for fault in visit.faults]

    def close(self) -> None:
        for context in self.opened:
            context.close()
