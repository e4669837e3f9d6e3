"""`/api/v1/leases…` to the letter of the contract."""

import json
import uuid
from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from licensing.api.exchange import problem
from licensing.models import Lease, Refusal
from licensing.operations.actors import COMMAND
from licensing.operations.errors import Refused, Shared
from licensing.operations.leases import release
from tests.factories import KEY, NOW, OTHER_KEY, Portal, module

from .calling import Api, checkout_body

LEASE_MEMBERS = [
    "id", "state", "modules", "not_taken", "workstation", "user", "taken_at", "expires_at",
    "renew_after_seconds", "inactivity_seconds", "contact_deadline", "server_time", "grants", "activation",
]  # fmt: skip


def test_checkout_answers_as_the_contract_shows(api: Api) -> None:
    reply = api.checkout("HANDEL", "KASA", optional=["FAKTURY", "NIEMA"])
    assert reply.status == 201
    lease = reply.json
    assert list(lease) == LEASE_MEMBERS
    assert reply.headers["location"] == f"/api/v1/leases/{lease['id']}"
    assert uuid.UUID(lease["id"]).version == 4
    assert lease["state"] == "active"
    assert lease["modules"] == [
        {"code": "HANDEL", "key": KEY, "seat": 1, "expires_on": None, "warranty_until": "2027-03-31"},
        {"code": "KASA", "key": KEY, "seat": None, "expires_on": None, "warranty_until": None},
        {"code": "FAKTURY", "key": KEY, "seat": 1, "expires_on": None, "warranty_until": None},
    ]
    assert lease["not_taken"] == [{"code": "NIEMA", "reason": "module_unknown"}]
    assert lease["taken_at"] == lease["server_time"] == "2026-11-24T08:00:00.000000Z"
    assert lease["expires_at"] == "2026-11-24T08:30:00.000000Z"
    assert lease["contact_deadline"] == "2026-11-27T08:00:00.000000Z"
    assert (lease["renew_after_seconds"], lease["inactivity_seconds"]) == (600, 1800)
    assert list(lease["grants"]) == [KEY]
    assert lease["activation"] is None


def test_known_grants_are_left_out(api: Api, keys: Portal) -> None:
    serial = keys.serials[KEY]
    assert api.checkout("KASA", known_grants={KEY: serial}).json["grants"] == {}
    assert list(api.checkout("KASA", known_grants={KEY: serial - 1}).json["grants"]) == [KEY]


def test_checkout_takes_all_modules_or_none(api: Api) -> None:
    assert api.checkout("FAKTURY").status == 201
    refused = api.checkout("KASA", "HANDEL", "FAKTURY")
    assert refused.status == 409
    assert refused.code == "no_free_seat"
    (full,) = refused.json["modules"]
    assert (full["code"], full["seats"], full["taken"]) == ("FAKTURY", 1, 1)
    assert full["next_free_at"] == "2026-11-24T08:30:00.000000Z"
    assert full["holders"] == [
        {
            "workstation": "PC-017",
            "user": "anna.nowak",
            "taken_at": "2026-11-24T08:00:00.000000Z",
            "last_seen_at": "2026-11-24T08:00:00.000000Z",
        }
    ]
    assert refused.headers["retry-after"] == "1800"
    taken = {
        row["code"]: row["taken"] for row in api.call("GET", "/modules").json["modules"] if row["key"] == KEY
    }
    assert (taken["KASA"], taken["HANDEL"]) == (0, 0)


def test_what_refusals_share_is_rendered_once() -> None:
    holder = Shared(workstation="PC-017", taken_at=datetime(2026, 11, 24, 8, tzinfo=UTC))
    full = Shared(code="HANDEL", next_free_at=None, holders=[holder])
    first = problem(Refused("no_free_seat", modules=[full]), "pl")
    full["code"] = holder["workstation"] = "not looked at again"
    second = problem(Refused("no_free_seat", modules=[full]), "en")
    told = [json.loads(answer.body)["modules"] for answer in (first, second)]
    holders = [{"workstation": "PC-017", "taken_at": "2026-11-24T08:00:00.000000Z"}]
    assert told == [[{"code": "HANDEL", "next_free_at": None, "holders": holders}]] * 2


def test_without_a_key_a_full_key_gives_way_to_the_next(api: Api) -> None:
    given = [api.checkout("HANDEL").json["modules"][0] for _ in range(3)]
    assert [module["key"] for module in given] == [KEY, KEY, OTHER_KEY]
    assert api.checkout("HANDEL").json["modules"][0]["seats"] == 3, "summed over the keys that are full"
    assert api.checkout("HANDEL", key=OTHER_KEY).status == 409


@pytest.mark.parametrize(
    ("changes", "status", "code", "added"),
    [
        ({"modules": ["NIEMA", "KASA"]}, 422, "module_unknown", {"modules": ["NIEMA"]}),
        ({"modules": ["KASA"], "key": OTHER_KEY}, 422, "module_unknown", {"modules": ["KASA"]}),
        ({"key": "5000099999"}, 422, "key_unknown", {}),
        ({"modules": ["STARY"]}, 403, "module_expired", {"expires_on": "2026-11-23"}),
        ({"modules": ["BEZ_GW"]}, 403, "warranty_expired", {"warranty_until": "2026-08-31"}),
        ({"modules": ["STARY", "NIEMA"]}, 422, "module_unknown", {"modules": ["NIEMA"]}),
        ({"modules": ["BEZ_GW", "STARY"]}, 403, "module_expired", {}),
    ],
)
def test_a_refusal_has_its_status_code_and_additions_and_is_recorded(
    api: Api, changes: dict[str, object], status: int, code: str, added: dict[str, object]
) -> None:
    refused = api.call("POST", "/leases", checkout_body() | changes)
    assert (refused.status, refused.code) == (status, code)
    assert added.items() <= refused.json.items()
    assert Refusal.objects.get().code == code


def test_a_build_within_the_warranty_may_take_the_module(api: Api) -> None:
    program = {"name": "ERP", "version": "1", "built_on": "2026-08-31"}
    assert api.checkout("BEZ_GW", program=program).status == 201
    program.pop("built_on")
    assert api.checkout("BEZ_GW", program=program).code == "warranty_expired"


def test_contact_lost_is_told_after_72_hours(api: Api, clock: time_machine.Traveller) -> None:
    clock.move_to(NOW + timedelta(hours=72))
    refused = api.checkout("KASA")
    assert (refused.status, refused.code) == (403, "contact_lost")
    assert refused.json["contact_deadline"] == "2026-11-27T08:00:00.000000Z"


class TestIdempotency:
    def test_the_same_key_and_body_give_the_same_lease(self, api: Api) -> None:
        first = api.checkout("FAKTURY", Idempotency_Key="log-in 1")
        again = api.checkout("FAKTURY", Idempotency_Key="log-in 1")
        assert again.status == 201
        assert again.json["id"] == first.json["id"]
        assert again.headers["idempotency-replayed"] == "true"
        assert again.headers["location"] == first.headers["location"]
        assert "idempotency-replayed" not in first.headers
        assert Lease.objects.count() == 1

    def test_a_lease_that_has_ended_says_so_when_it_is_asked_for_again(
        self, api: Api, clock: time_machine.Traveller
    ) -> None:
        lease = api.checkout("FAKTURY", Idempotency_Key="k").json
        clock.shift(timedelta(minutes=1))
        alive = api.checkout("FAKTURY", Idempotency_Key="k").json
        assert list(alive) == LEASE_MEMBERS
        api.call("DELETE", f"/leases/{lease['id']}")
        ended = api.checkout("FAKTURY", Idempotency_Key="k")
        assert (ended.status, ended.headers["idempotency-replayed"]) == (201, "true")
        assert list(ended.json) == [*LEASE_MEMBERS, "ended_at", "ended_reason"]
        assert (ended.json["id"], ended.json["state"]) == (lease["id"], "ended")
        assert ended.json["ended_at"] == "2026-11-24T08:01:00.000000Z"
        assert ended.json["ended_reason"] == "returned"

    def test_a_lease_that_time_has_ended_says_so_too(self, api: Api, clock: time_machine.Traveller) -> None:
        api.checkout("FAKTURY", Idempotency_Key="k")
        clock.shift(timedelta(minutes=30))
        ended = api.checkout("FAKTURY", Idempotency_Key="k").json
        assert (ended["state"], ended["ended_reason"]) == ("ended", "expired")
        assert ended["ended_at"] == "2026-11-24T08:30:00.000000Z"

    def test_bodies_are_compared_after_parsing(self, api: Api) -> None:
        first = api.call("POST", "/leases", checkout_body(), Idempotency_Key="k")
        members = dict(reversed(checkout_body(user=" anna.nowak ").items()))
        again = api.call("POST", "/leases", members, Idempotency_Key="k")
        assert again.json["id"] == first.json["id"]

    def test_another_body_is_refused(self, api: Api) -> None:
        api.checkout("KASA", Idempotency_Key="k")
        refused = api.checkout("HANDEL", Idempotency_Key="k")
        assert (refused.status, refused.code) == (422, "idempotency_key_reused")

    def test_keys_of_clients_do_not_meet(self, api: Api, foreign: Api) -> None:
        mine = api.checkout("KASA", Idempotency_Key="k")
        theirs = foreign.checkout("KASA", Idempotency_Key="k")
        assert mine.json["id"] != theirs.json["id"]

    def test_a_refusal_is_not_remembered(self, api: Api) -> None:
        holder = api.checkout("FAKTURY").json["id"]
        assert api.checkout("FAKTURY", Idempotency_Key="k").status == 409
        api.call("DELETE", f"/leases/{holder}")
        assert api.checkout("FAKTURY", Idempotency_Key="k").status == 201

    @pytest.mark.parametrize("key", ["x" * 65, "ą", "a\tb"])
    def test_a_key_that_is_no_printable_ascii_of_64_is_refused(self, api: Api, key: str) -> None:
        refused = api.checkout("KASA", Idempotency_Key=key)
        assert (refused.status, refused.code) == (422, "validation_failed")
        assert refused.json["errors"][0]["field"] == "Idempotency-Key"


class TestHeartbeat:
    def test_it_moves_the_end_and_tells_what_the_contract_lists(
        self, api: Api, clock: time_machine.Traveller
    ) -> None:
        lease = api.checkout("HANDEL").json
        clock.shift(timedelta(minutes=10))
        reply = api.call("POST", f"/leases/{lease['id']}/heartbeat", b"whatever", Content_Type="text/plain")
        assert reply.status == 200
        assert reply.json == {
            "id": lease["id"],
            "state": "active",
            "expires_at": "2026-11-24T08:40:00.000000Z",
            "renew_after_seconds": 600,
            "contact_deadline": "2026-11-27T08:00:00.000000Z",
            "server_time": "2026-11-24T08:10:00.000000Z",
            "withdrawn": [],
        }

    def test_a_module_taken_away_is_named_in_withdrawn(self, api: Api, keys: Portal) -> None:
        lease = api.checkout("FAKTURY", "KASA").json
        keys.accept(KEY, [module("HANDEL", 2), module("KASA", None)])
        reply = api.call("POST", f"/leases/{lease['id']}/heartbeat")
        assert reply.json["withdrawn"] == ["FAKTURY"]

    def test_a_lease_that_ended_is_gone_with_its_reason(
        self, api: Api, clock: time_machine.Traveller
    ) -> None:
        lease = api.checkout("HANDEL").json
        clock.shift(timedelta(seconds=1800))
        refused = api.call("POST", f"/leases/{lease['id']}/heartbeat")
        assert (refused.status, refused.code) == (410, "lease_ended")
        assert refused.json["ended_reason"] == "expired"
        assert refused.json["ended_at"] == "2026-11-24T08:30:00.000000Z"

    def test_a_lease_released_by_an_administrator_says_so(self, api: Api) -> None:
        lease = api.checkout("HANDEL").json
        release([uuid.UUID(lease["id"])], NOW, COMMAND)
        refused = api.call("POST", f"/leases/{lease['id']}/heartbeat")
        assert (refused.status, refused.json["ended_reason"]) == (410, "released_by_admin")


class TestReturn:
    def test_it_answers_204_however_often(self, api: Api) -> None:
        lease = api.checkout("FAKTURY").json
        for _ in range(3):
            reply = api.call("DELETE", f"/leases/{lease['id']}")
            assert (reply.status, reply.body) == (204, b"")
        assert api.checkout("FAKTURY").status == 201

    def test_it_answers_204_when_the_lease_ended_in_another_way(
        self, api: Api, clock: time_machine.Traveller
    ) -> None:
        lease = api.checkout("FAKTURY").json
        clock.shift(timedelta(hours=1))
        assert api.call("DELETE", f"/leases/{lease['id']}").status == 204
        assert api.call("GET", f"/leases/{lease['id']}").json["ended_reason"] == "expired"


class TestLook:
    def test_it_shows_the_lease_without_grants(self, api: Api) -> None:
        lease = api.checkout("HANDEL").json
        reply = api.call("GET", f"/leases/{lease['id']}")
        assert reply.status == 200
        assert reply.json == {name: value for name, value in lease.items() if name != "grants"}

    def test_an_ended_lease_says_when_and_why(self, api: Api) -> None:
        lease = api.checkout("HANDEL").json
        api.call("DELETE", f"/leases/{lease['id']}")
        reply = api.call("GET", f"/leases/{lease['id']}").json
        assert (reply["state"], reply["ended_reason"]) == ("ended", "returned")
        assert reply["ended_at"] == "2026-11-24T08:00:00.000000Z"


@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("DELETE", ""), ("POST", "/heartbeat")])
def test_another_clients_lease_is_as_unknown_as_any(api: Api, foreign: Api, method: str, path: str) -> None:
    lease = api.checkout("HANDEL").json["id"]
    for unknown in (lease, str(uuid.uuid4()), "nonsense", lease.upper()):
        reply = foreign.call(method, f"/leases/{unknown}{path}")
        assert (reply.status, reply.code) == (404, "lease_not_found")
        assert {name: reply.json[name] for name in ("title", "detail", "type")} == {
            name: foreign.call("GET", f"/leases/{uuid.uuid4()}").json[name]
            for name in ("title", "detail", "type")
        }
    assert api.call("GET", f"/leases/{lease}").json["state"] == "active"
