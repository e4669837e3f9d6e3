"""Who may call, in which order a call is judged, and in which language it is refused."""

import pytest

from licensing.api.auth import failed_tokens
from licensing.models import ErpClient
from licensing.operations.actors import COMMAND
from licensing.operations.clients import change_erp_client, disable_erp_client
from tests.factories import NOW

from .calling import Api

CALLS = [
    ("POST", "/leases"),
    ("GET", "/leases/0b6f7a1e-0000-4000-8000-000000000000"),
    ("DELETE", "/leases/0b6f7a1e-0000-4000-8000-000000000000"),
    ("POST", "/leases/0b6f7a1e-0000-4000-8000-000000000000/heartbeat"),
    ("GET", "/modules"),
    ("GET", "/grants/5000006622"),
    ("GET", "/status"),
    ("GET", "/no-such-thing"),
    ("PUT", "/leases"),
    ("GET", "/api"),
    ("GET", "/api/v2/leases"),
]


@pytest.mark.parametrize(("method", "path"), CALLS)
def test_everything_asks_for_the_token_first(api: Api, method: str, path: str) -> None:
    nobody = Api(api.way)
    missing = nobody.call(method, path, b"not json", Content_Type="text/plain")
    assert (missing.status, missing.code) == (401, "token_missing")
    assert missing.headers["www-authenticate"] == "Bearer"
    stranger = Api(api.way, "km_" + "x" * 43).call(method, path)
    assert (stranger.status, stranger.code) == (401, "token_invalid")
    assert stranger.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("authorization", ["Basic YTpi", "Bearer", "Bearer ", "km_" + "x" * 43])
def test_another_scheme_is_no_token(api: Api, authorization: str) -> None:
    assert Api(api.way).call("GET", "/modules", Authorization=authorization).code == "token_missing"


def test_a_disabled_client_may_not_call(api: Api) -> None:
    assert api.call("GET", "/modules").status == 200
    disable_erp_client(NOW, COMMAND, ErpClient.objects.get().pk)
    refused = api.call("GET", "/modules")
    assert (refused.status, refused.code) == (403, "client_not_allowed")


def test_a_client_may_call_from_its_networks_alone(api: Api) -> None:
    change_erp_client(NOW, COMMAND, ErpClient.objects.get().pk, "Optima", ["192.168.7.0/24", "fd00::/8"])
    api.address = "10.1.1.1"
    assert api.checkout("KASA").code == "client_not_allowed"
    api.address = "192.168.7.20"
    assert api.checkout("KASA").status == 201


def test_wrong_tokens_are_slowed_by_address_and_right_ones_are_not(api: Api) -> None:
    stranger = Api(api.way, "km_" + "y" * 43, address="10.9.9.9")
    replies = [stranger.call("GET", "/modules") for _ in range(61)]
    assert {reply.status for reply in replies[:60]} == {401}
    assert (replies[60].status, replies[60].code) == (429, "too_many_requests")
    assert 1 <= int(replies[60].headers["retry-after"]) <= 61
    api.address = "10.9.9.9"
    assert api.call("GET", "/modules").status == 200
    failed_tokens.__init__()  # type: ignore[misc]


def test_an_unknown_path_is_not_found(api: Api) -> None:
    for path in ("/nothing", "/leases/", "/leases/x/y", "/api", "/api/v2", "/modules/"):
        refused = api.call("GET", path)
        assert (refused.status, refused.code) == (404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", "/leases", "POST"),
        ("PUT", "/leases/0b6f7a1e-0000-4000-8000-000000000000", "GET, DELETE"),
        ("GET", "/leases/0b6f7a1e-0000-4000-8000-000000000000/heartbeat", "POST"),
        ("POST", "/modules", "GET"),
        ("DELETE", "/status", "GET"),
    ],
)
def test_a_wrong_method_names_the_right_ones(api: Api, method: str, path: str, allow: str) -> None:
    refused = api.call(method, path, b"not json", Content_Type="text/plain")
    assert (refused.status, refused.code) == (405, "method_not_allowed")
    assert refused.headers["allow"] == allow


def test_a_host_that_is_not_allowed_is_a_bad_request(api: Api) -> None:
    for path in ("/leases", "/modules"):
        refused = api.call("POST", path, Host="evil.example")
        assert (refused.status, refused.code) == (400, "bad_request")


@pytest.mark.parametrize(
    ("accept", "language"),
    [
        ("", "pl"),
        ("en", "en"),
        ("en-GB, pl;q=0.5", "en"),
        ("de, en;q=0.2, pl;q=0.9", "pl"),
        ("fr", "pl"),
        ("*", "pl"),
    ],
)
def test_refusals_speak_polish_unless_english_is_preferred(api: Api, accept: str, language: str) -> None:
    refused = Api(api.way).call("GET", "/modules", Accept_Language=accept)
    assert refused.headers["content-language"] == language
