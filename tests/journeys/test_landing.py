"""Whoever has sent a form lands where it says what became of it, however far down the page that stands."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.journeys.windows import NARROW, WIDE
from tests.portal_process import Demo

SIZES = pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])


def expect_landed(page: Page, words: str) -> None:
    told = page.locator(".note:focus")
    expect(told).to_contain_text(words)
    expect(told).to_be_in_viewport(ratio=1)


@SIZES
@pytest.mark.parametrize("javascript", [True, False], ids=["script", "no script"])
def test_a_refused_code_leads_to_its_refusal(size: Any, javascript: bool, stocked: Demo, visit: Any) -> None:
    page = visit("en", size, java_script_enabled=javascript).open("/configuration/offline")
    expect(page.locator("#message")).to_be_visible()
    page.locator("#id_first").fill("2F57-3P3V")
    page.get_by_role("button", name="Renew the modules").click()
    expect_landed(page, "This is not a code as the vendor gives it")


@SIZES
def test_a_refused_answer_leads_to_its_refusal(size: Any, stocked: Demo, visit: Any) -> None:
    page = visit("en", size).open("/configuration/offline")
    page.get_by_role("button", name="Import the answer").click()
    expect_landed(page, "Choose the answer file, or paste its text.")


@SIZES
def test_a_saved_section_tells_so_in_itself(size: Any, stocked: Demo, visit: Any) -> None:
    page = visit("en", size).open("/configuration/advanced")
    section = page.locator("#logs")
    section.get_by_role("combobox").select_option("1" if size is WIDE else "2")
    section.get_by_role("button", name="Save").click()
    expect_landed(page, "1 setting was changed: Log level.")
    expect(section.locator(".note")).to_be_focused()


@SIZES
def test_a_section_with_a_fault_leads_to_it(size: Any, stocked: Demo, visit: Any) -> None:
    page = visit("en", size).open("/configuration/advanced")
    page.locator("#id_metrics_networks").fill("here")
    page.locator("#metrics").get_by_role("button", name="Save").click()
    expect_landed(page, "Something has to be corrected below.")


@pytest.mark.parametrize("between", ["-", "–", "—", " ", " – "])
def test_any_dash_or_space_between_the_groups_may_be_typed_or_pasted(
    between: str, stocked: Demo, visit: Any
) -> None:
    groups = ["2F57", "3P3V", "AAAA", "BBBB"]
    page = visit("en").open("/configuration/offline")
    boxes = page.locator("[data-code-box]")
    page.locator("#id_first").press_sequentially(between.join(groups))
    assert [box.input_value() for box in boxes.all()] == groups
    page.reload()
    page.locator("#id_first").evaluate(
        """(box, text) => {
          const data = new DataTransfer();
          data.setData("text", text);
          box.dispatchEvent(new ClipboardEvent("paste", {clipboardData: data, cancelable: true}));
        }""",
        f"Your code: {between.join(groups)}. It is good today.",
    )
    assert [box.input_value() for box in boxes.all()] == groups
