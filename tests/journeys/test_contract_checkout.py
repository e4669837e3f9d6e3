"""Checkout judged by the contract of the lease API, from outside: what is given, why not, and once only."""

import json
import threading
import uuid
from datetime import timedelta
from typing import Any

import pytest

from tests.authority_process import module
from tests.journeys.portal import INSTANT, INSTANTS, Portal, at, checkout_body, day, refusal


def test_a_checkout_answers_as_promised(portal: Portal, key: str) -> None:
    answer = portal.checkout(
        "A_MANY",
        "A_FREE",
        optional=["A_PAST", "NO_SUCH"],
        program={"name": "ERP", "version": "1", "built_on": day(0)},
    )
    assert answer.status_code == 201
    lease = answer.json()
    assert answer.headers["location"] == f"/api/v1/leases/{lease['id']}"
    assert set(lease) == {
        "id", "state", "modules", "not_taken", "workstation", "user", "taken_at", "expires_at",
        "renew_after_seconds", "inactivity_seconds", "contact_deadline", "server_time", "grants",
        "activation",
    }  # fmt: skip
    assert uuid.UUID(lease["id"]).version == 4
    assert lease["state"] == "active"
    many, free = lease["modules"]
    assert set(many) == {"code", "key", "seat", "expires_on", "warranty_until"}
    assert (many["code"], many["key"]) == ("A_MANY", key)
    assert 1 <= many["seat"] <= 1000
    assert free["seat"] is None
    assert lease["not_taken"] == [
        {"code": "A_PAST", "reason": "module_expired"}, {"code": "NO_SUCH", "reason": "module_unknown"}
    ]  # fmt: skip
    assert (lease["renew_after_seconds"], lease["inactivity_seconds"]) == (600, 1800)
    assert at(lease["expires_at"]) - at(lease["taken_at"]) == timedelta(seconds=1800)
    assert all(INSTANT.fullmatch(lease[name]) for name in INSTANTS & set(lease))
    assert set(lease["grants"]) == {key}
    assert lease["activation"] is None


def test_grants_that_the_client_has_are_left_out(portal: Portal, key: str) -> None:
    told = portal.api("GET", f"/grants/{key}").json()
    assert set(told) == {"key", "serial", "grant"}
    assert told["key"] == key
    assert portal.lease("A_MANY", known_grants={key: told["serial"]})["grants"] == {}
    assert portal.lease("A_MANY", known_grants={key: told["serial"] - 1})["grants"] == {key: told["grant"]}
    assert portal.lease("A_MANY", known_grants={"5000099999": 1})["grants"] == {key: told["grant"]}


def test_the_last_good_day_ends_a_lease_and_is_a_good_day(portal: Portal, key: str) -> None:
    lease = portal.lease("A_LAST")
    midnight = at(day(1) + "T00:00:00Z")
    assert at(lease["expires_at"]) == min(at(lease["taken_at"]) + timedelta(seconds=1800), midnight)


def test_modules_are_taken_all_or_none(portal: Portal) -> None:
    number = portal.new_key(module("B_ONE", 1), module("B_TWO", 2))
    portal.lease("B_ONE")
    assert refusal(portal.checkout("B_TWO", "B_ONE")) == (409, "no_free_seat")
    assert portal.modules(number)["B_TWO"]["taken"] == 0
    given = portal.lease("B_TWO", optional=["B_ONE"])
    assert [held["code"] for held in given["modules"]] == ["B_TWO"]
    assert given["not_taken"] == [{"code": "B_ONE", "reason": "no_free_seat"}]


def test_a_full_module_names_its_holders_and_when_a_seat_comes_free(portal: Portal) -> None:
    portal.new_key(module("C_FULL", 2), module("C_EMPTY", 1))
    first = portal.lease("C_FULL", workstation="PC-1", user="anna")
    second = portal.lease("C_FULL", workstation="PC-2", user="bob")
    answer = portal.checkout("C_EMPTY", "C_FULL")
    assert refusal(answer) == (409, "no_free_seat")
    (full,) = answer.json()["modules"]
    assert (full["code"], full["seats"], full["taken"]) == ("C_FULL", 2, 2)
    assert full["next_free_at"] == first["expires_at"]
    assert [(one["workstation"], one["user"]) for one in full["holders"]] == [
        ("PC-1", "anna"),
        ("PC-2", "bob"),
    ]
    assert full["holders"][0]["taken_at"] == first["taken_at"]
    assert set(full["holders"][0]) == {"workstation", "user", "taken_at", "last_seen_at"}
    assert 1 <= int(answer.headers["retry-after"]) <= 1800
    seen = portal.heartbeat(second).json()["server_time"]
    again = portal.checkout("C_FULL").json()["modules"][0]
    assert {one["user"]: one["last_seen_at"] for one in again["holders"]}["bob"] == seen


def test_numbers_are_summed_over_the_keys_that_are_only_full(portal: Portal) -> None:
    one = portal.new_key(module("D_SUM", 1))
    two = portal.new_key(module("D_SUM", 2))
    portal.new_key(module("D_SUM", 5, expires_on=day(-1)))
    for _ in range(3):
        portal.lease("D_SUM")
    (full,) = portal.checkout("D_SUM").json()["modules"]
    assert (full["seats"], full["taken"]) == (3, 3)
    assert len(full["holders"]) == 3
    (full,) = portal.checkout("D_SUM", key=two).json()["modules"]
    assert (full["seats"], full["taken"]) == (2, 2)
    assert {len(portal.modules(number)) for number in (one, two)} == {1}


def test_a_module_that_was_never_bought_with_a_seat_has_no_next_free(portal: Portal) -> None:
    portal.new_key(module("E_ZERO", 0))
    answer = portal.checkout("E_ZERO")
    assert refusal(answer) == (409, "no_free_seat")
    (full,) = answer.json()["modules"]
    assert (full["seats"], full["taken"], full["next_free_at"], full["holders"]) == (0, 0, None, [])
    assert "retry-after" not in answer.headers


def test_among_several_keys_the_furthest_deadline_then_the_lowest_number(portal: Portal) -> None:
    low = portal.new_key(module("F_SAME", 3))
    high = portal.new_key(module("F_SAME", 3))
    portal.contact()  # now both deadlines are the same
    assert portal.lease("F_SAME")["modules"][0]["key"] == low
    assert portal.lease("F_SAME", key=high)["modules"][0]["key"] == high
    portal.vendor(f"/_control/keys/{low}/suspend", suspended=True)
    portal.contact()  # only the other's deadline moves on
    portal.vendor(f"/_control/keys/{low}/suspend", suspended=False)
    assert portal.lease("F_SAME")["modules"][0]["key"] == high
    assert portal.lease("F_SAME")["modules"][0]["key"] == high
    assert portal.lease("F_SAME")["modules"][0]["key"] == low  # the other is full


@pytest.mark.parametrize(
    ("modules", "members", "status", "code"),
    [
        (["NO_SUCH"], {}, 422, "module_unknown"),
        (["a_many"], {}, 422, "module_unknown"),
        (["A_MANY"], {"key": "5000099999"}, 422, "key_unknown"),
        (["A_PAST"], {}, 403, "module_expired"),
        (["A_OLD"], {}, 403, "warranty_expired"),
        (
            ["A_OLD"],
            {"program": {"name": "E", "version": "1", "built_on": day(-29)}},
            403,
            "warranty_expired",
        ),
        # where several hold: unknown, expired, warranty, seats
        (["A_OLD", "A_PAST"], {}, 403, "module_expired"),
        (["A_OLD", "A_PAST", "NO_SUCH"], {}, 422, "module_unknown"),
    ],
)
def test_a_checkout_is_refused_by_the_first_reason(
    portal: Portal, key: str, modules: list[str], members: dict[str, Any], status: int, code: str
) -> None:
    assert refusal(portal.checkout(*modules, **members)) == (status, code)


def test_refusals_tell_what_their_code_adds(portal: Portal, key: str) -> None:
    assert portal.checkout("NO_A", "A_MANY", "NO_B").json()["modules"] == ["NO_A", "NO_B"]
    assert portal.checkout("A_PAST").json()["expires_on"] == day(-1)
    assert portal.checkout("A_OLD").json()["warranty_until"] == day(-30)
    other = portal.new_key(module("G_ELSEWHERE", 1))
    answer = portal.checkout("A_MANY", key=other)
    assert (refusal(answer)[1], answer.json()["modules"]) == ("module_unknown", ["A_MANY"])


def test_a_program_built_within_the_warranty_may_be_used_for_ever(portal: Portal, key: str) -> None:
    program = {"name": "E", "version": "1", "built_on": day(-30)}
    assert portal.lease("A_OLD", program=program)["modules"][0]["warranty_until"] == day(-30)


def test_a_module_on_several_keys_is_refused_with_the_last_reason(portal: Portal) -> None:
    portal.new_key(module("H_BOTH", 5, expires_on=day(-1)))
    portal.new_key(module("H_BOTH", 5, warranty_until=day(-1)))
    assert refusal(portal.checkout("H_BOTH")) == (403, "warranty_expired")
    portal.new_key(module("H_BOTH", 1))
    portal.lease("H_BOTH")
    assert refusal(portal.checkout("H_BOTH")) == (409, "no_free_seat")


# Idempotency


def test_the_same_key_and_body_give_the_same_lease(portal: Portal) -> None:
    number = portal.new_key(module("I_SAME", 3))
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    first = portal.checkout("I_SAME", headers=headers)
    assert first.status_code == 201
    assert "idempotency-replayed" not in first.headers
    portal.heartbeat(first.json())
    # Equal after parsing: other order of members, other white space.
    body = json.dumps(dict(reversed(checkout_body("I_SAME").items())), indent=3).encode()
    again = portal.api("POST", "/leases", data=body, headers={**headers, "Content-Type": "application/json"})
    assert again.status_code == 201
    assert again.headers["idempotency-replayed"] == "true"
    assert again.headers["location"] == first.headers["location"]
    assert again.json()["id"] == first.json()["id"]
    assert again.json()["expires_at"] > first.json()["expires_at"]
    assert portal.modules(number)["I_SAME"]["taken"] == 1
    assert refusal(portal.checkout("I_SAME", user="bob", headers=headers)) == (422, "idempotency_key_reused")
    portal.give_back(first.json())
    ended = portal.checkout("I_SAME", headers=headers)
    assert (ended.status_code, ended.json()["state"]) == (201, "ended")
    assert portal.modules(number)["I_SAME"]["taken"] == 0


def test_an_idempotency_key_is_the_clients_own_and_only_a_success_is_remembered(
    portal: Portal, foreigner: str
) -> None:
    portal.new_key(module("I_OWN", 1))
    headers = {"Idempotency-Key": "!" * 64}
    mine = portal.lease("I_OWN")
    assert refusal(portal.checkout("I_OWN", headers=headers)) == (409, "no_free_seat")
    portal.give_back(mine)
    taken = portal.checkout("I_OWN", headers=headers)
    assert taken.status_code == 201
    assert "idempotency-replayed" not in taken.headers
    assert refusal(portal.checkout("I_OWN", headers=headers, token=foreigner)) == (409, "no_free_seat")


@pytest.mark.parametrize("value", ["", "x" * 65, "a\u00e9b"])
def test_an_idempotency_key_out_of_its_limits_is_refused(portal: Portal, key: str, value: str) -> None:
    answer = portal.checkout("A_MANY", headers={"Idempotency-Key": value.encode().decode("latin-1")})
    assert refusal(answer) == (422, "validation_failed")
    assert answer.json()["errors"][0]["field"].lower() == "idempotency-key"


def test_the_same_idempotency_key_at_once_takes_one_seat(portal: Portal) -> None:
    number = portal.new_key(module("I_RACE", 50))
    headers = {"Idempotency-Key": "race"}
    answers: list[Any] = []
    threads = [
        threading.Thread(target=lambda: answers.append(portal.checkout("I_RACE", headers=headers)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert sum("idempotency-replayed" in answer.headers for answer in answers) == 7
    assert portal.modules(number)["I_RACE"]["taken"] == 1
