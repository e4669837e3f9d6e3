"""The status light: what it shows, and why."""

from datetime import date, timedelta

from licensing.models import ContactState, Installation, KeyState, PendingRelease, VirtualKey
from licensing.operations.status import status
from tests.factories import KEY, NOW, OTHER_KEY, Portal, module

TODAY = NOW.date()


def lights(portal: Portal) -> tuple[str, tuple[str, ...]]:
    found = status(NOW)
    return found.light, found.reasons


def new_key(number: str, **fields: object) -> None:
    VirtualKey.objects.create(number=number, customer="1", added_at=NOW, **fields)


def test_red_without_any_key(portal: Portal) -> None:
    assert lights(portal) == ("red", ("no_active_key",))
    assert status(NOW).seconds_left is None


def test_red_while_no_key_is_active_yet(portal: Portal) -> None:
    new_key(KEY, refusal="active_elsewhere", active_on="SRV-OLD")
    found = status(NOW)
    assert (found.light, found.reasons) == ("red", ("no_active_key", "key_refused"))
    assert (found.keys[0].state, found.keys[0].refusal, found.keys[0].active_on) == (
        "new",
        "active_elsewhere",
        "SRV-OLD",
    )
    assert found.keys[0].contact_deadline is None


def test_green_when_all_is_well(portal: Portal) -> None:
    portal.accept(KEY, [module("HANDEL", 5, warranty_until=TODAY, expires_on=TODAY + timedelta(days=400))])
    found = status(NOW)
    assert (found.light, found.reasons) == ("green", ())
    assert (found.keys[0].light, found.keys[0].reasons) == ("green", ())
    assert found.keys[0].contact_deadline == NOW + timedelta(hours=72)
    assert (found.keys[0].seconds_left, found.seconds_left) == (72 * 3600, 72 * 3600)
    assert found.keys[0].last_contact_at == NOW
    assert found.server_time == NOW


def test_yellow_when_a_second_key_is_not_active(portal: Portal) -> None:
    portal.accept(KEY, [module()])
    new_key(OTHER_KEY)
    found = status(NOW)
    assert (found.light, found.reasons) == ("green", ())
    assert (found.keys[1].light, found.keys[1].reasons) == ("red", ("no_active_key",))


def test_yellow_when_the_vendor_refused_a_key(portal: Portal) -> None:
    portal.accept(KEY, [module()])
    VirtualKey.objects.update(refusal="suspended")
    assert lights(portal) == ("yellow", ("key_refused",))


def test_yellow_when_the_last_contact_failed(portal: Portal) -> None:
    portal.accept(KEY, [module()])
    ContactState.objects.update(failures=1)
    assert lights(portal) == ("yellow", ("contact_failing",))


def test_a_warranty_is_over_after_its_last_good_day(portal: Portal) -> None:
    portal.accept(KEY, [module(warranty_until=TODAY - timedelta(days=1))])
    assert lights(portal) == ("yellow", ("warranty_expired",))


def test_a_module_is_expiring_from_30_days_before_its_end(portal: Portal) -> None:
    portal.accept(KEY, [module(expires_on=TODAY + timedelta(days=29))])
    assert lights(portal) == ("yellow", ("module_expiring",))
    portal.accept(KEY, [module(expires_on=TODAY + timedelta(days=30))])
    assert lights(portal) == ("green", ())
    portal.accept(KEY, [module(expires_on=TODAY)])
    assert lights(portal) == ("yellow", ("module_expiring",))


def test_a_module_is_expired_after_its_last_good_day(portal: Portal) -> None:
    portal.accept(KEY, [module(expires_on=date(2026, 11, 23))])
    assert lights(portal) == ("yellow", ("module_expired",))


def test_red_when_every_active_key_lost_contact(portal: Portal) -> None:
    portal.accept(KEY, [module()], now=NOW - timedelta(hours=72))
    assert lights(portal) == ("red", ("contact_lost",))
    assert status(NOW).seconds_left == 0


def test_yellow_when_some_keys_lost_contact(portal: Portal) -> None:
    portal.accept(KEY, [module()], now=NOW - timedelta(hours=73))
    portal.accept(OTHER_KEY, [module("KADRY")])
    found = status(NOW)
    assert (found.light, found.reasons) == ("yellow", ("contact_lost",))
    assert [key.light for key in found.keys] == ["red", "green"]


def test_reasons_are_told_in_one_order(portal: Portal) -> None:
    portal.accept(KEY, [module(warranty_until=date(2020, 1, 1), expires_on=TODAY)])
    ContactState.objects.update(failures=3)
    VirtualKey.objects.update(refusal="machine_changed")
    assert status(NOW).reasons == ("contact_failing", "key_refused", "module_expiring", "warranty_expired")


def test_keys_are_ordered_and_pending_releases_stand_apart(portal: Portal) -> None:
    portal.accept(OTHER_KEY, [module()])
    portal.accept(KEY, [module()])
    PendingRelease.objects.create(number="5000009999", removed_at=NOW)
    found = status(NOW)
    assert [key.number for key in found.keys] == [KEY, OTHER_KEY]
    assert found.release_pending == ("5000009999",)


def test_an_active_key_whose_grant_does_not_verify_gives_nothing(portal: Portal) -> None:
    portal.accept(KEY, [module()])
    VirtualKey.objects.update(grant="edited")
    found = status(NOW)
    assert (found.light, found.reasons) == ("red", ("no_active_key",))
    assert found.keys[0].state == KeyState.ACTIVE


def test_an_inactive_key_is_not_told_to_fail_contact(portal: Portal) -> None:
    new_key(KEY, state=KeyState.INACTIVE, refusal="active_elsewhere")
    ContactState.objects.update(failures=1)
    found = status(NOW)
    assert found.keys[0].reasons == ("no_active_key", "key_refused")
    assert "contact_failing" in found.reasons


def test_before_the_first_start_it_is_red_too(db: None) -> None:
    Installation.objects.all().delete()
    assert status(NOW).reasons == ("no_active_key",)
