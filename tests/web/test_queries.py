"""What a page asks the database: few questions, however many keys and leases there are."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from licensing.models import Configuration, ContactAttempt, Role
from licensing.operations.actors import PORTAL
from licensing.operations.cluster import note_node
from licensing.operations.events import record
from licensing.operations.leases import checkout
from licensing.operations.queue_heartbeat import beat
from tests.factories import NOW, Portal, make_client, module, request, take

from .test_roles import ALLOWED, PATTERNS, address
from .visitors import Visitor

MOST = 12
NUMBERS = [f"50000000{n:02}" for n in range(1, 6)]
# Addresses without arguments are the lists; those of one's own account are allauth's.
LISTS = sorted(
    name
    for name, pattern in PATTERNS.items()
    if not pattern.pattern.converters and ALLOWED.get(name) in list(Role)
)


@pytest.fixture
def busy(portal: Portal) -> None:
    """Five keys, fifty leases, and something on every list."""
    for number in NUMBERS:
        portal.accept(number, [module("HANDEL", 20), module("KASA", 20), module("BI", None)])
    client = make_client()
    for n in range(50):
        take(client, "HANDEL", user=f"user.{n}")
        checkout([request(client, "XYZ")], NOW)
        ContactAttempt.objects.create(started_at=NOW, finished_at=NOW, trigger="schedule", outcome="ok")
        record("key_added", NOW, PORTAL, NUMBERS[0])
    beat(NOW)


@pytest.mark.parametrize("clustered", [False, True], ids=["alone", "clustered"])
def test_no_list_asks_more_than_twelve_questions(clustered: bool, busy: None, administrator: Visitor) -> None:
    if clustered:
        Configuration.objects.update(clustered=True, cluster_name="sql-erp")
        note_node(NOW)
    too_many = {}
    for name in LISTS:
        with CaptureQueriesContext(connection) as asked:
            response = administrator.client.get(address(name, {}))
        assert response.status_code in (200, 302, 405), name
        if len(asked) > MOST:
            too_many[name] = [query["sql"] for query in asked]
    assert too_many == {}
