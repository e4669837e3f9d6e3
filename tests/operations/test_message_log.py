"""Messages with the vendor in the log: what is told, and what is left out."""

import logging

import pytest

from licensing.operations.message_log import log_received, log_sent
from tests.vendor_link import KEY, PIN, Link


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG, "licensing.messages")
    return caplog


def test_a_request_is_told_without_its_credentials(link: Link, log: pytest.LogCaptureFixture) -> None:
    link.add()
    sent = next(record.getMessage() for record in log.records if "to the vendor" in record.getMessage())
    assert f'"number": "{KEY}"' in sent
    assert '"credentials": "(left out)"' in sent
    assert f'"{PIN}"' not in sent


def test_an_answer_is_told_with_its_grants_and_without_what_makes_codes(
    link: Link, log: pytest.LogCaptureFixture
) -> None:
    link.add()
    received = next(record.getMessage() for record in log.records if "from the vendor" in record.getMessage())
    assert '"result": "granted"' in received
    assert '"seats": 5' in received, "what is nested is told too"
    assert '"challenge_key": "(left out)"' in received
    assert '"commitments": "(left out)"' in received


@pytest.mark.parametrize(
    "body", ["<html>secret</html>", "eyJ.secret.x", "a.b", "", "a.W10" + "=" * 3 + ".b", "a.e30"]
)
def test_what_is_no_message_is_told_by_its_length(log: pytest.LogCaptureFixture, body: str) -> None:
    log_received(body)
    assert log.messages == [f"from the vendor: {len(body)} characters that are no message"]


def test_a_nested_message_that_cannot_be_read_is_left_out(log: pytest.LogCaptureFixture) -> None:
    log_sent("x.eyJncmFudCI6ICJzZWNyZXQifQ.y")
    assert log.messages == ['to the vendor: {"grant": "(left out)"}']


def test_below_level_3_nothing_is_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "licensing.messages")
    log_sent("x.e30.y")
    assert caplog.messages == []
