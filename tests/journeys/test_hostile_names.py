"""Sixty scripts in place of names, in a real browser: none of them runs, on any page that shows them."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from playwright.sync_api import Page, expect

from tests.web.payloads import FORMULAS, SCRIPTS, SHORT_SCRIPTS

PASSWORD = "a good long password"
LISTEN = """document.addEventListener("securitypolicyviolation", function (event) {
    console.error("CSP: " + event.violatedDirective);
});"""
# As the code of a module that was used; the vendor's codes are letters, and no part of an address.
CODES = tuple(script for script in SHORT_SCRIPTS if "/" not in script)
# Under which address which of the names must be seen. A list that has pages is looked at page by page.
SHOWN = {
    "/": SCRIPTS,
    "/modules/5000006622/HANDEL": SCRIPTS,
    "/leases": SCRIPTS,
    "/leases?group=user": SCRIPTS,
    "/leases?group=workstation": SCRIPTS,
    "/leases?group=module": SCRIPTS,
    "/refusals": SCRIPTS,
    "/history": CODES,
    "/configuration": SCRIPTS,
    "/configuration/contacts": (),
    "/configuration/mails": SCRIPTS,
    "/configuration/advanced": (),
    "/configuration/advanced/defaults": (),
    "/clients": SCRIPTS,
    "/users": SCRIPTS,
    "/accounts/sessions/": SCRIPTS,
    "/refusals/hours": CODES,
}
SEARCHED = ("/", "/leases", "/refusals", "/history", "/events")
CSV = ("/", "/leases", "/refusals", "/refusals/hours", "/history")


@dataclass
class Watch:
    """A window that tells of every script that ran or was held back, and of every request that left."""

    page: Page
    url: str
    faults: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.add_init_script(LISTEN)
        self.page.on("dialog", self._dialog)
        self.page.on("console", lambda message: self._note(message.type, message.text))
        self.page.on("pageerror", lambda error: self._note("error", str(error)))
        self.page.on("request", lambda request: self._request(request.url))

    def _dialog(self, dialog: Any) -> None:
        self._note("error", f"a dialog: {dialog.message}")
        dialog.dismiss()

    def _note(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.faults.append(f"{self.page.url[:120]}: {text}")

    def _request(self, url: str) -> None:
        if not url.startswith((self.url, "data:")):
            self._note("error", f"left the portal: {url}")

    def open(self, path: str) -> Page:
        self.page.goto(self.url + path)
        return self.page

    def reads(self, path: str) -> str:
        """The text of a list, of all its pages."""
        found = [self.open(path).inner_text("main")]
        while (older := self.page.locator("a[rel=next]")).count():
            with self.page.expect_navigation():
                older.click()
            found.append(self.page.inner_text("main"))
        return " ".join(" ".join(found).split())


@pytest.fixture
def hostile(transactional_db: None, settings: Any, tmp_path: Path) -> None:
    """A portal in which every name that somebody else chooses is a script; and some are formulas."""
    from licensing.models import Role
    from licensing.operations.actors import COMMAND
    from licensing.operations.clock import portal_now
    from licensing.operations.users import create_user
    from tests.factories import make_portal

    now = portal_now()
    settings.KEYMANAGER = settings.KEYMANAGER  # noted, so that it is put back
    portal = make_portal(tmp_path, now)
    create_user(now, COMMAND, "admin", PASSWORD, Role.ADMINISTRATOR)
    from_the_vendor(portal, now)
    from_programs(now)
    from_administrators(now)


def from_the_vendor(portal: Any, now: Any) -> None:
    """Names of modules; answers to contacts."""
    from licensing.models import ContactAttempt
    from licensing.protocol.messages import GrantedModule
    from tests.factories import KEY, module

    named = [GrantedModule(f"M{n}", {"pl": s, "en": s}, 1, None, None) for n, s in enumerate(SCRIPTS)]
    portal.accept(KEY, [module("HANDEL", None), *named], now)
    for script in SCRIPTS:
        ContactAttempt.objects.create(
            started_at=now, finished_at=now, trigger="page", actor=script, outcome="dns_failed",
            params={"host": script, "port": 1}, results=[],
        )  # fmt: skip


def from_programs(now: Any) -> None:
    """Leases, refusals, and what became of them in the history."""
    from licensing.models import RollUp, UsageDay, UsageQuarter
    from licensing.operations.lease_values import Program
    from licensing.operations.leases import checkout
    from licensing.operations.usage import day_of, floor_quarter
    from tests.factories import make_client, request, take

    for name in (*SCRIPTS, *FORMULAS):
        client = make_client(name, now)
        version = name if name in SHORT_SCRIPTS else SHORT_SCRIPTS[0]
        who = {"user": name, "workstation": name, "program": Program(name, version, date(2026, 1, 1))}
        take(client, "HANDEL", now=now, **who)
        checkout([request(client, version, **who)], now)
    then = floor_quarter(now - timedelta(days=1))
    RollUp.objects.create(since=then, until=floor_quarter(now))
    for script in CODES:
        use = {"module": script, "key": "", "seats": 1, "peak": 1, "held_seconds": 9, "full_seconds": 9}
        UsageQuarter.objects.create(start=then, refused_true=1, **use)
        UsageDay.objects.create(day=day_of(then), refused_true=1, what_if={"0": 1}, **use)


def from_administrators(now: Any) -> None:
    """Keys, users, settings, mails; as if a hand had written them past every check."""
    from allauth.usersessions.models import UserSession
    from django.test import Client

    from licensing.models import Configuration, OutgoingMail, User, VirtualKey

    admin = User.objects.get(username="admin")
    for number, script in enumerate(SCRIPTS):
        VirtualKey.objects.create(
            number=f"50000{number:05}", customer="123456", email=script, added_at=now,
            refusal="active_elsewhere", active_on=script,
        )  # fmt: skip
        User.objects.create(username=script, email=script)
        OutgoingMail.objects.create(
            fact=script, recipient=script, subject=script, text=script, message_id=script, created_at=now,
            next_attempt_at=now + timedelta(days=1), last_error=script, attempts=1,
        )  # fmt: skip
        browser = Client()
        browser.force_login(admin)
        UserSession.objects.update_or_create(
            session_key=browser.session.session_key,
            defaults={"user": admin, "ip": "192.0.2.1", "user_agent": script},
        )
    Configuration.objects.update_or_create(
        pk=1,
        defaults={
            "admin_email": " ".join(SCRIPTS[:12]), "smtp_host": SCRIPTS[3], "smtp_login": SCRIPTS[4],
            "proxy_host": SCRIPTS[6], "proxy_login": SCRIPTS[9], "cluster_name": SCRIPTS[12],
            "activation_sms": SHORT_SCRIPTS[0][:20],
        },
    )  # fmt: skip


@pytest.fixture
def watch(hostile: None, live_server: Any, page: Page) -> Iterator[Watch]:
    """An administrator's window, in which nothing may happen that no page of ours does."""
    window = Watch(page, live_server.url)
    window.open("/accounts/login/")
    page.locator("#id_login").fill("admin")
    page.locator("#id_password").fill(PASSWORD)
    page.locator("#id_password").press("Enter")
    expect(page.locator(".tabs")).to_be_visible()
    yield window
    assert window.faults == []


def unseen(text: str, names: tuple[str, ...]) -> list[str]:
    return [name for name in names if " ".join(name.split()) not in text]


def test_no_name_runs_as_a_script_on_any_page_and_none_is_a_formula_in_a_table(watch: Watch) -> None:
    page = watch.page
    lost = {path: names for path, all_ in SHOWN.items() if (names := unseen(watch.reads(path), all_))}
    assert lost == {}
    sought = urlencode({"q": " ".join(SCRIPTS), "user": SCRIPTS[0], "module": SCRIPTS[1], "kind": SCRIPTS[2]})
    for path in SEARCHED:
        watch.open(f"{path}?{sought}")
    for path in ("/configuration", "/clients", "/users"):
        watch.open(path)
        ways = page.locator("main article a.btn, main table a.btn")
        for way in [ways.nth(number).get_attribute("href") for number in range(6)]:
            watch.open(way or "")
    for script in CODES:
        for path in ("", "/needs"):
            assert unseen(watch.reads(f"/history/{quote(script)}{path}"), (script,)) == []
    for path in CSV:
        answer = page.request.get(f"{watch.url}{path}?format=csv")
        rows = list(csv.reader(io.StringIO(answer.body().decode("utf-8-sig")), delimiter=";"))
        assert len(rows) > 1, path
        assert [
            cell for row in rows for cell in row if cell.startswith(("=", "+", "-", "@", "\t", "\r"))
        ] == []


def test_no_reason_of_a_release_runs_as_a_script(watch: Watch) -> None:
    from licensing.models import Lease
    from licensing.operations.actors import COMMAND
    from licensing.operations.clock import portal_now
    from licensing.operations.leases import release

    page = watch.open("/leases")
    page.locator("[data-pick-all]").check()
    page.get_by_role("button", name="Release the picked").click()
    expect(page.get_by_role("heading", name="Release")).to_be_visible()
    assert unseen(" ".join(page.inner_text("main").split()), SCRIPTS) == []
    leases = Lease.objects.filter(ended_at__isnull=True, user__in=SCRIPTS).order_by("user")[1:]
    for lease, script in zip(leases, SCRIPTS[1:], strict=True):
        release([lease.id], portal_now(), COMMAND, script)
    page.get_by_label("Reason").fill(SCRIPTS[0])
    page.get_by_role("button", name="Release").click()
    expect(page.get_by_text("were released")).to_be_visible()
    assert unseen(watch.reads("/events"), SCRIPTS) == []
