"""A batch is judged by the terms and the time that hold when it begins."""

from uuid import uuid4

import pytest

from licensing.engine.batch import Batches, Kind, Work
from licensing.models import Installation
from licensing.operations.errors import Refused
from licensing.operations.installation import bump_version
from licensing.operations.lease_values import Checkout, LeaseCall
from tests.factories import KEY, NOW, Portal, make_client, module, request


@pytest.mark.django_db
def test_a_database_without_an_installation_refuses_calls_and_waits_for_nothing() -> None:
    Installation.objects.all().delete()
    call = LeaseCall(make_client().id, str(uuid4()))
    (done,) = Batches(lambda: NOW).patiently([Work(Kind.RETURN, call)])
    assert isinstance(done.outcome, Refused)


@pytest.mark.django_db
def test_an_installation_that_was_deleted_gives_nothing_more(portal: Portal) -> None:
    portal.accept(KEY, [module("HANDEL", 5)])
    client, batches = make_client(), Batches(lambda: NOW)
    work = Work(Kind.CHECKOUT, request(client, "HANDEL"))
    assert isinstance(batches.patiently([work])[0].outcome, Checkout)
    Installation.objects.all().delete()
    for _ in range(2):
        assert isinstance(batches.patiently([work])[0].outcome, Refused)


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
