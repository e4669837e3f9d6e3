"""The tab "Taken modules"."""

import html
import uuid

import pytest
from django.urls import reverse

from licensing.models import Event, Lease
from licensing.operations.lease_values import HeldLease
from tests.factories import KEY, Portal, make_client, module, take

from .payloads import SCRIPTS
from .visitors import Visitor, foreign_marks, words


@pytest.fixture
def held(portal: Portal) -> list[HeldLease]:
    """Three leases: two of anna.nowak, one of jan.lis."""
    portal.accept(KEY, [module("HANDEL", 5), module("KASA", 5)])
    client = make_client("Optima")
    return [
        take(client, "HANDEL", "KASA", user="anna.nowak", workstation="PC-1"),
        take(client, "HANDEL", user="anna.nowak", workstation="PC-2"),
        take(client, "KASA", user="jan.lis", workstation="PC-3"),
    ]


def live() -> set[str]:
    return set(Lease.objects.filter(ended_at__isnull=True).values_list("workstation", flat=True))


def test_who_holds_what_is_listed(held: list[HeldLease], viewer: Visitor) -> None:
    text = viewer.reads("leases")
    for part in ("anna.nowak", "jan.lis", "PC-3", "ERP Optima 2026.5.1", "HANDEL", "KASA", "in 30 min"):
        assert part in text


def test_without_leases_the_page_says_so(portal: Portal, viewer: Visitor) -> None:
    assert "Nobody holds a module now" in viewer.reads("leases")


@pytest.mark.parametrize(
    ("query", "shown", "hidden"),
    [
        ({"q": "lis"}, "PC-3", "PC-1"),
        ({"q": "pc-2"}, "PC-2", "PC-3"),
        ({"module": "KASA"}, "PC-3", "PC-2"),
        ({"q": "nobody"}, "Nothing fits", "PC-1"),
    ],
)
def test_the_list_is_filtered(
    query: dict[str, str], shown: str, hidden: str, held: list[HeldLease], viewer: Visitor
) -> None:
    text = viewer.reads("leases", **query)
    assert shown in text
    assert hidden not in text


def test_the_list_is_grouped_by_user(held: list[HeldLease], viewer: Visitor) -> None:
    assert "anna.nowak 2" in viewer.reads("leases", group="user")


def test_a_group_counts_its_leases_on_the_other_pages_too(portal: Portal, viewer: Visitor) -> None:
    portal.accept(KEY, [module("HANDEL", None), module("KASA", None)])
    client = make_client()
    for number in range(101):
        take(client, "HANDEL", user="anna.nowak", workstation=f"PC-{number}")
    take(client, "KASA", user="jan.lis", workstation="PC-1")
    for page in ("1", "2"):
        assert "anna.nowak 101" in viewer.reads("leases", group="user", page=page)
        assert "HANDEL 101" in viewer.reads("leases", group="module", page=page)
    assert "PC-1 2" in viewer.reads("leases", group="workstation")


def test_the_list_refreshes_with_the_same_filters(held: list[HeldLease], viewer: Visitor) -> None:
    text = viewer.get("leases", q="anna", sort="seen").content.decode()
    assert 'hx-get="?q=anna&amp;sort=seen" hx-trigger="every 10s"' in text


def test_a_viewer_sees_no_way_to_release(held: list[HeldLease], viewer: Visitor) -> None:
    assert f"{reverse('release')}?" not in viewer.get("leases").content.decode()


def test_releasing_is_confirmed_after_saying_what_happens(held: list[HeldLease], operator: Visitor) -> None:
    page = operator.post("release", lease=[str(held[0].id), str(held[2].id)])
    assert "Release 2 leases?" in words(page)
    assert "This cannot be undone." in words(page)
    assert "within about 10 min" in words(page)
    assert live() == {"PC-1", "PC-2", "PC-3"}


def test_one_or_several_leases_are_released_with_a_reason(held: list[HeldLease], operator: Visitor) -> None:
    page = operator.post(
        "release", lease=[str(held[0].id), str(held[2].id)], confirmed="yes", reason="went home"
    )
    assert "2 leases were released." in words(page)
    assert live() == {"PC-2"}
    event = Event.objects.filter(kind="lease_released").first()
    assert event is not None
    assert (event.actor, event.data["reason"]) == (operator.user.username, "went home")


def test_all_leases_of_a_user_are_offered_for_release(held: list[HeldLease], operator: Visitor) -> None:
    text = operator.reads("release", user="anna.nowak")
    assert "Release 2 leases?" in text
    assert "PC-3" not in text


def test_releasing_what_has_ended_meanwhile_says_so(held: list[HeldLease], operator: Visitor) -> None:
    page = operator.post("release", lease=[str(uuid.uuid4()), "nonsense"], confirmed="yes")
    assert "have ended by themselves already" in words(page)
    assert len(live()) == 3


def test_who_comes_to_release_without_leases_is_told_nothing_of_them(
    held: list[HeldLease], operator: Visitor
) -> None:
    led = operator.client.get(reverse("release"), follow=True)
    assert led.redirect_chain == [(reverse("leases"), 302)]
    assert "have ended" not in words(led)  # type: ignore[arg-type]


def test_a_viewer_cannot_release(held: list[HeldLease], viewer: Visitor) -> None:
    assert viewer.post("release", lease=str(held[0].id), confirmed="yes").status_code == 403
    assert len(live()) == 3


def test_a_formula_as_a_users_name_is_no_formula_in_the_csv(portal: Portal, viewer: Visitor) -> None:
    portal.accept(KEY, [module("HANDEL", 5)])
    take(make_client(), "HANDEL", user="=cmd|' /C calc'!A0", workstation="@SUM(1)")
    text = viewer.get("leases", format="csv").content.decode("utf-8-sig")
    assert "\n'=cmd|' /C calc'!A0;'@SUM(1);" in text.replace("\r\n", "\n")


@pytest.mark.parametrize("query", ["Łukasz", "łukasz", "ŁUKASZ", "żak", "sz ż", "kasz"])
def test_a_search_minds_no_case_in_polish_letters_either(portal: Portal, viewer: Visitor, query: str) -> None:
    portal.accept(KEY, [module("HANDEL", 5)])
    client = make_client("Źródło")
    take(client, "HANDEL", user="Łukasz Żak")
    take(client, "HANDEL", user="Ewa Lis")
    text = viewer.get("leases", q=query, format="csv").content.decode("utf-8-sig")
    assert ("Łukasz Żak" in text, "Ewa Lis" in text) == (True, False)
    assert "Ewa Lis" in viewer.get("leases", q="źRÓD", format="csv").content.decode("utf-8-sig")
    assert "Lis" not in viewer.get("leases", q="ł_kasz", format="csv").content.decode("utf-8-sig")


@pytest.mark.parametrize("name", ["jan,=1+1", 'jan;"=1+1', "jan\n\t=1+1", "jan, @SUM(1)"])
def test_a_formula_behind_what_may_end_a_cell_is_none(portal: Portal, viewer: Visitor, name: str) -> None:
    portal.accept(KEY, [module("HANDEL", 5)])
    take(make_client(), "HANDEL", user=name)
    text = viewer.get("leases", format="csv").content.decode("utf-8-sig")
    assert "'=1+1" in text or "'@SUM(1)" in text


@pytest.mark.parametrize("first", range(0, len(SCRIPTS), 6))
def test_what_a_program_sends_is_shown_as_text(first: int, portal: Portal, operator: Visitor) -> None:
    portal.accept(KEY, [module("HANDEL", None)])
    payloads = SCRIPTS[first : first + 6]
    leases = [take(make_client(each), "HANDEL", user=each, workstation=each) for each in payloads]
    ids = [str(lease.id) for lease in leases]
    showing = [
        operator.get("leases"),
        operator.get("leases", group="user"),
        operator.get("holders", KEY, "HANDEL"),
        operator.post("release", lease=ids),
    ]
    operator.post("release", lease=ids, confirmed="yes", reason=payloads[0])
    showing.append(operator.get("events"))
    for page in showing:
        for payload in payloads:
            assert html.escape(payload) in page.content.decode()
        assert foreign_marks(page) == []


def test_by_modules_a_lease_stands_under_each_that_it_holds(viewer: Visitor, portal: Portal) -> None:
    portal.accept(KEY, [module("HANDEL", 5), module("KASA", 5)])
    client = make_client()
    take(client, "HANDEL", "KASA", user="both")
    take(client, "KASA", user="one")
    text = viewer.reads("leases", group="module")
    assert text.count("both") == 2
    head, kasa = text.partition("KASA 2")[::2]
    assert "HANDEL 1" in head
    assert "both" in kasa
    assert "one" in kasa
    assert viewer.reads("leases", group="module", module="HANDEL").count("both") == 1
