"""`diagnose` where the way is good and the computer's clock is not."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from licensing.operations import diagnosis
from licensing.operations.clock import local_now
from tests.vendor_link import Link

from .conftest import Ran


def test_diagnose_says_what_to_do_about_a_wrong_clock(
    link: Link, command: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch
) -> None:
    link.add()
    monkeypatch.setattr(diagnosis, "local_now", lambda: local_now() + timedelta(days=2))
    ran = command("diagnose")
    assert ran.status == 1
    assert ran.err.startswith("clock_off: The connection works, but this computer's clock differs by 2880")
