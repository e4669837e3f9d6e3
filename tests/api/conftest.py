"""An API to call, by either way in, on a portal whose clock stands still."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
import time_machine

# This file may be read before Django is set up; whatever needs Django is imported where it is used.
if TYPE_CHECKING:
    from tests.factories import Portal

    from .calling import Api, Way

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
BOOTED_AT = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[time_machine.Traveller]:
    """Time stands still, on every clock of the computer."""
    from licensing.operations import clock as portal_clock

    def reading() -> portal_clock.Reading:
        wall = datetime.now(UTC)
        return portal_clock.Reading(wall, wall - BOOTED_AT, "a boot", "a node")

    monkeypatch.setattr(portal_clock, "clocks", reading)
    with time_machine.travel(NOW, tick=False) as coordinates:
        yield coordinates


@pytest.fixture(
    params=[
        pytest.param("django", marks=pytest.mark.django_db),
        # Its readers are threads with connections of their own.
        pytest.param("front", marks=pytest.mark.django_db(transaction=True)),
    ]
)
def way(
    request: pytest.FixtureRequest, clock: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch
) -> "Iterator[Way]":
    """Each test of the API runs through Django's middleware and through the lean front."""
    from .calling import DjangoWay, FrontWay

    if request.param == "django":
        yield DjangoWay()
        return
    monkeypatch.setenv("KEYMANAGER_PAGES_PORT", "9")
    monkeypatch.setenv("KEYMANAGER_FRONT_SECRET", "unused")
    request.getfixturevalue("keys")
    front = FrontWay()
    yield front
    front.close()


@pytest.fixture
def keys(portal: "Portal") -> "Portal":
    """Two keys with HANDEL; on one FAKTURY, KASA (not counted), STARY (expired), BEZ_GW (no warranty)."""
    from tests.factories import KEY, OTHER_KEY, module

    portal.accept(
        KEY,
        [
            module("HANDEL", 2, warranty_until=date(2027, 3, 31)),
            module("FAKTURY", 1),
            module("KASA", None),
            module("STARY", 1, expires_on=NOW.date() - timedelta(days=1)),
            module("BEZ_GW", 1, warranty_until=date(2026, 8, 31)),
        ],
    )
    portal.accept(OTHER_KEY, [module("HANDEL", 1)])
    return portal


@pytest.fixture
def api(way: "Way", keys: "Portal") -> "Api":
    """The API as a registered ERP client calls it."""
    return _registered(way, "Optima")


@pytest.fixture
def foreign(way: "Way", keys: "Portal") -> "Api":
    """The API as another ERP client calls it."""
    return _registered(way, "Somebody else's ERP")


def _registered(way: "Way", name: str) -> "Api":
    from licensing.operations.actors import COMMAND
    from licensing.operations.clients import add_erp_client

    from .calling import Api

    return Api(way, add_erp_client(NOW, COMMAND, name)[1])
