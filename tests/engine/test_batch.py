"""A batch is judged by the terms and the time that hold when it begins."""

import pytest

from licensing.engine.batch import Batches
from licensing.operations.installation import bump_version
from tests.factories import NOW, Portal


@pytest.mark.django_db
def test_a_changed_installation_is_looked_at_before_the_time_is_asked(portal: Portal) -> None:
    told: list[str] = []

    def clock() -> object:
        told.append("time")
        return NOW

    batches = Batches(clock, lambda: told.append("changed"))  # type: ignore[arg-type]
    batches.patiently([])
    assert told[0] == "changed"
    told.clear()
    batches.patiently([])
    assert "changed" not in told
    bump_version()
    batches.patiently([])
    assert told.index("changed") < len(told) - 1 - told[::-1].index("time")
