"""The list of modules: asking without taking."""

from datetime import date, timedelta

import pytest

from licensing.models import ErpClient
from licensing.operations.modules import ModuleRow, holders, list_modules
from tests.factories import KEY, NOW, OTHER_KEY, Portal, make_client, module, take

pytestmark = pytest.mark.django_db

INACTIVITY = timedelta(seconds=1800)


@pytest.fixture
def client() -> ErpClient:
    return make_client()


def test_no_key_no_modules(portal: Portal) -> None:
    assert list_modules(NOW) == []


def test_modules_are_listed_by_code_then_key(portal: Portal) -> None:
    portal.accept(OTHER_KEY, [module("B"), module("A")])
    portal.accept(KEY, [module("B")])
    rows = [(row.code, row.key) for row in list_modules(NOW)]
    assert rows == [("A", OTHER_KEY), ("B", KEY), ("B", OTHER_KEY)]


def test_module_tells_what_was_bought_taken_and_is_free(portal: Portal, client: ErpClient) -> None:
    good = date(2027, 3, 31)
    portal.accept(KEY, [module("HANDEL", 5, expires_on=good, warranty_until=good)])
    take(client)
    assert list_modules(NOW) == [
        ModuleRow(
            code="HANDEL",
            name={"pl": "HANDEL pl", "en": "HANDEL en"},
            key=KEY,
            seats=5,
            taken=1,
            free=4,
            available=True,
            reason=None,
            expires_on=good,
            warranty_until=good,
            contact_deadline=NOW + timedelta(hours=72),
        )
    ]


def test_module_that_is_not_counted_has_neither_seats_nor_free_ones(
    portal: Portal, client: ErpClient
) -> None:
    portal.accept(KEY, [module("BI", None)])
    take(client, "BI")
    (row,) = list_modules(NOW)
    assert (row.seats, row.free, row.taken, row.available) == (None, None, 1, True)


def test_full_module_is_not_available(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module("HANDEL", 1)])
    take(client)
    (row,) = list_modules(NOW)
    assert (row.free, row.available, row.reason) == (0, False, "no_free_seat")


def test_free_is_never_below_zero(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module("HANDEL", 2)])
    take(client)
    take(client)
    portal.accept(KEY, [module("HANDEL", 1)])
    (row,) = list_modules(NOW)
    assert (row.taken, row.free, row.reason) == (2, 0, "no_free_seat")


def test_reasons_come_in_the_order_of_the_table(portal: Portal) -> None:
    yesterday = NOW.date() - timedelta(days=1)
    portal.accept(
        KEY, [module("A", 0), module("B", 0, warranty_until=yesterday), module("C", 0, expires_on=yesterday)]
    )
    late = NOW + timedelta(hours=72)
    built = NOW.date()
    assert [row.reason for row in list_modules(NOW)] == ["no_free_seat", "no_free_seat", "module_expired"]
    assert [row.reason for row in list_modules(NOW, built)] == [
        "no_free_seat",
        "warranty_expired",
        "module_expired",
    ]
    assert [row.reason for row in list_modules(late, built)] == [
        "contact_lost",
        "contact_lost",
        "module_expired",
    ]


def test_list_judges_the_end_of_leases_and_seats_itself(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module("HANDEL", 2), module("KASA", 5)])
    take(client, "HANDEL", now=NOW)
    take(client, "HANDEL", "KASA", now=NOW + timedelta(minutes=1))
    portal.accept(KEY, [module("HANDEL", 1), module("KASA", 5)], NOW + timedelta(minutes=2))
    taken = [
        {row.code: row.taken for row in list_modules(NOW + INACTIVITY + timedelta(minutes=minute))}
        for minute in (-1, 0, 1)
    ]
    assert taken == [{"HANDEL": 2, "KASA": 1}, {"HANDEL": 1, "KASA": 1}, {"HANDEL": 0, "KASA": 0}]
    assert holders(KEY, "HANDEL", NOW + INACTIVITY + timedelta(minutes=1)) == []


def test_list_asks_a_handful_of_queries_however_many_modules(
    portal: Portal, django_assert_max_num_queries
) -> None:
    for number in range(3):
        portal.accept(f"500000662{number}", [module(f"M{place}") for place in range(50)])
    with django_assert_max_num_queries(9):
        assert len(list_modules(NOW)) == 150


def test_holders_are_told_by_the_age_of_their_leases(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module("HANDEL", 2)])
    take(client, user="a", now=NOW)
    second = take(client, user="b", now=NOW + timedelta(seconds=1))
    portal.accept(KEY, [module("HANDEL", 1)], NOW + timedelta(seconds=2))
    first, last = holders(KEY, "HANDEL", NOW + timedelta(seconds=2))
    assert (first.user, first.seat, first.ends_at) == ("a", 1, None)
    assert (last.user, last.seat, last.ends_at) == ("b", 2, second.expires_at)
    assert str(last.lease_id) == second.id


def test_holders_of_a_module_that_is_not_counted_have_no_seat(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module("BI", None)])
    take(client, "BI")
    assert [holder.seat for holder in holders(KEY, "BI", NOW)] == [None]
    assert holders(OTHER_KEY, "BI", NOW) == []
