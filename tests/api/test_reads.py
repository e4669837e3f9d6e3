"""`/modules`, `/grants`, `/status`, the description of the API, and the pages of refusals."""

import json
from typing import Any

import pytest

from licensing.api.problems import PROBLEMS
from licensing.models import PendingRelease
from tests.factories import KEY, NOW, OTHER_KEY, Portal

from .calling import Api


def test_modules_lists_a_row_per_module_and_key_in_order(api: Api) -> None:
    api.checkout("FAKTURY")
    reply = api.call("GET", "/modules")
    assert reply.status == 200
    rows = reply.json["modules"]
    assert [(row["code"], row["key"]) for row in rows] == [
        ("BEZ_GW", KEY),
        ("FAKTURY", KEY),
        ("HANDEL", KEY),
        ("HANDEL", OTHER_KEY),
        ("KASA", KEY),
        ("STARY", KEY),
    ]
    assert rows[1] == {
        "code": "FAKTURY",
        "name": {"pl": "FAKTURY pl", "en": "FAKTURY en"},
        "key": KEY,
        "seats": 1,
        "taken": 1,
        "free": 0,
        "available": False,
        "reason": "no_free_seat",
        "expires_on": None,
        "warranty_until": None,
        "contact_deadline": "2026-11-27T08:00:00.000000Z",
    }
    assert rows[4]["seats"] is None
    assert rows[4]["free"] is None
    assert (rows[5]["available"], rows[5]["reason"]) == (False, "module_expired")
    assert reply.json["server_time"] == "2026-11-24T08:00:00.000000Z"


def test_modules_judges_the_warranty_only_when_asked(api: Api) -> None:
    def reason(path: str) -> object:
        return api.call("GET", path).json["modules"][0]["reason"]

    assert reason("/modules") is None
    assert reason("/modules?built_on=2026-08-31") is None
    assert reason("/modules?built_on=2026-09-01") == "warranty_expired"


@pytest.mark.parametrize("built_on", ["", "yesterday", "2026-13-01", "20260901", "2026-W36-2"])
def test_modules_refuses_what_is_no_date(api: Api, built_on: str) -> None:
    refused = api.call("GET", f"/modules?built_on={built_on}")
    assert (refused.status, refused.code) == (422, "validation_failed")


def test_grants_hands_out_the_vendors_words(api: Api, keys: Portal) -> None:
    reply = api.call("GET", f"/grants/{KEY}")
    assert list(reply.json) == ["key", "serial", "grant"]
    assert (reply.json["key"], reply.json["serial"]) == (KEY, keys.serials[KEY])
    assert reply.json["grant"] == api.checkout("KASA").json["grants"][KEY]
    assert api.call("GET", "/grants/5000099999").code == "not_found"


def test_status_has_the_contracts_members(api: Api) -> None:
    PendingRelease.objects.create(number="5000006699", removed_at=NOW)
    reply = api.call("GET", "/status").json
    assert list(reply) == ["light", "reasons", "keys", "release_pending", "server_time"]
    assert [key["number"] for key in reply["keys"]] == [KEY, OTHER_KEY]
    assert list(reply["keys"][0]) == [
        "number", "state", "refusal", "last_contact_at", "contact_deadline", "light", "reasons",
    ]  # fmt: skip
    assert reply["keys"][0]["state"] == "active"
    assert reply["keys"][0]["refusal"] is None
    assert reply["release_pending"] == ["5000006699"]


def test_the_description_needs_no_token_and_names_every_call(api: Api) -> None:
    reply = Api(api.way).call("GET", "/openapi.json")
    assert reply.status == 200
    document = json.loads(reply.body)
    assert document["openapi"] == "3.1.0"
    assert sorted(document["paths"]) == [
        "/grants/{key}", "/leases", "/leases/{id}", "/leases/{id}/heartbeat", "/modules", "/status",
    ]  # fmt: skip


def test_the_page_of_the_api_fetches_nothing_from_outside(api: Api) -> None:
    reply = Api(api.way).call("GET", "/api/v1/docs")
    assert reply.status == 200
    page = reply.body.decode()
    assert "/api/v1/leases/{id}/heartbeat" in page
    assert "http://" not in page
    assert "https://" not in page
    assert "default-src 'none'" in reply.headers["content-security-policy"]


@pytest.mark.parametrize("path", ["/api/v1/docs", "/problems", "/problems/no_free_seat"])
def test_the_pages_for_people_follow_the_portals_switch_before_the_browser(api: Api, path: str) -> None:
    nobody = Api(api.way)
    english = {"Cookie": "a=b; django_language=en", "Accept_Language": "pl"}
    assert nobody.call("GET", path, **english).headers["content-language"] == "en"
    assert nobody.call("GET", path, Accept_Language="pl").headers["content-language"] == "pl"
    unknown = {"Cookie": "django_language=xx", "Accept_Language": "en"}
    assert nobody.call("GET", path, **unknown).headers["content-language"] == "en"
    switched = nobody.call("GET", f"{path}?language=pl", **english)
    assert switched.headers["content-language"] == "pl"
    assert switched.headers["set-cookie"] == "django_language=pl; Path=/; SameSite=Lax"


def test_a_program_is_answered_in_the_language_that_it_accepts_whatever_cookie_comes(api: Api) -> None:
    reply = Api(api.way).call("GET", "/problems/nonsense", Cookie="django_language=en", Accept_Language="pl")
    assert reply.headers["content-language"] == "pl"


@pytest.mark.parametrize("code", sorted(PROBLEMS))
def test_every_code_has_a_page_that_explains_it(api: Api, code: str) -> None:
    reply = Api(api.way).call("GET", f"/problems/{code}", Accept_Language="en")
    assert reply.status == 200
    assert str(PROBLEMS[code].status) in reply.body.decode()


def test_an_unknown_problem_is_not_found(api: Api) -> None:
    assert Api(api.way).call("GET", "/problems/nonsense").code == "not_found"


def test_livez_and_readyz_need_no_token(api: Api) -> None:
    nobody = Api(api.way)
    assert nobody.call("GET", "/livez").json == {"status": "ok", "warnings": []}
    ready = nobody.call("GET", "/readyz")
    assert (ready.status, ready.json["status"]) == (200, "ok")
    assert "worker_silent" in ready.json["warnings"]


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
def test_livez_and_readyz_are_only_read(api: Api, path: str) -> None:
    assert Api(api.way).call("HEAD", path).status == 200
    refused = Api(api.way).call("POST", path, {})
    assert (refused.code, refused.headers["allow"]) == ("method_not_allowed", "GET, HEAD")


def test_readyz_fails_without_the_key_file_though_it_was_read_before(api: Api, settings: Any) -> None:
    nobody, key_file = Api(api.way), settings.KEYMANAGER.key_file
    assert nobody.call("GET", "/readyz").status == 200
    kept = key_file.rename(key_file.with_name("away.key"))
    try:
        ready = nobody.call("GET", "/readyz")
        living = nobody.call("GET", "/livez")
    finally:
        kept.rename(key_file)
    assert (ready.status, ready.json["failing"]) == (503, ["key_file"])
    assert living.status == 200
