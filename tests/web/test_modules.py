"""The tab "Available modules"."""

from datetime import date, timedelta

import pytest
from django.test import Client
from django.urls import reverse

from licensing.models import Lease, Refusal
from licensing.operations.leases import checkout
from tests.factories import KEY, NOW, OTHER_KEY, Portal, make_client, module, request, take

from .visitors import Visitor, words


@pytest.fixture
def stocked(portal: Portal) -> Portal:
    """Two keys: HANDEL on both, FAKTURY full, KASA not counted, BI expired."""
    portal.accept(
        KEY,
        [
            module("HANDEL", 5, warranty_until=NOW.date() - timedelta(days=1)),
            module("FAKTURY", 1, expires_on=NOW.date() + timedelta(days=10)),
            module("KASA", None),
            module("BI", 1, expires_on=NOW.date() - timedelta(days=1)),
        ],
    )
    portal.accept(OTHER_KEY, [module("HANDEL", 2, warranty_until=date(2027, 3, 31))])
    take(make_client(), "FAKTURY", user="anna.nowak", workstation="PC-017")
    return portal


def codes(visitor: Visitor, **query: str) -> list[str]:
    """The codes of the list, in its order."""
    import re

    text = visitor.get("modules", **query).content.decode()
    return re.findall(r'class="sub code">([A-Z_0-9]+)<', text)


def test_without_a_key_the_page_leads_to_adding_one(administrator: Visitor) -> None:
    assert "There are no modules yet" in administrator.reads("modules")
    assert reverse("key_add") in administrator.get("modules").content.decode()


def test_without_a_key_a_viewer_is_told_who_can_add_one(viewer: Visitor) -> None:
    assert "An administrator of the portal can add one." in viewer.reads("modules")
    assert reverse("key_add") not in viewer.get("modules").content.decode()


def test_each_module_of_each_key_has_a_row(stocked: Portal, viewer: Visitor) -> None:
    text = viewer.reads("modules")
    assert sorted(codes(viewer)) == ["BI", "FAKTURY", "HANDEL", "HANDEL", "KASA"]
    assert "1 / 1" in text
    assert "not counted" in text
    assert "All seats are taken." in text
    assert "expired: cannot be taken" in text
    assert "passed: only programs built before" in text


def test_module_names_are_in_the_readers_language(stocked: Portal, viewer: Visitor) -> None:
    assert "HANDEL en" in viewer.reads("modules")
    viewer.client.post(reverse("set_language"), {"language": "pl", "next": "/"})
    assert "HANDEL pl" in viewer.reads("modules")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"q": "handel"}, ["HANDEL", "HANDEL"]),
        ({"q": OTHER_KEY}, ["HANDEL"]),
        ({"show": "full"}, ["FAKTURY"]),
        ({"show": "trouble"}, ["BI", "FAKTURY"]),
        ({"show": "free", "q": "a"}, ["HANDEL", "HANDEL", "KASA"]),
        ({"q": "nothing of the kind"}, []),
    ],
)
def test_the_list_is_filtered(
    query: dict[str, str], expected: list[str], stocked: Portal, viewer: Visitor
) -> None:
    assert codes(viewer, sort="code", **query) == expected


@pytest.mark.parametrize(
    ("sort", "first"),
    [("code", "BI"), ("taken", "FAKTURY"), ("free", "FAKTURY"), ("expires", "BI"), ("nonsense", "BI")],
)
def test_the_list_is_sorted(sort: str, first: str, stocked: Portal, viewer: Visitor) -> None:
    assert codes(viewer, sort=sort)[0] == first


def test_htmx_gets_the_list_alone(stocked: Portal, viewer: Visitor) -> None:
    response = viewer.client.get(reverse("modules"), headers={"hx-request": "true"})
    assert "<html" not in response.content.decode()
    assert "HANDEL" in response.content.decode()


def test_no_cache_takes_a_list_for_its_page(stocked: Portal, viewer: Visitor) -> None:
    for headers in ({}, {"hx-request": "true"}):
        assert "HX-Request" in viewer.client.get(reverse("modules"), headers=headers)["Vary"]


def test_the_list_comes_as_csv(stocked: Portal, viewer: Visitor) -> None:
    response = viewer.get("modules", format="csv", sort="code")
    lines = response.content.decode("utf-8-sig").splitlines()
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert lines[0].startswith("Module;Code;Virtual key;Bought")
    assert lines[1].startswith("BI en;BI;5000006622;1;0;1")
    assert len(lines) == 6


def test_a_module_tells_who_holds_it(stocked: Portal, viewer: Visitor) -> None:
    text = viewer.reads("holders", KEY, "FAKTURY")
    assert "anna.nowak" in text
    assert "PC-017" in text
    assert "Nobody holds this module now" in viewer.reads("holders", KEY, "KASA")


def test_a_seat_is_freed_from_the_list_of_its_holders(
    stocked: Portal, viewer: Visitor, operator: Visitor
) -> None:
    lease = Lease.objects.get(user="anna.nowak")
    way = f'href="{reverse("release")}?lease={lease.id}"'
    assert way in operator.get("holders", KEY, "FAKTURY").content.decode()
    assert way not in viewer.get("holders", KEY, "FAKTURY").content.decode()


def test_holders_of_a_module_held_by_many_are_listed_by_the_hundred(portal: Portal, viewer: Visitor) -> None:
    portal.accept(KEY, [module("HANDEL", 120)])
    client = make_client()
    checkout([request(client, "HANDEL", user=f"user.{n:03}") for n in range(103)], NOW)
    assert "user.099" in viewer.reads("holders", KEY, "HANDEL")
    second = viewer.reads("holders", KEY, "HANDEL", page="2")
    assert "user.102" in second
    assert "user.099" not in second


def test_a_long_list_is_sent_compressed_to_who_can_read_it(stocked: Portal, viewer: Visitor) -> None:
    response = viewer.client.get(reverse("modules"), headers={"accept-encoding": "gzip"})
    assert response["Content-Encoding"] == "gzip"


def test_a_module_that_is_not_there_is_a_404(stocked: Portal, viewer: Visitor) -> None:
    assert viewer.get("holders", OTHER_KEY, "KASA").status_code == 404


def test_a_holder_whose_time_is_over_is_not_named(stocked: Portal, viewer: Visitor) -> None:
    import time_machine

    with time_machine.travel(NOW + timedelta(minutes=31), tick=False):
        assert "anna.nowak" not in viewer.reads("holders", KEY, "FAKTURY")


def test_the_refusals_tell_who_was_refused_what_and_why(stocked: Portal, viewer: Visitor) -> None:
    client = make_client()
    checkout([request(client, "HANDEL", "FAKTURY", user="jan.lis"), request(client, "XYZ")], NOW)
    text = viewer.reads("refusals")
    assert "jan.lis" in text
    assert "All seats are taken." in text
    assert "No active key has this module." in text
    assert "jan.lis" not in viewer.reads("refusals", code="module_unknown")
    assert "jan.lis" in viewer.reads("refusals", q="FAKTURY")
    assert "jan.lis" in viewer.get("refusals", format="csv").content.decode()
    assert Refusal.objects.count() == 2


def test_nobody_reads_the_modules_without_logging_in(stocked: Portal, nobody: Client) -> None:
    response = nobody.get(reverse("modules"), follow=True)
    assert "HANDEL" not in words(response)  # type: ignore[arg-type]
