"""A lease call under way: what is prepared during the commit is told after it, if it came to pass."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError

from licensing.api.auth import Caller
from licensing.engine.batch import Done, Work
from licensing.engine.outcomes import Failed
from licensing.front import lease_calls
from licensing.front.http import Request
from licensing.front.lease_calls import LeaseExchange
from licensing.operations.errors import Refused
from licensing.operations.lease_values import HeldLease
from tests.api.calling import Line, Reply
from tests.factories import NOW

LEASE_ID = "3859859b-207e-4b96-bc72-7df4b589c5e3"
PATH = f"/api/v1/leases/{LEASE_ID}"
SECOND = timedelta(seconds=1)


class Engine:
    """Takes what is submitted, and has nothing in memory."""

    def submit(self, work: Work, asker: LeaseExchange) -> None:
        self.asker = asker

    def heartbeat(self, _client_id: int, _lease_id: str) -> None:
        return None


def asked(path: str = f"{PATH}/heartbeat", method: str = "POST") -> tuple[LeaseExchange, Line]:
    """A call that waits for its outcome."""
    line, engine = Line(), Engine()
    caller = Caller(1, "erp", (), False)
    LeaseExchange(Request(line, method, path, {})).carry_out(caller, path, engine)  # type: ignore[arg-type]
    return engine.asker, line


def goes_on(until: Any = NOW + SECOND) -> Done:
    """The outcome of a heartbeat."""
    lease = HeldLease(
        id=LEASE_ID, state="active", modules=(), not_taken=(), workstation="PC", user="anna", taken_at=NOW,
        last_seen_at=NOW, expires_at=until, ended_at=None, ended_reason="", contact_deadline=until,
        withdrawn=(), inactivity_seconds=1800, keys={},
    )  # fmt: skip
    return Done(lease, NOW)


def reply(line: Line) -> Reply:
    return line.reply.result(0)


@pytest.mark.parametrize("outcome", [OperationalError("gone"), Failed(OperationalError("gone"))])
def test_a_database_that_fails_is_unavailable_and_no_incident(outcome: Any) -> None:
    call, line = asked()
    call.tell(outcome) if isinstance(outcome, Failed) else call.fail(outcome)
    assert (reply(line).status, reply(line).code) == (503, "unavailable")
    assert reply(line).headers["retry-after"] == "1"


def test_what_was_prepared_is_told_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    call, line = asked()
    done = goes_on()
    call.prepare(done)
    assert not line.reply.done()
    monkeypatch.setattr(lease_calls, "written", None)
    call.tell(done)
    assert (reply(line).status, reply(line).json["id"]) == (200, LEASE_ID)


def test_what_was_prepared_for_a_batch_that_was_done_again_is_void() -> None:
    call, line = asked()
    call.prepare(goes_on(NOW + SECOND))
    call.tell(goes_on(NOW + 2 * SECOND))
    assert reply(line).json["expires_at"] == "2026-11-24T08:00:02.000000Z"


def test_what_was_prepared_is_void_where_the_batch_fails() -> None:
    call, line = asked()
    call.prepare(goes_on())
    call.tell(Refused("unavailable", retry_after=1))
    assert (reply(line).status, reply(line).code, reply(line).headers["retry-after"]) == (
        503,
        "unavailable",
        "1",
    )


def test_refusal_of_one_call_is_told_in_its_caller_s_language() -> None:
    call, line = asked()
    done = Done(Refused("lease_not_found"), NOW)
    call.prepare(done)
    call.tell(done)
    assert (reply(line).code, reply(line).headers["content-language"]) == ("lease_not_found", "pl")


def test_returned_lease_is_answered_without_a_body() -> None:
    call, line = asked(PATH, "DELETE")
    call.tell(Done(None, NOW))
    assert (reply(line).status, reply(line).body) == (204, b"")
    assert "content-length" not in reply(line).headers


@pytest.mark.parametrize("outcome", [Failed(ZeroDivisionError()), Done("no lease", NOW)])
def test_error_of_ours_is_told_with_the_number_of_an_incident(
    outcome: Any, caplog: pytest.LogCaptureFixture
) -> None:
    call, line = asked()
    call.tell(outcome)
    assert (reply(line).status, reply(line).code) == (500, "internal_error")
    assert reply(line).json["incident"] in caplog.text


def test_call_that_is_not_as_it_should_be_reaches_no_engine() -> None:
    line = Line()
    exchange = LeaseExchange(Request(line, "PUT", PATH, {}))
    exchange.carry_out(Caller(1, "erp", (), False), PATH, None)  # type: ignore[arg-type]
    assert (reply(line).code, reply(line).headers["allow"]) == ("method_not_allowed", "GET, DELETE")
