"""The tab "History", and "How many do you need"."""

import re
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
import time_machine
from django.urls import reverse

from licensing.models import ErpClient, RollUp, UsageDay, UsageQuarter
from licensing.operations.leases import checkout
from licensing.operations.rollup import roll_up
from licensing.operations.usage import day_of, start_of_day
from licensing.operations.usage_history import By, Reach, modules_in_use, reach, series
from licensing.web.history import _point_line
from tests.factories import KEY, NOW, OTHER_KEY, Portal, give_back, make_client, module, request, take

from .visitors import Visitor, foreign_marks


@pytest.fixture
def client(portal: Portal) -> ErpClient:
    portal.accept(KEY, [module("HANDEL", 2), module("KASA", None), module("BI", 1)])
    return make_client("=ERP")


def use_of_days(first: date, last: date) -> None:
    """A seat of HANDEL was held day and night, and all of it was rolled up."""
    RollUp.objects.create(
        pk=1, since=start_of_day(date(2026, 1, 1)), until=start_of_day(last + timedelta(days=1))
    )
    for number in range((last - first).days + 1):
        day = first + timedelta(days=number)
        held = (start_of_day(day + timedelta(days=1)) - start_of_day(day)).total_seconds()
        UsageDay.objects.create(
            day=day, module="HANDEL", key="", seats=2, peak=1, held_seconds=held, full_seconds=0
        )


@pytest.fixture
def used(client: ErpClient) -> ErpClient:
    """HANDEL full from 8:10 to 8:30 UTC, one refused truly and one falsely; KASA used; BI never."""
    first = take(client, "HANDEL", "KASA")
    second = take(client, "HANDEL", user="jan.lis", now=NOW + timedelta(minutes=10))
    checkout([request(client, "HANDEL", user="ewa.kot")], NOW + timedelta(minutes=15))
    checkout([request(client, "HANDEL", user="piotr.lis")], NOW + timedelta(minutes=25))
    give_back(client, first, NOW + timedelta(minutes=30))
    third = take(client, "HANDEL", user="piotr.lis", now=NOW + timedelta(minutes=31))
    for lease in (second, third):
        give_back(client, lease, NOW + timedelta(minutes=39))
    roll_up(NOW + timedelta(hours=2))
    return client


def cells(visitor: Visitor, name: str, *args: object, **query: str) -> list[list[str]]:
    """The rows of a page's CSV, without its head."""
    response = visitor.get(name, *args, format="csv", **query)
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    return [line.split(";") for line in response.content.decode("utf-8-sig").splitlines()[1:]]


# --- the list ----------------------------------------------------------------------------------------------


def test_before_anything_was_rolled_up_the_page_says_so(viewer: Visitor) -> None:
    assert "There is no history yet" in viewer.reads("history")
    assert "The history has not begun yet" in viewer.reads("history")


def test_each_module_tells_peak_average_and_minutes_at_the_limit(used: ErpClient, viewer: Visitor) -> None:
    with time_machine.travel(NOW + timedelta(hours=2), tick=False):
        rows = cells(viewer, "history", days="1")
    # 67 minutes of seats in the 105 that were rolled up.
    today = NOW.date().isoformat()
    assert rows == [
        ["BI en", "BI", "1", "0", "0.00", "0", "0", "0", ""],
        ["HANDEL en", "HANDEL", "2", "2", "0.64", "28", "1", "1", today],
        ["KASA en", "KASA", "", "1", "0.29", "0", "0", "0", today],
    ]


def test_modules_not_used_for_long_are_found(
    portal: Portal, used: ErpClient, log_in: Callable[[str], Visitor]
) -> None:
    late = NOW + timedelta(days=45)
    modules = [module("HANDEL", 2), module("KASA", None), module("BI", 1)]
    portal.accept(KEY, modules, now=late - timedelta(hours=2))
    take(used, "KASA", now=late - timedelta(hours=1))
    roll_up(late)
    with time_machine.travel(late, tick=False):
        viewer = log_in("viewer")
        text = viewer.reads("history", days="7")
        assert text.count("not used for 30 days") == 2
        assert [row[1] for row in cells(viewer, "history", show="30")] == ["BI", "HANDEL"]
        assert cells(viewer, "history", show="90") == []
        assert "Nothing fits" in viewer.reads("history", show="90")


@pytest.mark.parametrize(
    ("sort", "first"),
    [("name", "BI"), ("peak", "HANDEL"), ("average", "HANDEL"), ("full", "HANDEL"), ("nonsense", "BI")],
)
def test_the_list_is_sorted(sort: str, first: str, used: ErpClient, viewer: Visitor) -> None:
    assert cells(viewer, "history", sort=sort)[0][1] == first


def test_the_list_is_searched_and_htmx_gets_it_alone(used: ErpClient, viewer: Visitor) -> None:
    assert [row[1] for row in cells(viewer, "history", q="kas")] == ["KASA"]
    response = viewer.client.get(reverse("history"), headers={"hx-request": "true"})
    assert "<html" not in response.content.decode()


def test_a_module_that_is_no_longer_bought_keeps_its_history(
    portal: Portal, used: ErpClient, viewer: Visitor
) -> None:
    portal.accept(KEY, [module("BI", 1)], now=NOW + timedelta(hours=1))
    text = viewer.reads("history")
    assert text.count("no longer bought") == 2
    assert viewer.get("history_module", "HANDEL").status_code == 200


# --- one module --------------------------------------------------------------------------------------------


def test_a_module_is_shown_hour_by_hour_without_gaps(used: ErpClient, viewer: Visitor) -> None:
    with time_machine.travel(NOW + timedelta(hours=2), tick=False):
        rows = cells(viewer, "history_module", "HANDEL", by="hour", days="1")
    assert rows == [
        ["2026-11-24T09:00:00+01:00", "2", "2", "1.12", "28", "1", "1"],
        ["2026-11-24T10:00:00+01:00", "", "0", "0.00", "0", "0", "0"],
    ]


def test_a_module_is_shown_by_day_and_by_month(used: ErpClient, log_in: Callable[[str], Visitor]) -> None:
    roll_up(NOW + timedelta(days=10))
    with time_machine.travel(NOW + timedelta(days=10), tick=False):
        viewer = log_in("viewer")
        days = cells(viewer, "history_module", "HANDEL", by="day", days="7")
        months = cells(viewer, "history_module", "HANDEL", by="month", days="365")
    assert len(days) == 7
    assert {row[2] for row in days} == {"0"}
    assert [(row[0], row[2]) for row in months] == [
        ("2026-11-01T00:00:00+01:00", "2"),
        ("2026-12-01T00:00:00+01:00", "0"),
    ]


def test_a_chart_has_a_table_and_comes_from_us_alone(used: ErpClient, viewer: Visitor) -> None:
    response = viewer.get("history_module", "HANDEL", by="hour", days="7")
    text = response.content.decode()
    assert re.search(r'class="chart" data-chart="numbers" role="img" aria-label="[^"]+"', text)
    # Nine o'clock in Warsaw, as the chart's axis tells it.
    assert 'data-at="1795510800"' in text
    assert foreign_marks(response) == []


def test_a_module_on_two_keys_is_shown_for_each(portal: Portal, client: ErpClient, viewer: Visitor) -> None:
    portal.accept(OTHER_KEY, [module("KASA", None)])
    take(client, "KASA", key=KEY)
    take(client, "KASA", key=OTHER_KEY)
    take(client, "KASA", key=OTHER_KEY)
    roll_up(NOW + timedelta(hours=2))
    assert OTHER_KEY in viewer.reads("history_module", "KASA")
    peaks = [cells(viewer, "history_module", "KASA", key=key)[-1][2] for key in ("", KEY, OTHER_KEY)]
    assert peaks == ["3", "1", "2"]


def test_a_module_that_nobody_took_says_so_in_place_of_an_empty_chart(
    portal: Portal, used: ErpClient, viewer: Visitor
) -> None:
    portal.accept(KEY, [module("HANDEL", 2), module("BI", 1)], now=NOW + timedelta(hours=1))
    text = viewer.reads("history_module", "BI")
    assert "Nobody took this module in this period" in text
    assert "The numbers as a table" not in text
    assert "Nobody took" not in viewer.reads("history_module", "HANDEL")


def test_before_anything_was_added_up_a_module_says_that_there_is_no_history(
    portal: Portal, viewer: Visitor
) -> None:
    portal.accept(KEY, [module("HANDEL", 2)])
    assert "There is no history yet The worker adds up" in viewer.reads("history_module", "HANDEL")


@pytest.mark.parametrize("name", ["history_module", "needs"])
def test_a_module_that_never_was_is_a_404(name: str, client: ErpClient, viewer: Visitor) -> None:
    assert viewer.get(name, "NOTHING").status_code == 404


def test_an_address_with_nonsense_shows_the_usual_period(used: ErpClient, viewer: Visitor) -> None:
    for query in ({"days": "x"}, {"days": "365", "by": "hour"}, {"by": "x"}, {"key": "x"}, {"days": "-1"}):
        assert viewer.get("history_module", "HANDEL", **query).status_code == 200


@pytest.mark.django_db
def test_a_month_is_whole_though_the_period_begins_within_it() -> None:
    use_of_days(date(2026, 9, 1), date(2026, 11, 23))
    points = series("HANDEL", "", By.MONTH, date(2026, 9, 16), date(2026, 11, 23), reach())
    assert [round(point.average, 3) for point in points] == [1, 1, 1]


@pytest.mark.django_db
def test_a_month_that_ends_after_the_period_is_divided_by_the_days_within() -> None:
    use_of_days(date(2026, 9, 1), date(2026, 11, 23))
    points = series("HANDEL", "", By.MONTH, date(2026, 9, 1), date(2026, 10, 10), reach())
    assert [round(point.average, 3) for point in points] == [1, 1]


def test_a_module_bought_today_is_not_one_that_was_not_used_for_long(portal: Portal, viewer: Visitor) -> None:
    RollUp.objects.create(pk=1, since=NOW - timedelta(days=150), until=NOW - timedelta(days=1))
    portal.accept(KEY, [module("HANDEL", 2)])
    for _ in range(2):
        with time_machine.travel(NOW, tick=False):
            assert "not used for" not in viewer.reads("history")
            assert cells(viewer, "history", show="30") == []
        roll_up(NOW)


@pytest.mark.django_db
def test_each_of_the_two_hours_in_which_clocks_go_back_has_its_name_and_place() -> None:
    day = date(2026, 10, 25)
    rolled = Reach(start_of_day(day), start_of_day(day + timedelta(days=1)))
    points = [_point_line(point, By.HOUR) for point in series("HANDEL", "", By.HOUR, day, day, rolled)]
    assert len({point.label for point in points}) == len({point.at for point in points}) == 25
    assert [point.at for point in points] == sorted(point.at for point in points)
    hours = [point.label.split(", ")[1] for point in points[1:5]]
    assert hours == ["01:00", "02:00 CEST", "02:00 CET", "03:00"]


@pytest.mark.django_db
@pytest.mark.parametrize(("day", "hours"), [(date(2026, 10, 25), 25), (date(2027, 3, 28), 23)])
def test_a_day_on_which_clocks_change_is_divided_by_the_hours_that_it_has(day: date, hours: int) -> None:
    use_of_days(day, day)
    UsageDay.objects.update(held_seconds=hours * 3600)
    (point,) = series("HANDEL", "", By.DAY, day, day, reach())
    (use,) = modules_in_use(day, day, {}, reach())
    assert point.average == use.average == 1


@pytest.mark.django_db
def test_hours_are_there_also_where_clocks_change_by_half_an_hour(settings: Any) -> None:
    settings.TIME_ZONE = "Australia/Lord_Howe"
    for day in (date(2026, 4, 5), date(2026, 10, 4)):
        rolled = Reach(start_of_day(day), start_of_day(day + timedelta(days=1)))
        quarters = int(rolled.seconds(rolled.since, rolled.until)) // 900
        UsageQuarter.objects.bulk_create(
            UsageQuarter(
                start=rolled.since + number * timedelta(minutes=15),
                module="HANDEL",
                key="",
                seats=2,
                peak=1,
                held_seconds=900,
                full_seconds=60,
            )
            for number in range(quarters)
        )
        points = series("HANDEL", "", By.HOUR, day, day, rolled)
        assert sum(point.full_minutes for point in points) == quarters


# --- how many do you need ----------------------------------------------------------------------------------


def test_needs_tell_what_fewer_and_more_seats_would_have_meant(used: ErpClient, viewer: Visitor) -> None:
    found = {row[0]: row[2] for row in cells(viewer, "needs", "HANDEL")}
    # With one seat ewa.kot is refused as well as jan.lis; with three everybody is served.
    assert (found["0"], found["2"], found["3"]) == ("5", "1", "0")
    assert found["1"] == "2"
    assert "as many as now" in viewer.reads("needs", "HANDEL")


def test_needs_of_an_uncounted_module_are_none(used: ErpClient, viewer: Visitor) -> None:
    assert "This module is not counted" in viewer.reads("needs", "KASA")


def test_needs_say_which_days_could_not_be_replayed(used: ErpClient, viewer: Visitor) -> None:
    UsageDay.objects.filter(module="HANDEL").update(what_if={})
    assert "1 day of this period could not be replayed" in viewer.reads("needs", "HANDEL")


def test_needs_of_a_module_without_use_say_so(used: ErpClient, viewer: Visitor) -> None:
    assert "The module was not used in this period" in viewer.reads("needs", "BI")


def test_needs_as_csv_are_numbers_to_a_spreadsheet(used: ErpClient, viewer: Visitor) -> None:
    rows = cells(viewer, "needs", "HANDEL")
    assert [row[1] for row in rows][:3] == ["-2", "-1", "0"]


# --- refusals ----------------------------------------------------------------------------------------------


def test_refusals_are_counted_by_the_hour_of_the_portals_time(used: ErpClient, viewer: Visitor) -> None:
    (row,) = cells(viewer, "refusal_hours")
    assert (row[0], row[1]) == ("HANDEL", "1")
    assert [hour for hour, count in enumerate(row[2:]) if count == "1"] == [9]
    assert "HANDEL" in viewer.reads("refusal_hours")


def test_without_refusals_the_hours_say_so(viewer: Visitor) -> None:
    assert "Nobody had to do without a module" in viewer.reads("refusal_hours")


def test_the_list_of_refusals_tells_true_ones_from_false_ones(used: ErpClient, viewer: Visitor) -> None:
    assert "False: got it within 10 minutes" in viewer.reads("refusals")
    assert [row[1] for row in cells(viewer, "refusals", kind="true")] == ["ewa.kot"]
    assert [row[1] for row in cells(viewer, "refusals", kind="false")] == ["piotr.lis"]


def test_today_is_the_day_of_the_portals_zone() -> None:
    assert day_of(NOW.replace(hour=23, minute=30)) == NOW.date() + timedelta(days=1)
