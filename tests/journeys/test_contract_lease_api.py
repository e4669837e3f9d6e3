"""The lease API judged by its contract, from outside: who may call, each call, each refusal."""

import json
import re
import socket
from contextlib import suppress
from datetime import timedelta

import pytest

from tests.authority_process import module
from tests.journeys.portal import INSTANT, INSTANTS, Portal, at, checkout_body, day, refusal

UNKNOWN_ID = "6f1c1d7e-0000-4000-8000-000000000000"


# Who may call


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic eDp5"])
def test_without_a_token_401_and_the_scheme(portal: Portal, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    answer = portal.api("GET", "/modules", token=None, headers=headers)
    assert refusal(answer) == (401, "token_missing")
    assert answer.headers["www-authenticate"] == "Bearer"


def test_an_unknown_token_is_401_too(portal: Portal) -> None:
    for token in ("km_" + "x" * 43, "something"):
        answer = portal.api("GET", "/modules", token=token)
        assert refusal(answer) == (401, "token_invalid")
        assert answer.headers["www-authenticate"] == "Bearer"


def test_everything_under_api_asks_for_the_token_first(portal: Portal) -> None:
    for method, path in [("GET", "/nothing"), ("PUT", "/leases"), ("POST", "/leases"), ("GET", "/")]:
        assert refusal(portal.api(method, path, token=None))[0] == 401
    assert portal.http.get(f"{portal.demo.url}/api/other").status_code == 401


def test_a_token_is_km_and_forty_or_more(portal: Portal, foreigner: str) -> None:
    for token in (portal.token, foreigner):
        assert re.fullmatch(r"km_[A-Za-z0-9_-]{40,}", token)


def test_the_token_is_stored_nowhere(portal: Portal, foreigner: str) -> None:
    stored = b"".join(path.read_bytes() for path in portal.demo.data.glob("keymanager.sqlite3*"))
    assert foreigner.encode() not in stored


def test_another_clients_lease_answers_as_an_unknown_one(portal: Portal, key: str, foreigner: str) -> None:
    lease = portal.lease("A_MANY")
    for method, path in [("GET", ""), ("POST", "/heartbeat"), ("DELETE", "")]:
        others = portal.api(method, f"/leases/{lease['id']}{path}", token=foreigner)
        unknown = portal.api(method, f"/leases/{UNKNOWN_ID}{path}", token=foreigner)
        assert refusal(others) == (404, "lease_not_found")
        assert others.text == unknown.text
    assert portal.look(lease)["state"] == "active"


# Path, method, body


def test_an_unknown_path_and_a_wrong_method_are_problems_too(portal: Portal) -> None:
    assert refusal(portal.api("GET", "/nothing")) == (404, "not_found")
    assert refusal(portal.api("POST", "/leases/")) == (404, "not_found")
    for method, path, allowed in [
        ("GET", "/leases", "POST"),
        ("PUT", "/leases", "POST"),
        ("POST", "/modules", "GET"),
        ("DELETE", "/status", "GET"),
        ("GET", f"/leases/{UNKNOWN_ID}/heartbeat", "POST"),
        ("FOO", "/leases", "POST"),
        ("foo", "/status", "GET"),
    ]:
        answer = portal.api(method, path)
        assert refusal(answer) == (405, "method_not_allowed")
        assert allowed in answer.headers["allow"]
    assert refusal(portal.api("FOO", "/leases", token=None)) == (401, "token_missing")


def test_a_body_of_another_type_is_refused(portal: Portal) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "application/jsonp", None):
        headers = {"Content-Type": kind} if kind else {}
        answer = portal.api("POST", "/leases", data=b"{}", headers=headers)
        assert refusal(answer) == (415, "unsupported_media_type")


def test_a_checkout_has_at_most_16_kib(portal: Portal, key: str) -> None:
    for size, status in [(16384, 201), (16385, 413), (1_000_000, 413)]:
        body = json.dumps(checkout_body("A_MANY")).encode().ljust(size)
        answer = portal.api("POST", "/leases", data=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == status
    assert refusal(answer) == (413, "body_too_large")


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b'"x"', b"null", b"\xff\xfe", b'{"modules": "\xff"}', b'{"a":' + b"[" * 8000, b"{}x"],
)
def test_what_is_no_json_object_is_malformed(portal: Portal, body: bytes) -> None:
    answer = portal.api("POST", "/leases", data=body, headers={"Content-Type": "application/json"})
    assert refusal(answer) == (400, "malformed_json")


@pytest.mark.parametrize(
    ("field", "members"),
    [
        ("/modules", {"modules": None}),
        ("/modules", {"modules": []}),
        ("/modules", {"modules": "A_MANY"}),
        ("/modules", {"modules": [f"M{number}" for number in range(33)]}),
        ("/modules/1", {"modules": ["A_MANY", "A_MANY"]}),
        ("/modules/0", {"modules": [7]}),
        ("/optional", {"optional": [f"M{number}" for number in range(33)]}),
        ("/optional/0", {"optional": ["A_MANY"]}),
        ("/workstation", {"workstation": None}),
        ("/workstation", {"workstation": "  "}),
        ("/workstation", {"workstation": "x" * 65}),
        ("/workstation", {"workstation": "PC\x7f"}),
        ("/workstation", {"workstation": "PC-017\n"}),
        ("/user", {"user": None}),
        ("/user", {"user": "anna\u200bnowak"}),
        ("/user", {"user": "\ufeffanna"}),
        ("/user", {"user": 7}),
        ("/program", {"program": None}),
        ("/program", {"program": "ERP"}),
        ("/program/name", {"program": {"version": "1"}}),
        ("/program/name", {"program": {"name": "", "version": "1"}}),
        ("/program/name", {"program": {"name": "x" * 65, "version": "1"}}),
        ("/program/version", {"program": {"name": "ERP"}}),
        ("/program/version", {"program": {"name": "ERP", "version": "1" * 33}}),
        ("/program/built_on", {"program": {"name": "ERP", "version": "1", "built_on": "2026-02-30"}}),
        (
            "/program/built_on",
            {"program": {"name": "ERP", "version": "1", "built_on": "2026-02-01T00:00:00Z"}},
        ),
        ("/program/more", {"program": {"name": "ERP", "version": "1", "more": 1}}),
        ("/more", {"more": 1}),
        ("/key", {"key": 5000006622}),
        ("/known_grants", {"known_grants": {"5000006622": "42"}}),
        ("/known_grants", {"known_grants": []}),
    ],
)
def test_a_member_out_of_its_limits_is_named(
    portal: Portal, key: str, field: str, members: dict[str, object]
) -> None:
    body = {**checkout_body("A_MANY"), **members}
    answer = portal.api("POST", "/leases", json={name: v for name, v in body.items() if v is not None})
    assert refusal(answer) == (422, "validation_failed")
    errors = answer.json()["errors"]
    assert errors[0]["field"].startswith(field)
    assert errors[0]["message"]


def test_names_are_put_into_nfc_and_stripped(portal: Portal, key: str) -> None:
    lease = portal.lease("A_MANY", workstation="  PC\u00a0z\u0327 ", user=" " + "e\u0301" * 64 + "\u2003")
    assert (lease["workstation"], lease["user"]) == ("PC\u00a0z\u0327", "\u00e9" * 64)


# Heartbeat, return, look


def test_a_heartbeat_moves_the_end_on_and_ignores_a_body(portal: Portal, key: str) -> None:
    lease = portal.lease("A_MANY")
    answer = portal.api(
        "POST", f"/leases/{lease['id']}/heartbeat", data=b"\xff{", headers={"Content-Type": "text/odd"}
    )
    assert answer.status_code == 200
    told = answer.json()
    assert set(told) == {
        "id", "state", "expires_at", "renew_after_seconds", "contact_deadline", "server_time", "withdrawn"
    }  # fmt: skip
    assert (told["id"], told["state"], told["withdrawn"]) == (lease["id"], "active", [])
    assert at(told["expires_at"]) - at(told["server_time"]) == timedelta(seconds=1800)
    assert told["contact_deadline"] == lease["contact_deadline"]


def test_returning_once_or_often_is_the_same(portal: Portal) -> None:
    number = portal.new_key(module("J_BACK", 1))
    lease = portal.lease("J_BACK")
    for _ in range(3):
        answer = portal.give_back(lease)
        assert (answer.status_code, answer.content) == (204, b"")
    ended = portal.heartbeat(lease)
    assert refusal(ended) == (410, "lease_ended")
    assert ended.json()["ended_reason"] == "returned"
    assert INSTANT.fullmatch(ended.json()["ended_at"])
    seen = portal.look(lease)
    assert (seen["state"], seen["ended_reason"]) == ("ended", "returned")
    assert seen["ended_at"] == ended.json()["ended_at"]
    assert "grants" not in seen
    assert portal.modules(number)["J_BACK"]["taken"] == 0


def test_a_look_is_the_checkout_without_grants(portal: Portal, key: str) -> None:
    lease = portal.lease("A_MANY", optional=["NO_SUCH"])
    seen = portal.look(lease)
    assert {**seen, "server_time": ""} == {
        **{name: value for name, value in lease.items() if name != "grants"},
        "server_time": "",
    }


def test_a_lease_released_by_the_administrator_ends_so(portal: Portal, key: str) -> None:
    lease = portal.lease("A_MANY", user="released")
    other = portal.lease("A_MANY", workstation="PC-RELEASED")
    third = portal.lease("A_MANY")
    assert portal.run("release", "--user", "released").status == 0
    assert portal.run("release", "--workstation", "PC-RELEASED").status == 0
    assert portal.run("release", "--lease", third["id"]).status == 0
    for ended in (lease, other, third):
        answer = portal.heartbeat(ended)
        assert refusal(answer) == (410, "lease_ended")
        assert answer.json()["ended_reason"] == "released_by_admin"
        assert portal.give_back(ended).status_code == 204
        assert portal.look(ended)["ended_reason"] == "released_by_admin"


@pytest.mark.parametrize("lease_id", [UNKNOWN_ID, "x", "..", UNKNOWN_ID.upper()])
def test_an_id_that_is_none_is_not_found(portal: Portal, lease_id: str) -> None:
    for method, tail in [("GET", ""), ("DELETE", ""), ("POST", "/heartbeat")]:
        status, code = refusal(portal.api(method, f"/leases/{lease_id}{tail}"))
        assert status == 404 or lease_id == ".."
        assert code == "lease_not_found" or lease_id == ".."


# Modules, grants, status, health


def test_modules_are_listed_by_code_then_key(portal: Portal, key: str) -> None:
    answer = portal.api("GET", "/modules").json()
    rows = answer["modules"]
    assert [(row["code"], row["key"]) for row in rows] == sorted((row["code"], row["key"]) for row in rows)
    assert set(rows[0]) == {
        "code", "name", "key", "seats", "taken", "free", "available", "reason", "expires_on",
        "warranty_until", "contact_deadline",
    }  # fmt: skip
    assert INSTANT.fullmatch(answer["server_time"])
    mine = portal.modules(key)
    assert {code: (row["available"], row["reason"]) for code, row in mine.items()} == {
        "A_MANY": (True, None), "A_FEW": (True, None), "A_FREE": (True, None),
        "A_PAST": (False, "module_expired"), "A_LAST": (True, None), "A_OLD": (True, None),
    }  # fmt: skip
    assert (mine["A_FREE"]["seats"], mine["A_FREE"]["free"]) == (None, None)
    assert mine["A_FEW"]["name"] == {"pl": "A_few", "en": "A_few"}
    assert (mine["A_PAST"]["expires_on"], mine["A_OLD"]["warranty_until"]) == (day(-1), day(-30))


def test_modules_by_build_day_judge_the_warranty(portal: Portal, key: str) -> None:
    assert portal.modules(key, day(-29))["A_OLD"]["reason"] == "warranty_expired"
    assert portal.modules(key, day(-30))["A_OLD"]["available"] is True
    answer = portal.api("GET", "/modules?built_on=yesterday")
    assert refusal(answer) == (422, "validation_failed")


def test_taking_and_returning_is_counted(portal: Portal, key: str) -> None:
    before = portal.modules(key)
    lease = portal.lease("A_FEW", "A_FREE")
    now = portal.modules(key)
    assert now["A_FEW"]["free"] == before["A_FEW"]["free"] - 1
    assert now["A_FREE"]["taken"] == before["A_FREE"]["taken"] + 1
    last = portal.lease("A_FEW")
    full = portal.modules(key)["A_FEW"]
    assert (full["free"], full["available"], full["reason"]) == (0, False, "no_free_seat")
    portal.give_back(lease)
    portal.give_back(last)
    assert portal.modules(key)["A_FEW"]["taken"] == before["A_FEW"]["taken"]


def test_the_grant_of_a_key_that_is_not_here_is_not_found(portal: Portal) -> None:
    for number in ("5000099999", "x"):
        assert refusal(portal.api("GET", f"/grants/{number}"))[0] == 404


def test_status_tells_of_each_key(portal: Portal, key: str) -> None:
    told = portal.status()
    assert set(told) == {"light", "reasons", "keys", "release_pending", "server_time"}
    assert told["light"] == "yellow"  # a module has expired
    assert {"module_expired", "module_expiring", "warranty_expired"} <= set(told["reasons"])
    mine = portal.key_status(key)
    assert set(mine) == {
        "number", "state", "refusal", "last_contact_at", "contact_deadline", "light", "reasons"
    }  # fmt: skip
    assert (mine["state"], mine["refusal"], mine["light"]) == ("active", None, "yellow")
    assert at(mine["contact_deadline"]) - at(mine["last_contact_at"]) == timedelta(hours=72)
    assert all(INSTANT.fullmatch(mine[name]) for name in INSTANTS & set(mine))


def test_health_needs_no_token(portal: Portal, key: str) -> None:
    for path in ("/livez", "/readyz"):
        answer = portal.http.get(portal.demo.url + path)
        assert (answer.status_code, answer.json()) == (200, {"status": "ok", "warnings": []})


def test_the_document_and_the_problem_pages_need_no_token(portal: Portal) -> None:
    document = portal.http.get(f"{portal.demo.url}/api/v1/openapi.json")
    assert document.json()["openapi"].startswith("3.1")
    codes = (
        "malformed_json bad_request token_missing token_invalid client_not_allowed contact_lost"
        " module_expired warranty_expired lease_not_found not_found method_not_allowed no_free_seat"
        " lease_ended body_too_large"
        " unsupported_media_type validation_failed module_unknown key_unknown idempotency_key_reused"
        " too_many_requests internal_error unavailable"
    )
    for code in codes.split():
        page = portal.http.get(f"{portal.demo.url}/problems/{code}")
        assert (page.status_code, code in page.text) == (200, True)
    assert portal.http.get(f"{portal.demo.url}/problems/nothing").status_code == 404


@pytest.mark.parametrize(
    ("accepted", "language"),
    [("en", "en"), ("pl", "pl"), ("de", "pl"), ("", "pl"), ("pl;q=0.1, en-GB;q=0.9", "en"), ("*", "pl")],
)
def test_the_language_follows_the_header(portal: Portal, accepted: str, language: str) -> None:
    answer = portal.api("GET", "/nothing", headers={"Accept-Language": accepted})
    assert answer.headers["content-language"] == language


def test_a_host_that_is_not_ours_is_a_bad_request(portal: Portal) -> None:
    answer = portal.api("GET", "/modules", headers={"Host": "evil.example"})
    assert refusal(answer) == (400, "bad_request")


@pytest.mark.parametrize(
    "head",
    [
        b"GET %b HTTP/1.1\r\n",
        b"GET %b HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: 127.0.0.1\r\n",
        b"GET %b HTTP/1.1\r\nHost: 127.0.0.1\r\nA\xff: b\r\n",
        b"GET %b HTTP/1.1\r\nHost: 127.0.0.1\r\nA: b\0\r\n",
        b"GET %b HTTP/1.1\r\nHost: 127.0.0.1\r\nA: " + b"a" * 200_000,
        b"GET %b HTTP/1.1\r\nHost: 127.0.0.1\r\n" + b"A: b\r\n" * 1000,
        b"GET %b" + b"a" * 200_000,
        b"GET %b/\xc5\xbc HTTP/1.1\r\nHost: 127.0.0.1\r\n",
        b"POST %b HTTP/1.1\r\nHost: 127.0.0.1\r\nIdempotency-Key: a\x7fb\r\n",
        b"POST %b HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: abc\r\n",
        b"POST %b HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n",
        b"POST %b HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n",
        b"POST %b HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"POST %b HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: gzip, chunked\r\n",
        b"GET %b HTTP/2.0\r\nHost: 127.0.0.1\r\n",
        b"CONNECT %b HTTP/1.1\r\nHost: 127.0.0.1\r\n",
    ],
)
def test_what_cannot_be_read_is_a_bad_request_under_api_alone(portal: Portal, head: bytes) -> None:
    for path, expected in [(b"/api/v1/leases", b"problem+json"), (b"/accounts/login/", b"text/plain")]:
        with socket.create_connection(("127.0.0.1", portal.demo.port), timeout=10) as caller:
            with suppress(ConnectionError):
                caller.sendall(head.replace(b"%b", path) + b"\r\n")
            answer = caller.makefile("rb").read()
        told, _, body = answer.partition(b"\r\n\r\n")
        assert expected in told
        assert b"connection: close" in told
        if path.startswith(b"/api/"):
            assert told.startswith(b"HTTP/1.1 400 ")
            assert json.loads(body)["code"] == "bad_request"


def test_what_was_refused_is_kept_for_the_administrator(portal: Portal, key: str) -> None:
    before = portal.sql("SELECT COUNT(*) FROM licensing_refusal")[0][0]
    portal.checkout("A_PAST", user="refused")
    portal.checkout("A_MANY", "NO_SUCH", user="refused")
    kept = portal.sql('SELECT "user", code FROM licensing_refusal ORDER BY id DESC LIMIT 2')
    assert portal.sql("SELECT COUNT(*) FROM licensing_refusal")[0][0] == before + 2
    assert kept == [("refused", "module_unknown"), ("refused", "module_expired")]


def test_the_invariants_hold_after_all_this(portal: Portal) -> None:
    assert portal.run("check_invariants").status == 0
