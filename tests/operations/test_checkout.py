"""Checkout: what is given, what is refused, and in which words."""

from datetime import date, datetime, timedelta
from uuid import RFC_4122, UUID

import msgspec
import pytest

from licensing.models import Configuration, ErpClient, Lease, Refusal
from licensing.operations.errors import Refused
from licensing.operations.leases import Checkout, CheckoutRequest, LeaseCall, Program, checkout, look
from tests.factories import KEY, NOW, OTHER_KEY, Portal, give_back, make_client, module, request, take

pytestmark = pytest.mark.django_db

INACTIVITY = timedelta(seconds=1800)
YESTERDAY = NOW.date() - timedelta(days=1)


@pytest.fixture
def client() -> ErpClient:
    return make_client()


def refusal(client: ErpClient, *modules: str, now: datetime = NOW, **changes: object) -> Refused:
    """The refusal of a checkout that must be refused."""
    (outcome,) = checkout([request(client, *modules, **changes)], now)
    assert isinstance(outcome, Refused)
    return outcome


def leases(outcomes: list[Checkout | Refused]) -> list[str]:
    """What became of each request of a batch, in short."""
    return [outcome.code if isinstance(outcome, Refused) else "given" for outcome in outcomes]


# --- what is given ------------------------------------------------------------------------------------


def test_checkout_gives_the_lowest_free_seat_of_each_module(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module("HANDEL", 5), module("KASA", 5)])
    first = take(client, "HANDEL", "KASA")
    second = take(client, "HANDEL")
    give_back(client, first, NOW)
    third = take(client, "HANDEL")
    assert [(held.code, held.seat) for held in first.modules] == [("HANDEL", 1), ("KASA", 1)]
    assert second.modules[0].seat == 2
    assert third.modules[0].seat == 1


def test_checkout_tells_no_seat_of_a_module_that_is_not_counted(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module("SRODKI_TRWALE", None)])
    assert [take(client, "SRODKI_TRWALE").modules[0].seat for _ in range(3)] == [None] * 3


def test_lease_ends_after_the_inactivity_time(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module()])
    Configuration.objects.filter(pk=1).update(inactivity_seconds=70)
    lease = take(client)
    assert lease.expires_at == NOW + timedelta(seconds=70)
    assert lease.inactivity_seconds == 70
    assert lease.state == "active"


def test_lease_never_outlives_its_contact_deadline(portal: Portal, client: ErpClient) -> None:
    key = portal.accept(KEY, [module()], life=timedelta(minutes=10))
    lease = take(client)
    assert lease.expires_at == lease.contact_deadline == NOW + timedelta(minutes=10)
    assert lease.keys[KEY].grant_jws == key.grant


def test_lease_never_outlives_a_module_of_it(portal: Portal, client: ErpClient) -> None:
    late = datetime.combine(NOW.date(), datetime.max.time(), NOW.tzinfo) - timedelta(minutes=5)
    portal.accept(KEY, [module("HANDEL", 5, expires_on=NOW.date()), module("KASA", 5)], late)
    lease = take(client, "KASA", "HANDEL", now=late)
    assert lease.expires_at == datetime.combine(
        NOW.date() + timedelta(days=1), datetime.min.time(), NOW.tzinfo
    )
    assert Lease.objects.get(id=lease.id).expires_as == "module_expired"


def test_checkout_tells_dates_and_deadline_of_its_modules(portal: Portal, client: ErpClient) -> None:
    good = date(2027, 3, 31)
    portal.accept(KEY, [module("HANDEL", 5, warranty_until=good), module("KASA", 5, expires_on=good)])
    handel, kasa = take(client, "HANDEL", "KASA").modules
    assert (handel.expires_on, handel.warranty_until) == (None, good)
    assert (kasa.expires_on, kasa.warranty_until) == (good, None)


def test_lease_id_is_a_random_uuid(portal: Portal, client: ErpClient) -> None:
    """All of its 122 bits: the contract calls it unguessable."""
    portal.accept(KEY, [module()])
    given = {take(client).id for _ in range(5)}
    assert {(str(UUID(text)), UUID(text).version, UUID(text).variant) for text in given} == {
        (text, 4, RFC_4122) for text in given
    }
    for start in range(0, 36, 9):
        assert len({text[start : start + 8] for text in given}) == 5


# --- which key ----------------------------------------------------------------------------------------


def test_key_with_the_furthest_contact_deadline_is_chosen(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module()], life=timedelta(hours=10))
    portal.accept(OTHER_KEY, [module()], life=timedelta(hours=20))
    assert take(client).modules[0].key == OTHER_KEY


def test_of_equal_deadlines_the_lowest_key_number_is_chosen(portal: Portal, client: ErpClient) -> None:
    portal.accept(OTHER_KEY, [module()])
    portal.accept(KEY, [module()])
    assert take(client).modules[0].key == KEY


def test_key_is_chosen_module_by_module(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module("HANDEL", 1), module("KASA", 1)])
    portal.accept(OTHER_KEY, [module("HANDEL", 1)])
    take(client, "HANDEL")
    assert [(m.code, m.key) for m in take(client, "HANDEL", "KASA").modules] == [
        ("HANDEL", OTHER_KEY),
        ("KASA", KEY),
    ]


def test_contact_deadline_is_the_earliest_of_the_keys_of_the_lease(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module("HANDEL")], life=timedelta(hours=10))
    portal.accept(OTHER_KEY, [module("KASA")], life=timedelta(hours=20))
    lease = take(client, "HANDEL", "KASA")
    assert lease.contact_deadline == NOW + timedelta(hours=10)
    assert set(lease.keys) == {KEY, OTHER_KEY}


def test_key_asked_for_is_the_only_one_tried(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module("HANDEL", 1)])
    portal.accept(OTHER_KEY, [module("HANDEL", 1), module("KASA", 1)])
    assert take(client, key=KEY).modules[0].key == KEY
    assert refusal(client, key=KEY).code == "no_free_seat"
    unknown = refusal(client, "KASA", key=KEY)
    assert (unknown.code, unknown.data) == ("module_unknown", {"modules": ["KASA"]})


# --- all or none, and optional ones -------------------------------------------------------------------


def test_required_modules_are_taken_all_or_none(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module("HANDEL", 1), module("KASA", 1)])
    take(client, "KASA")
    assert refusal(client, "HANDEL", "KASA").code == "no_free_seat"
    assert take(client, "HANDEL").modules[0].seat == 1


def test_optional_module_is_taken_if_it_can_be(portal: Portal, client: ErpClient) -> None:
    portal.accept(
        KEY,
        [
            module("HANDEL"),
            module("CRM", 1),
            module("BI", 1),
            module("OLD", 1, expires_on=YESTERDAY),
            module("WAR", 1, warranty_until=date(2020, 1, 1)),
        ],
    )
    take(client, "BI")
    lease = take(client, "HANDEL", optional=("CRM", "BI", "NONE", "OLD", "WAR"))
    assert [held.code for held in lease.modules] == ["HANDEL", "CRM"]
    assert lease.not_taken == (
        ("BI", "no_free_seat"),
        ("NONE", "module_unknown"),
        ("OLD", "module_expired"),
        ("WAR", "warranty_expired"),
    )
    assert look(LeaseCall(client.pk, lease.id), NOW) == msgspec.structs.replace(lease, limit=None)


def test_optional_module_is_looked_for_on_the_key_asked_alone(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module("HANDEL")])
    portal.accept(OTHER_KEY, [module("CRM")])
    assert take(client, key=KEY, optional=("CRM",)).not_taken == (("CRM", "module_unknown"),)


# --- refusals, in their order ---------------------------------------------------------------------------


def test_checkout_names_the_modules_that_no_active_key_has(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module("HANDEL")])
    found = refusal(client, "HANDEL", "X", "Y")
    assert (found.code, found.data) == ("module_unknown", {"modules": ["X", "Y"]})


def test_key_that_is_not_active_here_is_unknown(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module("HANDEL")])
    assert refusal(client, "X", key=OTHER_KEY).code == "key_unknown"


def test_checkout_refuses_an_expired_module_with_its_last_good_day(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module(expires_on=YESTERDAY)])
    found = refusal(client)
    assert (found.code, found.data) == ("module_expired", {"expires_on": YESTERDAY})


def test_module_is_good_on_its_last_good_day(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module(expires_on=NOW.date())])
    end = datetime(2026, 11, 25, tzinfo=NOW.tzinfo)
    assert take(client, now=end - timedelta(microseconds=1)).expires_at == end
    assert refusal(client, now=end).code == "module_expired"


def test_checkout_refuses_when_contact_is_lost_to_the_instant(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module()])
    deadline = NOW + timedelta(hours=72)
    assert take(client, now=deadline - timedelta(microseconds=1)).expires_at == deadline
    found = refusal(client, now=deadline)
    assert (found.code, found.data) == ("contact_lost", {"contact_deadline": deadline})


def test_checkout_refuses_a_program_built_after_the_warranty(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module(warranty_until=date(2026, 8, 31))])
    found = refusal(client, program=Program("ERP", "1", date(2026, 9, 1)))
    assert (found.code, found.data) == ("warranty_expired", {"warranty_until": date(2026, 8, 31)})
    assert take(client, program=Program("ERP", "1", date(2026, 8, 31)))


def test_program_without_a_day_needs_a_warranty_that_has_not_passed(
    portal: Portal, client: ErpClient
) -> None:
    portal.accept(
        KEY, [module("HANDEL", warranty_until=YESTERDAY), module("KASA", warranty_until=NOW.date())]
    )
    nameless = Program("ERP", "1", None)
    assert refusal(client, "HANDEL", program=nameless).code == "warranty_expired"
    assert take(client, "KASA", program=nameless)


def test_program_built_within_a_passed_warranty_may_take_the_module(
    portal: Portal, client: ErpClient
) -> None:
    portal.accept(KEY, [module(warranty_until=YESTERDAY)])
    assert take(client, program=Program("ERP", "1", date(2020, 1, 1)))


def test_of_several_refusals_the_first_of_the_table_is_told(portal: Portal, client: ErpClient) -> None:
    portal.accept(
        KEY,
        [
            module("FULL", 0),
            module("WAR", 5, warranty_until=date(2020, 1, 1)),
            module("OLD", 5, expires_on=YESTERDAY),
        ],
    )
    portal.accept(OTHER_KEY, [module("LOST")], NOW - timedelta(hours=80))
    assert refusal(client, "FULL", "WAR", "LOST", "OLD", "NONE").code == "module_unknown"
    assert refusal(client, "FULL", "WAR", "LOST", "OLD").code == "module_expired"
    assert refusal(client, "FULL", "WAR", "LOST").code == "contact_lost"
    assert refusal(client, "FULL", "WAR").code == "warranty_expired"
    assert refusal(client, "FULL").code == "no_free_seat"


def test_module_on_several_keys_is_refused_with_the_last_reason_of_one(
    portal: Portal, client: ErpClient
) -> None:
    portal.accept(KEY, [module(expires_on=YESTERDAY)])
    portal.accept(OTHER_KEY, [module()], NOW - timedelta(hours=72))
    assert refusal(client).code == "contact_lost"
    portal.accept("5000006624", [module(warranty_until=date(2020, 1, 1))])
    assert refusal(client).code == "warranty_expired"
    portal.accept("5000006625", [module("HANDEL", 0)])
    assert refusal(client).code == "no_free_seat"


def test_refusal_that_two_keys_give_tells_the_later_date(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module(expires_on=YESTERDAY)])
    portal.accept(OTHER_KEY, [module(expires_on=YESTERDAY - timedelta(days=5))])
    assert refusal(client).data == {"expires_on": YESTERDAY}


def test_refusal_has_a_sentence_that_names_the_module(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module(expires_on=YESTERDAY)])
    assert "HANDEL" in str(refusal(client).detail)


# --- no free seat -------------------------------------------------------------------------------------


def test_checkout_refuses_when_all_seats_are_taken(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module("HANDEL", 2)])
    take(client)
    take(client, now=NOW + timedelta(seconds=5), user="jan.kos", workstation="PC-018")
    found = refusal(client, now=NOW + timedelta(seconds=10))
    assert found.code == "no_free_seat"
    assert found.data["retry_after"] == 1790
    assert found.data["modules"] == [
        {
            "code": "HANDEL",
            "seats": 2,
            "taken": 2,
            "next_free_at": NOW + INACTIVITY,
            "holders": [
                {"workstation": "PC-017", "user": "anna.nowak", "taken_at": NOW, "last_seen_at": NOW},
                {
                    "workstation": "PC-018",
                    "user": "jan.kos",
                    "taken_at": NOW + timedelta(seconds=5),
                    "last_seen_at": NOW + timedelta(seconds=5),
                },
            ],
        }
    ]


def test_holders_are_not_named_where_the_administrator_does_not_want_it(
    portal: Portal, client: ErpClient
) -> None:
    portal.accept(KEY, [module("HANDEL", 1)])
    Configuration.objects.filter(pk=1).update(name_holders=False)
    take(client)
    (full,) = refusal(client).data["modules"]
    assert (full["taken"], full["holders"]) == (1, [])


def test_full_module_without_seats_is_never_free_by_itself(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module("HANDEL", 0)])
    found = refusal(client)
    assert found.data["modules"][0]["next_free_at"] is None
    assert "retry_after" not in found.data


def test_numbers_of_a_full_module_are_summed_over_the_keys_that_are_only_full(
    portal: Portal, client: ErpClient
) -> None:
    portal.accept(KEY, [module("HANDEL", 1)])
    portal.accept(OTHER_KEY, [module("HANDEL", 2)])
    portal.accept("5000006624", [module("HANDEL", 7, expires_on=YESTERDAY)])
    for second in range(3):
        take(client, now=NOW + timedelta(seconds=second))
    (full,) = refusal(client, now=NOW + timedelta(seconds=9)).data["modules"]
    assert (full["seats"], full["taken"], len(full["holders"])) == (3, 3, 3)
    assert full["next_free_at"] == NOW + INACTIVITY


def test_only_the_full_ones_of_the_required_modules_are_named(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module("HANDEL", 1), module("KASA", 5), module("BI", 1)])
    take(client, "HANDEL", "BI")
    found = refusal(client, "HANDEL", "KASA", "BI")
    assert [full["code"] for full in found.data["modules"]] == ["HANDEL", "BI"]


def test_next_free_seat_counts_what_is_held_beyond_the_seats(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module("HANDEL", 3)])
    for second in range(3):
        take(client, now=NOW + timedelta(seconds=second))
    later = NOW + timedelta(minutes=1)
    portal.accept(KEY, [module("HANDEL", 2)], later)
    (full,) = refusal(client, now=later).data["modules"]
    # Of three held, two must end before the number held is below two.
    assert (full["seats"], full["taken"]) == (2, 3)
    assert full["next_free_at"] == NOW + INACTIVITY + timedelta(seconds=1)


def test_retry_after_is_at_least_a_second(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module("HANDEL", 1)])
    take(client)
    found = refusal(client, now=NOW + INACTIVITY - timedelta(microseconds=1))
    assert found.data["retry_after"] == 1


# --- what time does -------------------------------------------------------------------------------------


def test_overdue_lease_is_taken_over_whether_or_not_a_worker_ran(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module("HANDEL", 1)])
    first = take(client)
    assert refusal(client, now=first.expires_at - timedelta(microseconds=1)).code == "no_free_seat"
    second = take(client, now=first.expires_at)
    assert second.modules[0].seat == 1
    ended = Lease.objects.get(id=first.id)
    assert (ended.ended_at, ended.ended_reason) == (first.expires_at, "expired")


def test_lease_that_ended_at_its_contact_deadline_lost_contact(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module("HANDEL", 1)])
    lease = take(client, now=NOW + timedelta(hours=71, minutes=50))
    # A worker that comes only after the contact is back finds the true reason all the same.
    portal.accept(KEY, [module("HANDEL", 1)], NOW + timedelta(hours=73))
    assert look(LeaseCall(client.pk, lease.id), NOW + timedelta(hours=73)).ended_reason == "contact_lost"


# --- batches --------------------------------------------------------------------------------------------


def test_requests_of_a_batch_are_judged_in_their_order(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module("HANDEL", 2), module("KASA", 1)])
    outcomes = checkout(
        [
            request(client, "HANDEL", "KASA"),
            request(client, "HANDEL", "KASA"),
            request(client, "X"),
            request(client, "HANDEL"),
            request(client, "HANDEL"),
        ],
        NOW,
    )
    assert leases(outcomes) == ["given", "no_free_seat", "module_unknown", "given", "no_free_seat"]
    last = outcomes[-1]
    assert isinstance(last, Refused)
    assert last.data["modules"][0]["taken"] == 2


def test_refusal_leaves_its_neighbours_alone(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module("HANDEL", 64)])
    batch = [request(client, "HANDEL" if place % 2 else "X", user=f"u{place}") for place in range(64)]
    outcomes = checkout(batch, NOW)
    assert leases(outcomes) == ["module_unknown", "given"] * 32
    assert Lease.objects.count() == 32


def test_batch_takes_more_seats_than_ever_before(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module("HANDEL", 10), module("KASA", None)])
    take(client, "HANDEL")
    outcomes = checkout([request(client, "HANDEL", "KASA") for _ in range(12)], NOW)
    assert leases(outcomes) == ["given"] * 9 + ["no_free_seat"] * 3


def test_refusals_of_a_batch_read_the_holders_once_for_all(
    portal: Portal, client: ErpClient, django_assert_max_num_queries
) -> None:
    portal.accept(KEY, [module(f"M{place}", 2) for place in range(5)])
    codes = [f"M{place}" for place in range(5)]
    take(client, *codes)
    take(client, *codes)
    with django_assert_max_num_queries(16):  # 7 of them read the terms, which the engine keeps
        outcomes = checkout([request(client, *codes) for _ in range(20)], NOW)
    assert leases(outcomes) == ["no_free_seat"] * 20
    told = [outcome.data["modules"] for outcome in outcomes if isinstance(outcome, Refused)]
    # The same object, for a long one is then rendered once, too.
    assert all(module is first for modules in told for module, first in zip(modules, told[0], strict=True))
    assert all(full["holders"][1] is told[0][0]["holders"][1] for full in told[0])


def test_statements_of_a_batch_do_not_grow_with_it(
    portal: Portal, client: ErpClient, django_assert_max_num_queries
) -> None:
    portal.accept(KEY, [module(f"M{place}", 100) for place in range(5)])
    codes = [f"M{place}" for place in range(5)]

    def batch(size: int, turn: int) -> list[CheckoutRequest]:
        return [request(client, *codes, idempotency_key=f"{turn}/{place}") for place in range(size)]

    checkout(batch(2, 0), NOW)
    with django_assert_max_num_queries(16):  # 7 of them read the terms, which the engine keeps
        checkout(batch(64, 1), NOW)


# --- repeated calls -------------------------------------------------------------------------------------


def repeated(
    client: ErpClient, now: datetime = NOW, body: str = "a", **changes: object
) -> Checkout | Refused:
    return checkout([request(client, idempotency_key="once", body_sha256=body, **changes)], now)[0]


def test_repeated_call_gives_the_same_lease_and_takes_nothing_more(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module("HANDEL", 1)])
    first, second = repeated(client), repeated(client, NOW + timedelta(seconds=1))
    assert isinstance(first, Checkout)
    assert isinstance(second, Checkout)
    assert (first.replayed, second.replayed) == (False, True)
    assert second.lease == msgspec.structs.replace(first.lease, limit=None)
    assert Lease.objects.count() == 1


def test_repeated_call_tells_the_lease_as_it_now_is(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module("HANDEL", 1)])
    first = repeated(client)
    assert isinstance(first, Checkout)
    give_back(client, first.lease, NOW)
    second = repeated(client)
    assert isinstance(second, Checkout)
    assert (second.lease.id, second.lease.state, second.lease.ended_reason) == (
        first.lease.id,
        "ended",
        "returned",
    )


def test_repeated_call_after_the_lease_expired_tells_so(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module("HANDEL", 1)])
    repeated(client)
    second = repeated(client, NOW + INACTIVITY)
    assert isinstance(second, Checkout)
    assert (second.lease.state, second.lease.ended_reason) == ("ended", "expired")


def test_idempotency_key_with_another_body_is_refused(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module()])
    repeated(client)
    second = repeated(client, body="b")
    assert isinstance(second, Refused)
    assert second.code == "idempotency_key_reused"
    assert Refusal.objects.get().code == "idempotency_key_reused"


def test_idempotency_key_is_forgotten_after_24_hours_tidied_or_not(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module()])
    first = repeated(client)
    just_within = repeated(client, NOW + timedelta(hours=24) - timedelta(microseconds=1), body="b")
    anew = repeated(client, NOW + timedelta(hours=24), body="b")
    assert isinstance(just_within, Refused)
    assert isinstance(first, Checkout)
    assert isinstance(anew, Checkout)
    assert not anew.replayed
    assert anew.lease.id != first.lease.id


def test_idempotency_key_of_another_client_is_another_one(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module()])
    assert leases([repeated(client), repeated(make_client(), body="b")]) == ["given", "given"]
    assert Lease.objects.count() == 2


def test_only_a_success_is_remembered(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module("HANDEL", 1)])
    other = take(client)
    assert leases([repeated(client)]) == ["no_free_seat"]
    give_back(client, other, NOW)
    assert leases([repeated(client)]) == ["given"]


def test_repetition_within_one_batch_takes_one_seat(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module()])
    once = request(client, idempotency_key="once", body_sha256="a")
    other = request(client, idempotency_key="once", body_sha256="b")
    first, second, third = checkout([once, once, other], NOW)
    assert isinstance(first, Checkout)
    assert isinstance(second, Checkout)
    assert (first.replayed, second.replayed) == (False, True)
    assert second.lease.id == first.lease.id
    assert leases([third]) == ["idempotency_key_reused"]


# --- the record -------------------------------------------------------------------------------------------


def test_every_refused_checkout_is_recorded(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module("HANDEL", 0), module("KASA")])
    refusal(client, "HANDEL", "KASA", optional=("CRM",), user="jan.kos")
    refusal(client, "X")
    refusal(client, key=OTHER_KEY)
    first, second, third = Refusal.objects.order_by("id")
    assert (first.code, first.modules, first.causes) == (
        "no_free_seat",
        ["HANDEL", "KASA", "CRM"],
        ["HANDEL"],
    )
    assert (first.at, first.client, first.user, first.workstation) == (NOW, client, "jan.kos", "PC-017")
    assert (first.program_name, first.program_version) == ("ERP Optima", "2026.5.1")
    assert (second.code, second.causes) == ("module_unknown", ["X"])
    assert (third.code, third.causes) == ("key_unknown", [])


def test_names_are_kept_as_they_were_given(portal: Portal, client: ErpClient) -> None:
    portal.accept(KEY, [module()])
    lease = take(client, user='Łukasz "Żółw" 🦊 \\', workstation="%s; DROP")
    stored = Lease.objects.get(id=lease.id)
    assert (stored.user, stored.workstation) == ('Łukasz "Żółw" 🦊 \\', "%s; DROP")
    assert stored.modules == [{"code": "HANDEL", "key": KEY, "seat": 1}]
    assert stored.built_on == date(2026, 9, 1)
