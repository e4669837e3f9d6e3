"""The OpenAPI document is true: each call is refused by the codes that it names, and by no others."""

import uuid
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import OperationalError

from licensing.api import router
from licensing.api.auth import failed_tokens
from licensing.api.openapi import openapi
from licensing.api.openapi_refusals import ADDED
from licensing.api.parsing import LONGEST_NAME
from licensing.api.problems import PROBLEMS
from licensing.models import ErpClient
from licensing.operations.actors import COMMAND
from licensing.operations.clients import add_erp_client, disable_erp_client
from tests.factories import KEY, NOW, Portal

from . import described
from .calling import Api, DjangoWay, Reply, checkout_body

UNKNOWN = str(uuid.uuid4())
OPERATIONS = {
    operation["operationId"]: (method.upper(), path.format(id=UNKNOWN, key=KEY), operation)
    for path, methods in openapi()["paths"].items()
    for method, operation in methods.items()
}


@pytest.fixture
def api(db: None, clock: time_machine.Traveller, keys: Portal) -> Api:
    """By one way in: what the front answers is held against the document wherever it is called."""
    return Api(DjangoWay(), add_erp_client(NOW, COMMAND, "Optima")[1])


def refused_anyhow(api: Api, method: str, path: str, monkeypatch: pytest.MonkeyPatch) -> Iterable[Reply]:
    """The refusals of whatever is called."""
    yield api.call(method, path, Host="evil.example")
    yield api.call("PATCH", path)
    yield Api(api.way).call(method, path)
    yield Api(api.way, "km_" + "x" * 43).call(method, path)
    token = add_erp_client(NOW, COMMAND, "Disabled")[1]
    disable_erp_client(NOW, COMMAND, ErpClient.objects.get(name="Disabled").pk)
    yield Api(api.way, token).call(method, path)
    with monkeypatch.context() as patch:
        patch.setattr(failed_tokens, "count", lambda *_: 5.0)
        yield Api(api.way, "km_" + "x" * 43).call(method, path)
    for error in (ZeroDivisionError, OperationalError):
        with monkeypatch.context() as patch:
            patch.setattr(router, "find", broken(error))
            yield api.call(method, path)


def broken(error: type[Exception]) -> Callable[..., Any]:
    def fail(*_: object) -> None:
        raise error

    return fail


def refused_checkouts(api: Api, clock: time_machine.Traveller) -> Iterable[Reply]:
    """The refusals of a checkout, each once."""
    yield api.call("POST", "/leases", b"[", Content_Type="application/json")
    yield api.call("POST", "/leases", b"{}", Content_Type="text/plain")
    yield api.call("POST", "/leases", b" " * 20_000, Content_Type="application/json")
    yield api.checkout("KASA", user="")
    yield api.checkout("NIEMA")
    yield api.checkout("KASA", key="5000099999")
    yield api.checkout("STARY")
    yield api.checkout("BEZ_GW")
    assert api.checkout("FAKTURY", Idempotency_Key="k").status == 201
    yield api.checkout("FAKTURY")
    yield api.checkout("KASA", Idempotency_Key="k")
    clock.shift(timedelta(hours=72))
    yield api.checkout("KASA")


def refused_for_itself(api: Api, name: str, clock: time_machine.Traveller) -> Iterable[Reply]:
    """The refusals that are a call's own."""
    method, path, _ = OPERATIONS[name]
    if name == "checkout":
        yield from refused_checkouts(api, clock)
    elif name == "modules":
        yield api.call(method, "/modules?built_on=yesterday")
    elif name == "grant":
        yield api.call(method, "/grants/5000099999")
    elif name != "status":
        yield api.call(method, path)
    if name == "heartbeat":
        ended = api.checkout("KASA").json["id"]
        api.call("DELETE", f"/leases/{ended}")
        yield api.call(method, path.replace(UNKNOWN, ended))


@pytest.mark.parametrize("name", OPERATIONS)
def test_call_is_described_with_the_codes_that_it_gives_and_no_others(
    api: Api, clock: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    method, path, operation = OPERATIONS[name]
    replies = [*refused_anyhow(api, method, path, monkeypatch), *refused_for_itself(api, name, clock)]
    given = [reply.code for reply in replies]
    assert sorted(given) == sorted(described.codes(operation))


def test_every_code_is_described_with_what_it_adds() -> None:
    told = {code for _, _, operation in OPERATIONS.values() for code in described.codes(operation)}
    assert told == PROBLEMS.keys()
    members = openapi()["components"]["schemas"]["Problem"]["properties"].keys() - described.COMMON
    assert members == {name for names in ADDED.values() for name in names}


def test_the_limits_of_a_checkout_are_described_as_they_are() -> None:
    members = openapi()["components"]["schemas"]["CheckoutBody"]["properties"]
    assert all(members[name]["uniqueItems"] for name in ("modules", "optional"))
    for name in ("workstation", "user"):
        assert "maxLength" not in members[name]
        assert f"1..{LONGEST_NAME} code points" in members[name]["description"]
    (key,) = OPERATIONS["checkout"][2]["parameters"]
    assert key["schema"] == {"type": "string", "minLength": 1, "maxLength": 64, "pattern": "^[ -~]+$"}


def test_a_body_as_the_contract_shows_it_is_as_described() -> None:
    schemas = openapi()["components"]["schemas"]
    assert checkout_body().keys() <= schemas["CheckoutBody"]["properties"].keys()
    assert {"ended_at", "ended_reason"} <= schemas["LeaseAnswer"]["properties"].keys()
    assert not {"ended_at", "ended_reason"} & {*schemas["LeaseAnswer"]["required"]}
