"""Seats judged by the contract, from outside: taken away, given back, numbered, and fought for."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.authority_process import module
from tests.journeys.fight import Fight
from tests.journeys.portal import Portal, at, refusal, token_of


def seats(leases: list[dict[str, Any]], code: str) -> list[int]:
    return [held["seat"] for lease in leases for held in lease["modules"] if held["code"] == code]


def test_seats_above_the_new_number_end_where_their_leases_would_have(portal: Portal) -> None:
    number = portal.new_key(module("S_LESS", 4), module("S_KEPT", 9))
    both = [portal.lease("S_LESS", "S_KEPT") for _ in range(3)]
    alone = portal.lease("S_LESS")
    assert seats([*both, alone], "S_LESS") == [1, 2, 3, 4]
    portal.sell(number, module("S_LESS", 2), module("S_KEPT", 9))
    assert portal.contact()[number] == "granted"

    # Seats 3 and 4 end with what `expires_at` was; the others go on.
    row = portal.modules(number)["S_LESS"]
    assert (row["seats"], row["taken"], row["free"], row["available"]) == (2, 4, 0, False)
    kept, last = portal.heartbeat(both[1]).json(), portal.heartbeat(alone).json()
    assert kept["withdrawn"] == []
    assert kept["expires_at"] > both[1]["expires_at"]
    assert (last["withdrawn"], last["expires_at"]) == (["S_LESS"], alone["expires_at"])
    mixed = portal.heartbeat(both[2]).json()
    assert mixed["withdrawn"] == ["S_LESS"]
    assert mixed["expires_at"] > both[2]["expires_at"]
    assert portal.heartbeat(both[2]).json()["withdrawn"] == ["S_LESS"]

    # While as many are held as there now are, none is given, also no free low number.
    portal.give_back(both[0])
    answer = portal.checkout("S_LESS")
    assert refusal(answer) == (409, "no_free_seat")
    (full,) = answer.json()["modules"]
    assert (full["seats"], full["taken"]) == (2, 3)
    # It falls below two when both withdrawn seats have ended.
    assert full["next_free_at"] == max(both[2]["expires_at"], alone["expires_at"])

    # The seats grow again before: nothing happened.
    portal.sell(number, module("S_LESS", 4), module("S_KEPT", 9))
    portal.contact()
    again = portal.heartbeat(alone).json()
    assert again["withdrawn"] == []
    assert again["expires_at"] > alone["expires_at"]
    assert seats([portal.lease("S_LESS")], "S_LESS") == [1]
    assert portal.run("check_invariants").status == 0


def test_a_module_that_is_gone_ends_all_its_seats_so(portal: Portal) -> None:
    number = portal.new_key(module("S_GONE", 4), module("S_STAYS", 4))
    lease, alone = portal.lease("S_GONE", "S_STAYS"), portal.lease("S_GONE")
    portal.sell(number, module("S_STAYS", 4))
    portal.contact()
    assert portal.heartbeat(lease).json()["withdrawn"] == ["S_GONE"]
    told = portal.heartbeat(alone).json()
    assert (told["withdrawn"], told["expires_at"]) == (["S_GONE"], alone["expires_at"])
    assert refusal(portal.checkout("S_GONE")) == (422, "module_unknown")
    assert "S_GONE" not in portal.modules(number)
    assert portal.run("check_invariants").status == 0


def test_an_uncounted_module_that_becomes_counted_numbers_its_seats_by_age(portal: Portal) -> None:
    number = portal.new_key(module("S_COUNTED", None))
    leases = [portal.lease("S_COUNTED") for _ in range(4)]
    portal.give_back(leases[0])
    portal.sell(number, module("S_COUNTED", 2))
    portal.contact()
    told = [portal.heartbeat(lease).json()["withdrawn"] for lease in leases[1:]]
    assert told == [[], [], ["S_COUNTED"]]
    assert seats([portal.look(lease) for lease in leases[1:]], "S_COUNTED") == [1, 2, 3]
    assert refusal(portal.checkout("S_COUNTED")) == (409, "no_free_seat")
    portal.sell(number, module("S_COUNTED", None))
    portal.contact()
    assert portal.lease("S_COUNTED")["modules"][0]["seat"] is None
    assert portal.heartbeat(leases[3]).json()["withdrawn"] == []


def test_a_key_that_is_removed_ends_its_leases_at_once(portal: Portal) -> None:
    number = portal.new_key(module("S_REMOVED", 4), module("S_OTHER", 1))
    lease = portal.lease("S_REMOVED")
    assert portal.run("remove_key", number).out[-1] == f"{number} released"
    answer = portal.heartbeat(lease)
    assert refusal(answer) == (410, "lease_ended")
    assert answer.json()["ended_reason"] == "key_removed"
    assert refusal(portal.checkout("S_REMOVED")) == (422, "module_unknown")
    assert portal.vendor_state(number)["bound_to"] is None


def test_many_clients_fighting_for_five_seats_never_get_a_sixth(portal: Portal) -> None:
    _fight(portal, seconds=3, clients=16)


@pytest.mark.full
def test_sixty_four_clients_fight_for_half_a_minute(portal: Portal) -> None:
    _fight(portal, seconds=30, clients=64)


def _fight(portal: Portal, seconds: float, clients: int) -> None:
    code = f"S_FIGHT_{clients}"
    number = portal.new_key(module(code, 5))
    fight = Fight([portal.demo.url], portal.token, code, 5).run(clients, seconds)
    assert fight.faults == []
    assert fight.given > 10
    assert portal.modules(number)[code]["taken"] == 0
    assert portal.run("check_invariants").status == 0


# What an administrator may set


@pytest.fixture
def hidden_holders(portal: Portal) -> Iterator[None]:
    portal.configure(name_holders=False)
    yield
    portal.configure(name_holders=True)


def test_holders_are_named_only_if_the_setting_says_so(portal: Portal, hidden_holders: None) -> None:
    portal.new_key(module("S_HIDDEN", 1))
    portal.lease("S_HIDDEN", user="somebody secret")
    answer = portal.checkout("S_HIDDEN")
    assert refusal(answer) == (409, "no_free_seat")
    assert "secret" not in answer.text
    (full,) = answer.json()["modules"]
    assert full["taken"] == 1
    assert not full.get("holders")


@pytest.mark.full
def test_a_lease_ends_after_the_inactivity_time_whether_or_not_a_worker_ran(portal: Portal) -> None:
    number = portal.new_key(module("S_IDLE", 1))
    long = portal.lease("S_IDLE")
    portal.give_back(long)
    portal.configure(inactivity_seconds=70)
    try:
        lease = portal.lease("S_IDLE")
        assert (lease["inactivity_seconds"], lease["renew_after_seconds"]) == (70, 23)
        taken_at = time.monotonic()
        while time.monotonic() < taken_at + 69.0:
            time.sleep(0.5)
        assert refusal(portal.checkout("S_IDLE")) == (409, "no_free_seat")
        time.sleep(max(0.0, taken_at + 70.05 - time.monotonic()))
        next_one = portal.checkout("S_IDLE")
        assert next_one.status_code == 201
        assert at(next_one.json()["taken_at"]) >= at(lease["expires_at"])
        ended = portal.heartbeat(lease)
        assert refusal(ended) == (410, "lease_ended")
        assert (ended.json()["ended_reason"], ended.json()["ended_at"]) == ("expired", lease["expires_at"])
        assert portal.modules(number)["S_IDLE"]["taken"] == 1
    finally:
        portal.configure(inactivity_seconds=1800)


# ERP clients


def test_a_disabled_client_and_a_foreign_address_are_refused(portal: Portal) -> None:
    token = token_of(portal.run("add_erp_client", "to be locked out"))
    assert portal.api("GET", "/status", token=token).status_code == 200
    portal.change_client("to be locked out", networks="10.99.0.0/16")
    assert refusal(portal.api("GET", "/status", token=token)) == (403, "client_not_allowed")
    portal.change_client("to be locked out", networks="127.0.0.0/8")
    assert portal.api("GET", "/status", token=token).status_code == 200
    portal.disable_client("to be locked out")
    assert refusal(portal.api("GET", "/status", token=token)) == (403, "client_not_allowed")
