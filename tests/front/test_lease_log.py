"""Lease calls in the log."""

import logging

import pytest

from licensing.engine.batch import Done, Kind, Work
from licensing.front import lease_log
from licensing.operations.errors import Refused
from licensing.operations.lease_values import CheckoutRequest, Program
from tests.factories import NOW


def test_code_of_odd_letters_makes_no_line_of_its_own(caplog: pytest.LogCaptureFixture) -> None:
    call = CheckoutRequest(7, ("HANDEL", "A\nB\u202e"), ("ŻÓŁW",), "PC", "anna", Program("ERP", "1"))
    with caplog.at_level(logging.INFO, "licensing.leases"):
        lease_log.note(Work(Kind.CHECKOUT, call), Done(Refused("module_unknown"), NOW))
    assert caplog.messages == ["checkout HANDEL,A\\nB\\u202e,ŻÓŁW by anna on PC (client 7): module_unknown"]
