"""The portal's side of the vendor protocol judged from outside: every answer, fault and change of a key."""

import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.authority_process import RunningAuthority, module
from tests.journeys.installation import Installation
from tests.journeys.portal import Portal, at, refusal
from tests.portal_process import Demo

QUICK = ["refuse", "error_500", "busy_503", "html", "redirect", "stale", "huge", "truncated", "bad_signature"]
QUICK += ["wrong_key", "other_request", "other_installation", "lose_answer"]
SLOW = [pytest.param(mode, marks=pytest.mark.full) for mode in ("blackhole", "drip")]


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portal]:
    """A demo of this module's own, whose vendor misbehaves and moves in time."""
    with Demo(tmp_path_factory.mktemp("contact") / "var") as demo:
        running = Portal(demo.wait_until_ready())
        yield running
        running.close()


@pytest.fixture
def elsewhere(portal: Portal) -> Installation:
    """Another Key Manager at the same vendor."""
    told = portal.demo.told
    vendor = RunningAuthority(told["authority"], Path(told["authority_jwks"]).parent)
    return Installation(vendor, "SRV-ELSEWHERE")


@pytest.fixture(scope="module")
def steady(portal: Portal) -> str:
    """A key to which nothing happens."""
    return portal.new_key(module("STEADY", 50))


# Faults


@pytest.mark.parametrize("mode", [*QUICK, *SLOW])
def test_a_vendor_that_misbehaves_changes_nothing_and_is_told(portal: Portal, steady: str, mode: str) -> None:
    lease = portal.lease("STEADY")
    before = portal.key_status(steady)
    with portal.in_mode(mode):
        began = time.monotonic()
        ran = portal.run("contact")
        seconds = time.monotonic() - began
        assert ran.status == 1
        assert len(ran.err) == 1, ran
        assert seconds < 15 + 5  # the command's own start-up besides
        status = portal.status()
        assert status["light"] == "yellow"
        assert "contact_failing" in status["reasons"]
        after = portal.key_status(steady)
        assert after["contact_deadline"] == before["contact_deadline"]
        assert (after["state"], after["refusal"]) == ("active", None)
        assert portal.heartbeat(lease).json()["contact_deadline"] == lease["contact_deadline"]
        assert portal.checkout("STEADY").status_code == 201
        ready = portal.http.get(f"{portal.demo.url}/readyz")
        assert (ready.status_code, ready.json()["warnings"]) == (200, ["contact_failing"])
    assert portal.contact()[steady] == "granted"
    assert "contact_failing" not in portal.status()["reasons"]
    assert portal.key_status(steady)["contact_deadline"] > before["contact_deadline"]
    assert portal.vendor_state(steady)["clone_suspected"] is False


def test_lost_answers_never_make_a_clone(portal: Portal, steady: str) -> None:
    serial = portal.vendor_state(steady)["serial"]
    with portal.in_mode("lose_answer"):
        for _ in range(3):
            assert portal.run("contact").status == 1
    # The same request each time, so one grant.
    assert portal.vendor_state(steady)["serial"] == serial + 1
    assert portal.contact()[steady] == "granted"
    assert portal.contact()[steady] == "granted"
    assert portal.vendor_state(steady)["clone_suspected"] is False


def test_what_changes_meanwhile_goes_into_the_request_that_follows_at_once(
    portal: Portal, steady: str
) -> None:
    number = portal.new_key(module("FOLLOWS", 1), add=False)
    with portal.in_mode("lose_answer"):
        assert portal.run("contact").status == 1
        added = portal.add(number)
        assert added.status == 0  # stored
    lines = portal.contact()
    assert (lines[steady], lines[number]) == ("granted", "granted")


# Refusals


def test_a_key_taken_elsewhere_is_inactive_at_once_and_asked_no_more(
    portal: Portal, elsewhere: Installation
) -> None:
    number = portal.new_key(module("TAKEN", 5))
    lease = portal.lease("TAKEN")
    portal.vendor(f"/_control/keys/{number}/reset")
    assert elsewhere.outcome(bind=[number], pin="4711") == ["granted"]
    ran = portal.run("contact")
    assert ran.status == 1
    assert f"{number} refused active_elsewhere" in ran.out
    status = portal.key_status(number)
    assert (status["state"], status["refusal"], status["contact_deadline"]) == (
        "inactive", "active_elsewhere", None,
    )  # fmt: skip
    ended = portal.heartbeat(lease)
    assert refusal(ended) == (410, "lease_ended")
    assert ended.json()["ended_reason"] == "key_inactive"
    assert refusal(portal.checkout("TAKEN")) == (422, "module_unknown")
    assert refusal(portal.checkout("TAKEN", key=number)) == (422, "key_unknown")
    assert refusal(portal.api("GET", f"/grants/{number}"))[0] == 404
    assert number not in portal.contact()
    # Edited, it is asked again: by credentials, so the holder is named; then freed, it comes by itself.
    edited = portal.run("edit_key", number, "--pin", "4711")
    assert (edited.status, edited.out[-1]) == (0, f"{number} refused active_elsewhere SRV-ELSEWHERE")
    assert portal.key_status(number)["state"] == "new"
    elsewhere.outcome(release=[number])
    assert portal.contact()[number] == "granted"
    assert portal.heartbeat(lease).status_code == 410


def test_an_unbound_key_runs_on_and_is_bound_anew_by_its_pin(portal: Portal) -> None:
    number = portal.new_key(module("UNBOUND", 5))
    lease = portal.lease("UNBOUND")
    portal.vendor(f"/_control/keys/{number}/reset")
    assert portal.contact()[number] == "refused not_bound"
    status = portal.key_status(number)
    assert (status["state"], status["refusal"], status["light"]) == ("active", "not_bound", "yellow")
    assert "key_refused" in portal.status()["reasons"]
    assert status["contact_deadline"] == lease["contact_deadline"]
    assert portal.heartbeat(lease).status_code == 200
    assert portal.checkout("UNBOUND").status_code == 201
    wrong = portal.run("edit_key", number, "--pin", "0000")
    assert wrong.out[-1] == f"{number} refused wrong_credentials"
    assert portal.key_status(number)["state"] == "active"
    assert portal.run("edit_key", number, "--pin", "4711").out[-1] == f"{number} granted"
    assert portal.key_status(number)["refusal"] is None
    assert portal.heartbeat(lease).status_code == 200


def test_a_suspended_key_runs_on_and_is_asked_each_time(portal: Portal) -> None:
    number = portal.new_key(module("SUSPENDED", 5))
    before = portal.key_status(number)["contact_deadline"]
    portal.vendor(f"/_control/keys/{number}/suspend", suspended=True)
    for _ in range(2):
        assert portal.contact()[number] == "refused suspended"
    assert portal.key_status(number)["contact_deadline"] == before
    portal.vendor(f"/_control/keys/{number}/suspend", suspended=False)
    assert portal.contact()[number] == "granted"


def test_a_new_key_with_wrong_credentials_waits_for_an_edit(portal: Portal) -> None:
    number = portal.new_key(module("WRONG", 1), add=False)
    added = portal.add(number, pin="1234")
    assert (added.status, added.out[-1]) == (0, f"{number} refused wrong_credentials")
    status = portal.key_status(number)
    assert (status["state"], status["refusal"]) == ("new", "wrong_credentials")
    assert number not in portal.contact()
    assert portal.run("edit_key", number, "--pin", "4711").out[-1] == f"{number} granted"


def test_a_new_key_that_is_suspended_is_tried_at_each_contact(portal: Portal) -> None:
    number = portal.new_key(module("LATER", 1), add=False)
    portal.vendor(f"/_control/keys/{number}/suspend", suspended=True)
    assert portal.add(number).out[-1] == f"{number} refused suspended"
    assert portal.contact()[number] == "refused suspended"
    portal.vendor(f"/_control/keys/{number}/suspend", suspended=False)
    assert portal.contact()[number] == "granted"


# Removing


def test_a_key_removed_in_the_dark_is_released_at_the_next_contact(
    portal: Portal, elsewhere: Installation
) -> None:
    number = portal.new_key(module("PENDING", 5))
    lease = portal.lease("PENDING")
    with portal.in_mode("refuse"):
        removed = portal.run("remove_key", number)
        assert removed.status == 0
        assert portal.heartbeat(lease).json()["ended_reason"] == "key_removed"
        status = portal.status()
        assert status["release_pending"] == [number]
        assert number not in [row["number"] for row in status["keys"]]
    assert elsewhere.outcome(bind=[number], pin="4711") == ["active_elsewhere"]
    assert portal.contact()[number] == "released"
    assert portal.status()["release_pending"] == []
    assert elsewhere.outcome(bind=[number], pin="4711") == ["granted"]


def test_a_key_added_again_is_pending_no_more(portal: Portal) -> None:
    number = portal.new_key(module("AGAIN", 5))
    with portal.in_mode("refuse"):
        portal.run("remove_key", number)
        assert portal.status()["release_pending"] == [number]
        portal.add(number)
        assert portal.status()["release_pending"] == []
    assert portal.contact()[number] == "granted"
    assert portal.checkout("AGAIN").status_code == 201


# Time, moved by the vendor's signed words


@pytest.fixture
def vendor_clock(portal: Portal) -> Iterator[None]:
    yield
    portal.vendor("/_control/clock", offset_seconds=0)
    portal.contact()


def move(portal: Portal, span: timedelta) -> None:
    """The vendor's clock goes on, and the portal learns of it."""
    portal.vendor("/_control/clock", offset_seconds=span.total_seconds())
    portal.contact()


def test_without_contact_for_72_hours_a_key_gives_nothing_from_that_very_instant(
    portal: Portal, steady: str, vendor_clock: None
) -> None:
    number = portal.new_key(module("ALONE", 5), module("ALONE_TOO", None))
    deadline = at(portal.key_status(number)["contact_deadline"])
    portal.vendor(f"/_control/keys/{number}/suspend", suspended=True)
    move(portal, timedelta(hours=71, minutes=50))
    lease = portal.lease("ALONE")
    assert lease["expires_at"] == lease["contact_deadline"] == portal.key_status(number)["contact_deadline"]
    assert portal.heartbeat(lease).json()["expires_at"] == lease["expires_at"]
    assert at(lease["expires_at"]) == deadline
    move(portal, timedelta(hours=72, minutes=1))

    ended = portal.heartbeat(lease).json()
    assert (ended["ended_reason"], ended["ended_at"]) == ("contact_lost", lease["expires_at"])
    refused = portal.checkout("ALONE")
    assert refusal(refused) == (403, "contact_lost")
    assert refused.json()["contact_deadline"] == lease["expires_at"]
    row = portal.modules(number)["ALONE"]
    assert (row["taken"], row["available"], row["reason"]) == (0, False, "contact_lost")
    status = portal.status()
    assert status["light"] == "yellow"  # the other keys work
    assert "contact_lost" in status["reasons"]
    mine = portal.key_status(number)
    assert (mine["state"], mine["light"]) == ("active", "red")
    assert portal.checkout("STEADY").status_code == 201

    # Contact again: all works without a restart, the old lease stays dead.
    portal.vendor(f"/_control/keys/{number}/suspend", suspended=False)
    assert portal.contact()[number] == "granted"
    assert portal.checkout("ALONE").status_code == 201
    assert portal.heartbeat(lease).status_code == 410
    assert portal.run("check_invariants").status == 0


def test_a_lease_ends_with_the_last_good_day_of_its_module(
    portal: Portal, steady: str, vendor_clock: None
) -> None:
    now = at(portal.status()["server_time"])
    midnight = datetime.combine(now.date() + timedelta(days=2), datetime.min.time(), now.tzinfo)
    last_day = (now.date() + timedelta(days=1)).isoformat()
    portal.new_key(module("ENDING", 1, expires_on=last_day))
    move(portal, midnight - timedelta(minutes=5) - now)
    lease = portal.lease("ENDING")
    assert at(lease["expires_at"]) == midnight
    move(portal, midnight + timedelta(minutes=1) - now)
    ended = portal.heartbeat(lease).json()
    assert (ended["ended_reason"], at(ended["ended_at"])) == ("module_expired", midnight)
    assert refusal(portal.checkout("ENDING")) == (403, "module_expired")


def test_repeated_requests_teach_no_clock(portal: Portal, steady: str, vendor_clock: None) -> None:
    before = at(portal.status()["server_time"])
    with portal.in_mode("lose_answer"):
        portal.run("contact")
    portal.vendor("/_control/clock", offset_seconds=3 * 3600)
    assert portal.contact()[steady] == "granted"
    assert at(portal.status()["server_time"]) - before < timedelta(hours=1)
    assert portal.contact()[steady] == "granted"
    assert at(portal.status()["server_time"]) - before > timedelta(hours=2)
