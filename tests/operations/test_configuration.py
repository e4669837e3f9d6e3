"""Changing the Configuration."""

from typing import Any

import pytest

from licensing.models import Configuration, Event, Installation, Role
from licensing.operations.actors import COMMAND, Actor
from licensing.operations.configuration import (
    addresses,
    change_configuration,
    changes_of_restoring,
    configuration,
    configuration_and_secrets,
    restore_defaults,
)
from licensing.operations.errors import Refused
from tests.factories import NOW, Portal

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _portal(portal: Portal) -> None:
    """There is an installation."""


def change(**fields: Any) -> list[str]:
    return [change.field for change in change_configuration(NOW, COMMAND, **fields)]


def refused_fields(**fields: Any) -> set[str]:
    with pytest.raises(Refused) as refusal:
        change_configuration(NOW, COMMAND, **fields)
    assert refusal.value.code == "validation_failed"
    return set(refusal.value.data["errors"])


def proxy_password() -> str | None:
    return Configuration.objects.get(pk=1).proxy_password


def test_change_stores_what_is_given_and_leaves_the_rest() -> None:
    assert change(inactivity_seconds=70) == ["inactivity_seconds"]
    row = configuration()
    assert (row.inactivity_seconds, row.name_holders) == (70, True)


def test_reading_the_configuration_takes_one_query_and_opens_no_password(
    django_assert_num_queries: Any,
) -> None:
    change(proxy_host="proxy.lan", proxy_port=3128, proxy_password="sekret")
    with django_assert_num_queries(1):
        row = configuration()
        assert row.proxy_host == "proxy.lan"
    assert row.get_deferred_fields() == {"proxy_password", "smtp_password"}


@pytest.mark.parametrize("seconds", [69, 86401, 0, -1])
def test_inactivity_time_is_held_within_70_and_86400_seconds(seconds: int) -> None:
    assert refused_fields(inactivity_seconds=seconds) == {"inactivity_seconds"}
    assert configuration().inactivity_seconds == 1800


@pytest.mark.parametrize("seconds", [70, 86400])
def test_the_ends_of_the_inactivity_time_are_allowed(seconds: int) -> None:
    assert change(inactivity_seconds=seconds) == ["inactivity_seconds"]


@pytest.mark.parametrize(
    "fields",
    [
        {"log_level": 4},
        {"proxy_host": "http://proxy.lan", "proxy_port": 3128},
        {"proxy_host": "proxy.lan:3128", "proxy_port": 3128},
        {"proxy_host": "proxy.lan/x", "proxy_port": 3128},
        {"proxy_host": "proxy.lan"},
        {"proxy_port": 3128},
        {"proxy_host": "proxy.lan", "proxy_port": 65536},
        {"proxy_host": "proxy.lan", "proxy_port": 0},
        {"smtp_host": "mail.lan"},
        {"smtp_port": 0},
        {"smtp_security": "ssl"},
        {"mail_sender": "nobody"},
        {"admin_email": "one@example.com, two"},
        {"clustered": True},
    ],
)
def test_a_setting_that_cannot_work_is_refused_and_nothing_is_stored(fields: dict[str, Any]) -> None:
    assert refused_fields(**fields)
    assert changes_of_restoring() == []


@pytest.mark.parametrize("host", ["proxy.lan", "10.0.0.5", "fd00::1", "[fd00::1]", "żółw.lan", "PROXY"])
def test_a_proxy_is_a_name_or_an_address(host: str) -> None:
    assert change(proxy_host=host, proxy_port=3128) == ["proxy_host", "proxy_port"]


@pytest.mark.parametrize(
    "host",
    ["256.1.1.1", "1.2.3", "proxy.1", "[10.0.0.5]", "fd00::1::2", "[fd00", "-proxy", "a..b", "<b>"],
)
def test_a_host_that_can_be_none_is_refused(host: str) -> None:
    assert refused_fields(proxy_host=host, proxy_port=3128) == {"proxy_host"}
    assert refused_fields(smtp_host=host, mail_sender="km@firma.example") == {"smtp_host"}


@pytest.mark.parametrize("number", ["714", "7148", "+48123456789", "+123456789012345", ""])
def test_a_number_for_sms_has_3_to_15_digits(number: str) -> None:
    change(activation_sms=number)
    assert configuration().activation_sms == number


@pytest.mark.parametrize("number", ["abc", "71", "1234567890123456", "+", "7148;x", "48 12", "٧١٤٨"])
def test_anything_else_is_no_number_for_sms(number: str) -> None:
    assert refused_fields(activation_sms=number) == {"activation_sms"}


@pytest.mark.parametrize("number", ["+48 12 681 4300", "(12) 681-43-00", "7148", ""])
def test_a_telephone_number_is_kept_as_it_is_written(number: str) -> None:
    change(activation_phone=number)
    assert configuration().activation_phone == number


@pytest.mark.parametrize("number", ["<b>", "+-()", "12", "call us"])
def test_a_telephone_number_is_made_of_digits(number: str) -> None:
    assert refused_fields(activation_phone=number) == {"activation_phone"}


def test_an_unknown_setting_is_a_fault_of_the_caller() -> None:
    with pytest.raises(TypeError, match="colour"):
        change(colour="red")


def test_several_addresses_of_administrators_are_kept_in_one_shape() -> None:
    change(admin_email=" a@example.com;b@example.com  c@example.com ")
    assert configuration().admin_email == "a@example.com, b@example.com, c@example.com"
    assert addresses(configuration().admin_email) == ["a@example.com", "b@example.com", "c@example.com"]


def test_a_password_is_stored_sealed_and_kept_when_none_is_given() -> None:
    change(proxy_host="proxy.lan", proxy_port=3128, proxy_password="zażółć")
    assert change(proxy_login="anna", proxy_password=None) == ["proxy_login"]
    assert proxy_password() == "zażółć"
    assert configuration_and_secrets()[1] == {"proxy_password"}


@pytest.mark.parametrize("moved", [{"proxy_host": "other.lan"}, {"proxy_port": 8080}])
def test_moving_to_another_proxy_forgets_the_password_of_the_old_one(moved: dict[str, Any]) -> None:
    change(proxy_host="proxy.lan", proxy_port=3128, proxy_password="sekret")
    assert "proxy_password" in change(**moved)
    assert proxy_password() is None


def test_moving_to_another_proxy_with_a_new_password_keeps_the_new_one() -> None:
    change(proxy_host="proxy.lan", proxy_port=3128, proxy_password="sekret")
    change(proxy_host="other.lan", proxy_password="nowe")
    assert proxy_password() == "nowe"


def test_moving_to_another_smtp_server_forgets_its_password() -> None:
    change(smtp_host="mail.lan", mail_sender="km@example.com", smtp_password="sekret")
    assert "smtp_password" in change(smtp_host="other.lan")
    assert configuration_and_secrets()[1] == frozenset()


def test_an_empty_password_forgets_the_stored_one() -> None:
    change(proxy_host="proxy.lan", proxy_port=3128, proxy_password="sekret")
    assert change(proxy_password="") == ["proxy_password"]
    assert configuration_and_secrets()[1] == frozenset()


def test_a_change_is_recorded_with_who_and_what_but_no_password() -> None:
    actor = Actor("anna", Role.ADMINISTRATOR)
    change_configuration(NOW, actor, proxy_host="proxy.lan", proxy_port=3128, proxy_password="sekret")
    event = Event.objects.get(kind="configuration_changed")
    assert event.actor == "anna"
    assert event.data["changes"] == [
        {"field": "proxy_host", "before": "", "after": "proxy.lan"},
        {"field": "proxy_port", "before": None, "after": 3128},
        {"field": "proxy_password", "before": None, "after": None},
    ]


def test_nothing_is_recorded_where_nothing_changes() -> None:
    assert change(inactivity_seconds=1800, proxy_password="") == []
    assert not Event.objects.filter(kind="configuration_changed").exists()


def test_a_change_tells_caches_that_they_are_old() -> None:
    before = Installation.objects.get(pk=1).version
    change(inactivity_seconds=100)
    assert Installation.objects.get(pk=1).version > before


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR])
def test_only_an_administrator_changes_the_configuration(role: Role) -> None:
    with pytest.raises(Refused, match="not_permitted"):
        change_configuration(NOW, Actor("jan", role), inactivity_seconds=100)
    with pytest.raises(Refused, match="not_permitted"):
        restore_defaults(NOW, Actor("jan", role))


def test_restoring_defaults_puts_everything_back_and_tells_what_changed() -> None:
    change(inactivity_seconds=70, name_holders=False, proxy_host="p", proxy_port=1, proxy_password="x")
    announced = changes_of_restoring()
    assert restore_defaults(NOW, COMMAND) == announced
    assert {change.field for change in announced} == {
        "inactivity_seconds",
        "name_holders",
        "proxy_host",
        "proxy_port",
        "proxy_password",
    }
    assert changes_of_restoring() == []
    assert configuration_and_secrets()[1] == frozenset()
    assert Event.objects.filter(kind="configuration_defaults_restored").count() == 1
