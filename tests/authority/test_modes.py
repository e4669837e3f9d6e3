"""Every control mode over real HTTP: what it does to the request, and what it does to the answer."""

import contextlib
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from authority.modes import MODES
from licensing.protocol import BadSignature, WrongMessage, verify_answer
from tests.authority.material import Installation, bind, renew
from tests.authority_process import RunningAuthority

CARRIED_OUT = {
    "ok",
    "drip",
    "huge",
    "truncated",
    "bad_signature",
    "wrong_key",
    "other_request",
    "other_installation",
    "lose_answer",
}


@pytest.fixture
def portal(authority: RunningAuthority) -> Installation:
    return Installation(authority.keys)


def test_the_modes_are_those_of_the_contract(authority: RunningAuthority) -> None:
    others = {"refuse", "blackhole", "error_500", "busy_503", "html", "redirect", "stale"}
    assert CARRIED_OUT | others == MODES
    with pytest.raises(requests.HTTPError):
        authority.mode("unheard_of")
    assert authority.request("GET", "/_control/state").json()["mode"] == "ok"


@pytest.mark.parametrize("mode", sorted(MODES))
def test_a_mode_carries_the_request_out_or_does_nothing_and_touches_nothing_else(
    authority: RunningAuthority, portal: Installation, mode: str
) -> None:
    authority.mode(mode)
    _, jws = portal.ask(bind())
    timeout = 0.3 if mode == "blackhole" else 20
    try:
        authority.request("POST", "/v1/contact", data=jws, timeout=timeout, stream=True).close()
    except requests.RequestException:
        assert mode in {"refuse", "blackhole", "lose_answer"}
    assert authority.state()["serial"] == (1 if mode in CARRIED_OUT else 0)
    assert authority.request("GET", "/desk").status_code == 200


def test_ok_is_whole_again_after_any_mode(authority: RunningAuthority, portal: Installation) -> None:
    request, jws = portal.ask(bind())
    for mode in ("lose_answer", "bad_signature", "truncated", "busy_503"):
        authority.mode(mode)
        with contextlib.suppress(requests.RequestException):
            authority.post("/v1/contact", jws)
    authority.mode("ok")
    answer = verify_answer(authority.post("/v1/contact", jws).text, authority.keys, request, jws)
    assert portal.grant(answer.keys[0]).serial == 1, "all of these were one request"


@pytest.mark.parametrize("mode", ["refuse", "lose_answer"])
def test_refuse_and_lose_answer_close_the_connection(
    authority: RunningAuthority, portal: Installation, mode: str
) -> None:
    authority.mode(mode)
    started = time.monotonic()
    with pytest.raises(requests.ConnectionError):
        authority.post("/v1/contact", portal.ask(bind())[1])
    assert time.monotonic() - started < 2


def test_blackhole_accepts_and_never_answers(authority: RunningAuthority, portal: Installation) -> None:
    authority.mode("blackhole")
    with pytest.raises(requests.ReadTimeout):
        authority.request("POST", "/v1/contact", data=portal.ask(bind())[1], timeout=1)


def test_error_500_busy_503_html_and_redirect_answer_as_such_servers_do(
    authority: RunningAuthority, portal: Installation
) -> None:
    _, jws = portal.ask(bind())

    def answer(mode: str) -> requests.Response:
        authority.mode(mode)
        return authority.post("/v1/contact", jws)

    assert answer("error_500").status_code == 500
    busy = answer("busy_503")
    assert (busy.status_code, busy.headers["Retry-After"]) == (503, "60")
    assert busy.headers["Content-Type"] == "application/problem+json"
    page = answer("html")
    assert (page.status_code, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    elsewhere = answer("redirect")
    assert (elsewhere.status_code, elsewhere.headers["Location"]) == (307, "/v1/moved")


def test_stale_gives_the_last_answer_again_and_does_nothing(
    authority: RunningAuthority, portal: Installation
) -> None:
    authority.mode("stale")
    assert authority.post("/v1/contact", portal.ask(bind())[1]).status_code == 503, "none was given yet"
    authority.mode("ok")
    last = authority.post("/v1/contact", portal.ask(bind())[1])
    authority.mode("stale")
    request, jws = portal.ask(renew(1))
    stale = authority.post("/v1/contact", jws)
    assert stale.content == last.content
    with pytest.raises(WrongMessage):
        verify_answer(stale.text, authority.keys, request, jws)
    assert authority.state()["serial"] == 1


@pytest.mark.parametrize("mode", ["bad_signature", "wrong_key"])
def test_an_answer_that_nobody_known_has_signed(
    authority: RunningAuthority, portal: Installation, mode: str
) -> None:
    authority.mode(mode)
    request, jws = portal.ask(bind())
    with pytest.raises(BadSignature):
        verify_answer(authority.post("/v1/contact", jws).text, authority.keys, request, jws)


@pytest.mark.parametrize("mode", ["other_request", "other_installation"])
def test_an_answer_rightly_signed_for_something_else(
    authority: RunningAuthority, portal: Installation, mode: str
) -> None:
    authority.mode(mode)
    request, jws = portal.ask(bind())
    with pytest.raises(WrongMessage):
        verify_answer(authority.post("/v1/contact", jws).text, authority.keys, request, jws)


def test_truncated_ends_before_the_announced_length(
    authority: RunningAuthority, portal: Installation
) -> None:
    authority.mode("truncated")
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead"):
        authority.post("/v1/contact", portal.ask(bind())[1])


def test_huge_has_no_end(authority: RunningAuthority, portal: Installation) -> None:
    authority.mode("huge")
    with authority.request("POST", "/v1/contact", data=portal.ask(bind())[1], stream=True) as response:
        assert "Content-Length" not in response.headers
        blocks = zip(response.iter_content(65536), range(160), strict=False)
        assert sum(len(block) for block, _ in blocks) > 10**7
        response.raw.close()


def test_drip_gives_a_byte_each_half_second(authority: RunningAuthority, portal: Installation) -> None:
    authority.mode("drip")
    started = time.monotonic()
    with authority.request("POST", "/v1/contact", data=portal.ask(bind())[1], stream=True) as response:
        assert response.raw.read(3).startswith(b"eyJ")
    assert 1.4 < time.monotonic() - started < 5


def test_held_connections_keep_nobody_waiting(authority: RunningAuthority, portal: Installation) -> None:
    held = 40
    _, jws = portal.ask(bind())
    authority.post("/v1/contact", jws)
    authority.mode("blackhole")
    with ThreadPoolExecutor(held) as pool:
        waiting = [
            pool.submit(requests.post, authority.url + "/v1/contact", data=jws, timeout=3)
            for _ in range(held)
        ]
        started = time.monotonic()
        assert authority.request("GET", "/_control/state").json()["mode"] == "blackhole"
        assert time.monotonic() - started < 2
        assert all(isinstance(call.exception(), requests.ReadTimeout) for call in waiting)
