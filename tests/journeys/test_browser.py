"""The pages in a real browser, on a demo that runs in its own processes."""

import re
import subprocess
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import requests
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.journeys.windows import NARROW, OTHER_KEY, api, authority_mode, checkout
from tests.portal_process import Demo


def desk(demo: Demo, message: str) -> str:
    """What the vendor's desk answers to an activation message."""
    url = f"{demo.told['authority']}/desk/answer"
    return str(requests.post(url, json={"message": message}, timeout=10).json()["code"])


# --- the main job ------------------------------------------------------------------------------------------


def test_an_administrator_adds_a_key_sees_its_modules_and_frees_a_seat(demo: Demo, visit: Any) -> None:
    window = visit()
    page = window.open("/configuration")
    page.get_by_role("link", name="Add", exact=True).first.click()
    page.get_by_label("Customer id").fill("123456")
    page.get_by_label("Virtual key number").fill(OTHER_KEY)
    page.get_by_label("PIN").fill("1111")
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_text("granted: its modules are up to date").first).to_be_visible(timeout=20_000)
    page.get_by_role("link", name="Available modules", exact=True).last.click()
    expect(page.get_by_role("row", name=re.compile("Human resources.*0 . 2"))).to_be_visible()

    body = {"workstation": "PC-1", "user": "seat.holder", "modules": ["KADRY"]}
    program = {"name": "ERP", "version": "1", "built_on": "2020-01-01"}
    lease = api(demo, "POST", "/leases", json=body | {"program": program}).json()
    page.get_by_role("link", name="Taken modules").click()
    page.get_by_role("link", name="Release seat.holder, PC-1").click()
    expect(page.get_by_text("This cannot be undone.")).to_be_visible()
    page.get_by_label("Reason").fill("went on holiday")
    page.get_by_role("button", name="Release").click()
    expect(page.get_by_text("1 lease was released.")).to_be_visible()

    ended = api(demo, "POST", f"/leases/{lease['id']}/heartbeat")
    assert (ended.status_code, ended.json()["ended_reason"]) == (410, "released_by_admin")
    window.open("/events")
    expect(page.get_by_text("went on holiday")).to_be_visible()


def test_the_list_of_leases_refreshes_itself_and_keeps_what_was_picked(stocked: Demo, visit: Any) -> None:
    checkout(stocked, "picked.user", "KASA")
    window = visit()
    window.page.clock.install()
    page = window.open("/leases")
    box = page.get_by_label("Pick the lease of picked.user")
    box.check()
    expect(page.get_by_role("button", name="Release the picked (1)")).to_be_enabled()
    late = checkout(stocked, "late.user", "KASA").json()
    page.clock.fast_forward(11_000)
    expect(page.get_by_label("Pick the lease of late.user")).to_be_visible()
    expect(box).to_be_checked()
    expect(page.get_by_role("button", name="Release the picked (1)")).to_be_enabled()
    api(stocked, "DELETE", f"/leases/{late['id']}")


def test_searching_finds_as_one_types_and_can_be_shared_as_a_link(stocked: Demo, visit: Any) -> None:
    page = visit().open("/")
    page.keyboard.press("/")
    expect(page.locator("#q")).to_be_focused()
    page.keyboard.type("kasa")
    expect(page.get_by_role("row")).to_have_count(2)
    expect(page).to_have_url(re.compile(r"q=kasa"))
    page.reload()
    expect(page.get_by_role("row")).to_have_count(2)


def test_a_file_has_the_rows_that_were_searched_for(stocked: Demo, visit: Any) -> None:
    page = visit().open("/")
    page.locator("#q").fill("kasa")
    expect(page.get_by_role("row")).to_have_count(2)
    with page.expect_download() as begun:
        page.get_by_role("link", name="CSV").click()
    rows = begun.value.path().read_text(encoding="utf-8-sig").splitlines()
    assert (len(rows), "KASA" in rows[1]) == (2, True)


def test_a_live_list_says_when_it_is_not_up_to_date_any_more(stocked: Demo, visit: Any) -> None:
    window = visit()
    window.page.clock.install()
    page = window.open("/leases")
    told = page.get_by_text("The portal does not answer")
    expect(told).to_be_hidden()
    page.context.set_offline(True)
    page.clock.fast_forward(11_000)
    expect(told).to_be_visible()
    page.context.set_offline(False)
    page.clock.fast_forward(11_000)
    expect(told).to_be_hidden()
    # What the browser itself said of the lost connection.
    window.faults.clear()


def test_a_live_list_leads_to_the_log_in_page_when_the_session_is_over(stocked: Demo, visit: Any) -> None:
    window = visit()
    window.page.clock.install()
    page = window.open("/leases?q=axe")
    page.context.clear_cookies()
    page.clock.fast_forward(11_000)
    expect(page.get_by_text("You are not logged in, or not any more.")).to_be_visible()
    page.locator("#id_login").fill(stocked.told["admin"]["username"])
    page.locator("#id_password").fill(stocked.told["admin"]["password"])
    page.locator("#id_password").press("Enter")
    expect(page).to_have_url(f"{stocked.url}/leases?q=axe")


def test_a_tab_leads_back_to_its_list_as_it_was_filtered(stocked: Demo, visit: Any) -> None:
    page = visit().open("/refusals")
    page.locator("#q").fill("axe")
    expect(page).to_have_url(re.compile("q=axe"))
    page.get_by_role("link", name="Events", exact=True).click()
    # The link is on both pages, and on the one that is being left it clears the search.
    page.wait_for_url("**/events")
    page.get_by_role("link", name="Refusals", exact=True).click()
    expect(page.locator("#q")).to_have_value("axe")
    page.get_by_role("link", name="Refusals", exact=True).click()
    expect(page.locator("#q")).to_have_value("")


def test_letters_lead_to_the_tabs_but_not_while_typing(stocked: Demo, visit: Any) -> None:
    page = visit().open("/events")
    page.keyboard.press("g")
    page.keyboard.press("t")
    expect(page).to_have_url(f"{stocked.url}/leases")
    page.wait_for_load_state("load")  # the scripts, which search as one types, run after the field is there
    page.locator("#q").focus()
    page.keyboard.type("gm")
    expect(page.locator("#q")).to_have_value("gm")
    expect(page).to_have_url(re.compile("q=gm"))


@pytest.fixture
def stranger(browser: Browser, opened: list[BrowserContext]) -> Page:
    """A window of somebody who has not logged in."""
    context = browser.new_context(locale="en-GB")
    opened.append(context)
    return context.new_page()


def by_name(demo: Demo) -> str:
    """The demo's address by a name: browsers have passkeys for nothing else."""
    return demo.url.replace("127.0.0.1", "localhost")


def test_a_passkey_is_added_and_lets_in_without_a_password(demo: Demo, stranger: Page) -> None:
    page, portal = stranger, by_name(demo)
    browsers = page.context.new_cdp_session(page)
    browsers.send("WebAuthn.enable")
    abilities = ("hasResidentKey", "hasUserVerification", "isUserVerified", "automaticPresenceSimulation")
    key = {"protocol": "ctap2", "transport": "internal", **dict.fromkeys(abilities, True)}
    browsers.send("WebAuthn.addVirtualAuthenticator", {"options": key})
    page.goto(f"{portal}/accounts/login/?next=/accounts/2fa/webauthn/add/")
    page.locator("#id_login").fill(demo.told["admin"]["username"])
    page.locator("#id_password").fill(demo.told["admin"]["password"])
    page.locator("#id_password").press("Enter")
    # Once more, for it is the way in that changes; the field has the same name on the page being left.
    page.wait_for_url("**/accounts/reauthenticate/**")
    page.locator("#id_password").fill(demo.told["admin"]["password"])
    page.locator("#id_password").press("Enter")
    page.wait_for_url("**/webauthn/add/")  # and for its script
    page.get_by_label("Logs in without a password").check()
    page.locator("#mfa_webauthn_add").click()
    # The first passkey leads to the recovery codes, a later one to the list; to go on too soon cuts it off.
    page.wait_for_url(re.compile(r"/accounts/2fa/(recovery-codes|webauthn)/$"))
    page.goto(f"{portal}/accounts/2fa/webauthn/")
    expect(page.get_by_text("logs in without a password")).to_be_visible()
    page.goto(f"{portal}/accounts/logout/")
    page.get_by_role("button", name="Log out").last.click()
    page.wait_for_url("**/accounts/login/**")
    page.get_by_role("button", name="Log in with a passkey").click()
    expect(page.locator(".tabs")).to_be_visible()


def test_a_passkey_that_was_called_off_is_told_in_words(demo: Demo, stranger: Page) -> None:
    page = stranger
    page.goto(f"{by_name(demo)}/accounts/login/")
    # What a browser answers when its window is closed.
    page.evaluate(
        """() => {
            const over = () => Promise.reject(new DOMException("", "NotAllowedError"));
            Object.defineProperty(navigator.credentials, "get", {value: over});
        }"""
    )
    told = page.get_by_text("No passkey was used")
    expect(told).to_be_hidden()
    page.get_by_role("button", name="Log in with a passkey").click()
    expect(told).to_be_visible()


# --- without a network -------------------------------------------------------------------------------------


@pytest.fixture
def dark(stocked: Demo) -> Iterator[Demo]:
    """The vendor cannot be reached, and the portal knows it."""
    authority_mode(stocked, "refuse")
    stocked.manage("contact")
    yield stocked
    authority_mode(stocked, "ok")
    stocked.manage("contact")


def paste(page: Page, selector: str, text: str) -> None:
    """Paste as a person does from an SMS."""
    page.locator(selector).focus()
    page.evaluate(
        """([selector, text]) => {
            const data = new DataTransfer();
            data.setData("text", text);
            const event = new ClipboardEvent("paste", {clipboardData: data, bubbles: true, cancelable: true});
            document.querySelector(selector).dispatchEvent(event);
        }""",
        [selector, text],
    )


def test_a_code_is_asked_for_pasted_and_renews_on_a_telephone_in_polish(
    dark: Demo, visit: Any, tmp_path: Path
) -> None:
    page = visit("pl", NARROW).open("/")
    page.locator(".light-more a").click()
    message = page.locator("#message").inner_text()
    assert message.startswith("ERP PL ")

    picture = tmp_path / "qr.png"
    page.locator(".qr").screenshot(path=picture)
    read = subprocess.run(
        ["zbarimg", "--quiet", "--raw", picture], capture_output=True, text=True, check=True
    )
    assert read.stdout.strip() == f"SMSTO:7148:{message}"

    code = desk(dark, message)
    wrong = code[:-1] + ("7" if code[-1] != "7" else "8")
    paste(page, "#id_first", f"Twój kod: {wrong.lower()}")
    expect(page.locator("#code-mistyped")).to_be_visible()
    paste(page, "#id_first", f"Twój kod: {code.lower()}. Kod jest ważny dziś.")
    expect(page.locator("#code-mistyped")).to_be_hidden()
    assert [page.locator(f"#id_{box}").input_value() for box in ("first", "fourth")] == [code[:4], code[-4:]]
    page.locator("#id_fourth").press("Enter")
    expect(page.locator(".note.good").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]


def test_a_file_is_chosen_by_a_button_in_the_language_of_the_page(
    stocked: Demo, visit: Any, tmp_path: Path
) -> None:
    answer = tmp_path / "contact-answer.kmans"
    answer.write_text("nothing of the vendor's")
    page = visit("pl").open("/configuration/offline")
    expect(page.get_by_text("Nie wybrano pliku.")).to_be_visible()
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Wybierz plik").click()
    chooser.value.set_files(answer)
    expect(page.get_by_text("contact-answer.kmans", exact=True)).to_be_visible()
    page.get_by_role("button", name="Importuj odpowiedź").click()
    expect(page.get_by_role("alert").last).to_be_visible()


# --- for everybody -----------------------------------------------------------------------------------------


def test_times_are_exact_and_in_the_zone_of_the_portal_whoever_reads(stocked: Demo, visit: Any) -> None:
    taken_at = datetime.fromisoformat(checkout(stocked, "zone.user", "KASA").json()["taken_at"])
    there = taken_at.astimezone(ZoneInfo("Europe/Warsaw"))
    for zone in ("Europe/Warsaw", "America/New_York", "Asia/Kolkata"):
        page = visit(timezone_id=zone).open("/leases?q=zone.user")
        since = page.get_by_role("row", name="zone.user").locator("time").first
        expect(since).to_have_attribute("title", re.compile(f"^{there:%Y-%m-%d %H:%M:%S} CES?T"))
        expect(since.locator(".exact")).to_be_visible()
        expect(since.locator(".exact")).to_contain_text(f"{there:%H:%M}")
        expect(page.get_by_role("contentinfo")).to_contain_text("Europe/Warsaw")


def test_a_reader_in_another_zone_is_told_which_zone_the_times_are_in(stocked: Demo, visit: Any) -> None:
    taken_at = datetime.fromisoformat(checkout(stocked, "far.user", "KASA").json()["taken_at"])
    here = taken_at.astimezone(ZoneInfo("America/New_York"))
    page = visit(timezone_id="America/New_York").open("/leases?q=far.user")
    since = page.get_by_role("row", name="far.user").locator("time").first
    expect(since).to_have_attribute("title", re.compile(f" CES?T = {here:%Y-%m-%d %H:%M:%S} "))
    expect(since.locator(".exact")).to_contain_text(re.compile(" CES?T$"))


def test_light_and_dark_are_chosen_and_remembered(demo: Demo, visit: Any) -> None:
    page = visit(color_scheme="light").open("/events")
    page.get_by_role("button", name="Light or dark").click()
    expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark")
