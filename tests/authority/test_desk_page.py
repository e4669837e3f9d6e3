"""The desk over HTTP: the call of the contract, the consultant's page and its two forms."""

import re
from datetime import UTC, datetime
from html import unescape
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from licensing.protocol import CodePack, verify_answer
from tests.authority.material import NOW, NUMBER, OTHER, Installation, bind, message_of
from tests.authority_process import RunningAuthority

HOSTILE = "\"><script>alert(1)</script>'&<img src=x onerror=alert(2)>"


@pytest.fixture
def portal(authority: RunningAuthority) -> Installation:
    return Installation(authority.keys)


@pytest.fixture
def pack(authority: RunningAuthority, portal: Installation) -> CodePack:
    """The pack of a contact at NOW."""
    set_clock(authority)
    request, jws = portal.ask(bind())
    answer = verify_answer(authority.post("/v1/contact", jws).text, authority.keys, request, jws)
    return portal.pack(answer)


def set_clock(authority: RunningAuthority) -> None:
    """Make it about NOW at the authority."""
    authority.move_clock((NOW - datetime.now(UTC)).total_seconds())


def test_a_message_is_answered_with_a_code(authority: RunningAuthority, pack: CodePack) -> None:
    response = authority.request("POST", "/desk/answer", json={"message": message_of(pack, NOW)})
    assert response.status_code == 200
    assert re.fullmatch(r"([0-9A-HJKMNP-TV-Z]{4}-){3}[0-9A-HJKMNP-TV-Z]{4}", response.json()["code"])


def test_a_refusal_is_422_with_the_reason_the_key_and_a_sentence_in_the_messages_language(
    authority: RunningAuthority, pack: CodePack
) -> None:
    authority.suspend(NUMBER)
    for language, word in (("PL", "wstrzymany"), ("EN", "suspended")):
        body = {"message": message_of(pack, NOW, language=language)}
        response = authority.request("POST", "/desk/answer", json=body)
        assert response.status_code == 422
        assert response.headers["Content-Type"] == "application/problem+json"
        problem = response.json()
        assert (problem["code"], problem["key"]) == ("suspended", NUMBER)
        assert word in problem["detail"]
        assert NUMBER in problem["detail"]
        assert "{" not in problem["detail"]


def test_a_mistyped_message_is_422_and_a_body_without_one_is_400(authority: RunningAuthority) -> None:
    for body, expected in (
        ({"message": "ERP PL what"}, (422, "mistyped")),
        ({"message": "x" * 5000}, (422, "mistyped")),
        ({"message": 7}, (400, "malformed")),
        ({}, (400, "malformed")),
    ):
        response = authority.request("POST", "/desk/answer", json=body)
        assert (response.status_code, response.json()["code"]) == expected


def test_the_page_takes_a_message_and_shows_the_code_in_groups(
    authority: RunningAuthority, pack: CodePack
) -> None:
    message = message_of(pack, NOW)
    code = authority.request("POST", "/desk/answer", json={"message": message}).json()["code"]
    page = authority.request("POST", "/desk", data={"message": message}).text
    assert " ".join(f"<span>{box}</span>" for box in code.split("-")) in page
    assert page.count("<td>answered</td>") == 2
    refused = authority.request("POST", "/desk", data={"message": "ERP PL 1"}).text
    assert "(mistyped)" in refused


def test_the_page_forbids_scripts_and_frames_and_is_never_kept(authority: RunningAuthority) -> None:
    response = authority.request("GET", "/desk")
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert response.headers["Cache-Control"] == "no-store"
    assert "<script" not in response.text
    assert "style=" not in response.text
    assert authority.request("GET", "/desk/style.css").headers["Content-Type"].startswith("text/css")
    assert authority.request("GET", "/").headers["Location"] == "/desk"


def test_nothing_from_outside_becomes_markup(authority: RunningAuthority) -> None:
    page = authority.request("POST", "/desk", data={"message": HOSTILE}).text
    assert "<script" not in page
    assert "<img" not in page
    assert HOSTILE in unescape(page)


def test_a_form_of_another_site_is_refused(authority: RunningAuthority, pack: CodePack) -> None:
    headers = {"Origin": "https://evil.example"}
    form = {"message": message_of(pack, NOW, nonce=99)}
    assert authority.request("POST", "/desk", data=form, headers=headers).status_code == 403
    same = {"Origin": authority.url}
    assert authority.request("POST", "/desk", data=form, headers=same).status_code == 200


def test_a_request_file_is_uploaded_and_its_answer_downloaded(
    authority: RunningAuthority, portal: Installation
) -> None:
    request, jws = portal.ask(bind())
    response = authority.request("POST", "/desk/file", files={"file": ("a.kmreq", f"{jws}\n".encode())})
    disposition = response.headers["Content-Disposition"]
    assert re.fullmatch(r'attachment; filename="contact-answer-\d{4}-\d\d-\d\d\.kmans"', disposition)
    answer = verify_answer(response.text, authority.keys, request, jws)
    assert answer.keys[0].result == "granted"


@pytest.mark.parametrize("content", [b"", b"nothing", b"\xff" * 100, HOSTILE.encode()])
def test_a_file_that_is_no_request_is_told_on_the_page(authority: RunningAuthority, content: bytes) -> None:
    response = authority.request("POST", "/desk/file", files={"file": ("a.kmreq", content)})
    assert response.status_code == 200
    assert "This is no request file that can be answered" in response.text
    assert "<script" not in response.text


def test_an_older_request_file_is_told_on_the_page(authority: RunningAuthority, portal: Installation) -> None:
    _, old = portal.ask(bind())
    for jws in (old, portal.ask(bind(OTHER))[1]):
        authority.post("/desk/contact", jws)
    page = authority.request("POST", "/desk/file", files={"file": ("a.kmreq", old.encode())}).text
    assert "A newer request of this installation was answered since" in page


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("text/plain", b"x"),
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=b", b"--b\r\n\r\nx\r\n--b--"),
        ("multipart/form-data; boundary=b", b"--b\r\nContent-Disposition: form-data; name=file\r\n\r\n"),
    ],
)
def test_an_upload_that_cannot_be_read_is_told(
    authority: RunningAuthority, content_type: str, body: bytes
) -> None:
    response = authority.post("/desk/file", body, content_type)
    assert response.status_code == 200
    assert "No answer file" in response.text


def test_a_consultant_gets_a_code_in_a_browser_and_axe_finds_nothing(
    authority: RunningAuthority, pack: CodePack, page: Page
) -> None:
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.goto(f"{authority.url}/desk")
    page.get_by_label("Message as it was received").fill(message_of(pack, NOW))
    page.get_by_role("button", name="Get the code").click()
    expect(page.locator(".code span")).to_have_count(4)
    schemes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
    for scheme in schemes:
        page.emulate_media(color_scheme=scheme)
        assert Axe().run(page).response["violations"] == []
    assert complaints == []
