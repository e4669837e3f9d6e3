"""The tab "Configuration": keys, contact with the vendor, Advanced."""

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
import time_machine
from django.urls import reverse
from django_q.models import OrmQ

from licensing.models import Configuration, ContactAttempt, PendingRelease, QueueHeartbeat, VirtualKey
from licensing.operations.actors import COMMAND
from licensing.operations.configuration import change_configuration, configuration
from licensing.operations.keys import add_key
from licensing.protocol.times import format_instant
from licensing.web.settings_forms import SECTIONS
from tests.factories import KEY, NOW, OTHER_KEY, Portal, module
from tests.smtp import smtp_server

from .visitors import Visitor, words

CREDENTIALS = {"customer": "123456", "number": KEY, "pin": "0427", "email": "anna@example.com"}


@pytest.fixture
def new_key(portal: Portal) -> VirtualKey:
    """A key that the vendor does not accept: a wrong PIN."""
    key = add_key(NOW, COMMAND, KEY, "123456", "9999")
    VirtualKey.objects.update(refusal="wrong_credentials", last_contact_at=NOW)
    return key


# --- keys -----------------------------------------------------------------------------------------------


def test_without_a_key_the_page_says_where_to_find_one(portal: Portal, administrator: Visitor) -> None:
    text = administrator.reads("configuration")
    assert "No virtual key yet" in text
    assert "No virtual key is active." in text
    assert "Update modules" not in text


def test_adding_a_key_stores_it_and_puts_a_contact_into_the_queue(administrator: Visitor) -> None:
    page = administrator.post("key_add", **CREDENTIALS)
    assert VirtualKey.objects.get().number == KEY
    assert OrmQ.objects.count() == 1
    assert f"{KEY} waiting for the vendor" in words(page)


def test_the_first_key_brings_the_administrators_email_into_the_configuration(administrator: Visitor) -> None:
    assert "this one is stored in the Configuration too" in administrator.reads("key_add")
    administrator.post("key_add", **CREDENTIALS)
    assert configuration().admin_email == "anna@example.com"


def test_without_any_email_the_first_key_is_not_added(administrator: Visitor) -> None:
    page = administrator.post("key_add", **CREDENTIALS | {"email": ""})
    assert "This field is required." in words(page)
    assert not VirtualKey.objects.exists()


def test_the_email_is_prefilled_from_the_configuration(administrator: Visitor) -> None:
    change_configuration(NOW, COMMAND, admin_email="ewa@example.com, ola@example.com")
    assert 'value="ewa@example.com"' in administrator.get("key_add").content.decode()
    administrator.post("key_add", **CREDENTIALS | {"email": "jan@example.com"})
    assert configuration().admin_email == "ewa@example.com, ola@example.com"


@pytest.mark.parametrize(
    ("field", "value"), [("number", "1234567890"), ("customer", "abc"), ("pin", "12"), ("pin", "12a4")]
)
def test_a_mistake_in_a_field_is_told_at_the_field(field: str, value: str, administrator: Visitor) -> None:
    page = administrator.post("key_add", **CREDENTIALS | {field: value})
    assert f'id="id_{field}_error"' in page.content.decode()
    assert not VirtualKey.objects.exists()
    assert configuration().admin_email == ""


def test_the_form_warns_that_a_key_is_active_in_one_key_manager_only(administrator: Visitor) -> None:
    assert "may be active in one Key Manager only" in administrator.reads("key_add")


def test_no_pin_comes_back_in_a_page(administrator: Visitor) -> None:
    page = administrator.post("key_add", **CREDENTIALS | {"number": "1", "pin": "7391"})
    assert "7391" not in page.content.decode()


def test_a_refused_key_says_what_to_do_and_can_be_edited(new_key: VirtualKey, administrator: Visitor) -> None:
    assert "does not know this number with this customer id and PIN" in administrator.reads("configuration")
    administrator.post("key_edit", KEY, customer="654321", pin="0427", email="")
    key = VirtualKey.objects.get()
    assert (key.customer, key.pin, key.refusal) == ("654321", "0427", "")


def test_an_active_key_cannot_be_edited(portal: Portal, administrator: Visitor) -> None:
    portal.accept(KEY, [module()])
    assert reverse("key_edit", args=[KEY]) not in administrator.get("configuration").content.decode()
    assert "there is nothing to edit" in administrator.reads("key_edit", KEY)
    page = administrator.post("key_edit", KEY, customer="654321", pin="0427", email="")
    assert VirtualKey.objects.get().customer == "123456"
    assert page.status_code == 200


def test_a_key_to_be_bound_anew_asks_for_its_pin(portal: Portal, administrator: Visitor) -> None:
    portal.accept(KEY, [module()])
    VirtualKey.objects.update(refusal="machine_changed", binding_asked="machine_changed")
    assert "Enter the PIN" in administrator.reads("configuration")
    administrator.post("key_bind", KEY, pin="0427")
    assert VirtualKey.objects.get().pin == "0427"
    assert OrmQ.objects.count() == 1


def test_binding_anew_where_nobody_asks_for_it_says_so(portal: Portal, administrator: Visitor) -> None:
    portal.accept(KEY, [module()])
    assert "is active" in words(administrator.post("key_bind", KEY, pin="0427"))
    assert VirtualKey.objects.get().pin is None


def test_removing_says_what_it_means_and_wants_the_number_typed(
    portal: Portal, administrator: Visitor
) -> None:
    portal.accept(KEY, [module()])
    text = administrator.reads("key_remove", KEY)
    assert "Its modules stop at once:" in text
    assert "“release pending”" in text
    page = administrator.post("key_remove", KEY, number=OTHER_KEY)
    assert "This is not the number of the key that is being removed." in words(page)
    assert VirtualKey.objects.exists()
    administrator.post("key_remove", KEY, number=KEY)
    assert not VirtualKey.objects.exists()
    assert f"Key {KEY} is removed here; its release waits" in administrator.reads("configuration")


def test_removing_a_key_that_was_never_active_says_that_nothing_stops(
    new_key: VirtualKey, administrator: Visitor
) -> None:
    text = administrator.reads("key_remove", KEY)
    assert "This key is not active here: no program loses a module." in text
    assert "Its modules stop at once" not in text


def test_a_number_pasted_in_groups_is_taken_whole(portal: Portal, administrator: Visitor) -> None:
    assert "maxlength" not in number_field(administrator, "key_add")
    administrator.post("key_add", **CREDENTIALS | {"number": " 50000\u00a006622 "})
    assert VirtualKey.objects.get().number == KEY
    assert "maxlength" not in number_field(administrator, "key_remove", KEY)
    administrator.post("key_remove", KEY, number="50000 06622")
    assert not VirtualKey.objects.exists()


def test_a_number_with_a_digit_too_many_is_told_in_our_words(portal: Portal, administrator: Visitor) -> None:
    text = words(administrator.post("key_add", **CREDENTIALS | {"number": "50000 066221"}))
    assert "A key number has ten digits and begins with 50000." in text


def number_field(visitor: Visitor, name: str, *args: object) -> str:
    (field,) = re.findall(r'<input[^>]* name="number"[^>]*>', visitor.get(name, *args).content.decode())
    return str(field)


def test_removing_a_key_that_waits_to_be_bound_anew_asks_for_the_pin(
    portal: Portal, administrator: Visitor
) -> None:
    portal.accept(KEY, [module()])
    VirtualKey.objects.update(refusal="suspended", binding_asked="clone_suspected")
    assert "only a reset by the vendor frees it" in administrator.reads("key_remove", KEY)
    page = administrator.post("key_remove", KEY, number=KEY, pin="")
    assert "Only the vendor can free this key now" in words(page)
    text = administrator.reads("configuration")
    assert f"Key {KEY} is removed here, but only a reset by the vendor frees it" in text


def test_removing_a_key_that_the_vendor_has_unbound_asks_for_no_pin(
    portal: Portal, administrator: Visitor
) -> None:
    portal.accept(KEY, [module()])
    VirtualKey.objects.update(refusal="not_bound", binding_asked="not_bound")
    assert "Enter the PIN" in administrator.reads("configuration")
    assert "only a reset by the vendor frees it" not in administrator.reads("key_remove", KEY)


def test_keys_that_are_not_there_are_404(administrator: Visitor) -> None:
    for name in ("key_edit", "key_bind", "key_remove"):
        assert administrator.get(name, OTHER_KEY).status_code == 404


# --- contact ---------------------------------------------------------------------------------------------


@pytest.fixture
def worker_alive(portal: Portal) -> None:
    QueueHeartbeat.objects.update_or_create(pk=1, defaults={"at": NOW})


def follow(visitor: Visitor, since: str = format_instant(NOW)) -> str:
    return visitor.reads("contact", since=since)


def attempt(outcome: str, **more: object) -> ContactAttempt:
    values = {"started_at": NOW, "finished_at": NOW, "trigger": "button", "outcome": outcome, **more}
    return ContactAttempt.objects.create(**values)


@pytest.fixture
def later() -> Iterator[None]:
    with time_machine.travel(NOW + timedelta(seconds=5), tick=False):
        yield


def test_an_operator_updates_modules(portal: Portal, worker_alive: None, operator: Visitor) -> None:
    portal.accept(KEY, [module()])
    assert "Update modules" in operator.reads("configuration")
    page = operator.post("contact_start")
    assert "Waiting for the worker to begin" in words(page)
    assert "longer than usual" not in words(page)
    assert 'hx-trigger="every 1s"' in page.content.decode()


def test_a_worker_that_stands_still_is_told(portal: Portal, operator: Visitor) -> None:
    portal.accept(KEY, [module()])
    assert "The worker stands still" in operator.reads("modules")
    assert "the worker may stand still" in words(operator.post("contact_start"))


def test_waiting_ends_after_two_minutes(portal: Portal, operator: Visitor) -> None:
    page = operator.get("contact", since=format_instant(NOW - timedelta(minutes=3)))
    assert "Nothing has come of it for two minutes." in words(page)
    assert "every 1s" not in page.content.decode()


def test_a_contact_in_flight_is_shown_as_such(portal: Portal, operator: Visitor) -> None:
    attempt("", finished_at=None)
    assert "The portal is in contact with the vendor" in follow(operator)


def test_the_end_of_a_contact_tells_of_each_key(portal: Portal, later: None, operator: Visitor) -> None:
    portal.accept(KEY, [module()])
    portal.accept(OTHER_KEY, [module()])
    attempt(
        "ok",
        results=[
            {"number": KEY, "result": "granted", "reason": None, "active_on": None},
            {
                "number": OTHER_KEY,
                "result": "refused",
                "reason": "active_elsewhere",
                "active_on": "SRV-OLD",
            },
            {"number": "5000006699", "result": "released", "reason": None, "active_on": None},
            {
                "number": "5000006698",
                "result": "needs_vendor",
                "reason": "wrong_credentials",
                "active_on": None,
            },
        ],
    )
    text = follow(operator)
    assert f"{KEY} granted: its modules are up to date" in text
    assert f"{OTHER_KEY} The key is active in another Key Manager." in text
    assert "It is active on: SRV-OLD." in text
    assert "5000006699 released" in text
    assert "5000006698 Still bound at the vendor: only the vendor’s reset frees it" in text
    assert "add the key again with the right one" in text
    assert "every 1s" not in operator.get("contact", since=format_instant(NOW)).content.decode()


def test_a_failed_contact_tells_why_and_the_way_out(portal: Portal, later: None, operator: Visitor) -> None:
    attempt("dns_failed", params={"host": "licences.example", "port": 443})
    text = follow(operator)
    assert "licences.example" in text
    assert "Update without an internet connection" in text


def test_a_failed_contact_tells_what_is_true_of_each_key(
    portal: Portal, later: None, operator: Visitor
) -> None:
    portal.accept(KEY, [module()])
    add_key(NOW, COMMAND, OTHER_KEY, "123456", "9999")
    VirtualKey.objects.filter(number=OTHER_KEY).update(refusal="wrong_credentials")
    PendingRelease.objects.create(number="5000006699", removed_at=NOW)
    held_back = f"{OTHER_KEY} not asked about until it is edited"
    under_way = attempt("", finished_at=None)
    text = follow(operator)
    assert f"{KEY} waiting for the vendor" in text
    assert held_back in text
    ContactAttempt.objects.filter(pk=under_way.pk).update(finished_at=NOW, outcome="dns_failed")
    text = follow(operator)
    assert f"{KEY} asked about, but no answer has come" in text
    assert held_back in text
    assert "5000006699 release pending: done at the next contact" in text


def test_a_damaged_address_of_the_progress_leads_back(portal: Portal, operator: Visitor) -> None:
    assert operator.get("contact", since="yesterday").status_code == 302


# --- Advanced --------------------------------------------------------------------------------------------


def save(visitor: Visitor, section: str, **fields: object) -> str:
    return words(visitor.post("advanced", section=section, **fields))


def test_a_section_is_saved_by_itself(administrator: Visitor) -> None:
    text = save(administrator, "seats", inactivity_seconds=600)
    assert "2 settings were changed" in text
    row = configuration()
    assert (row.inactivity_seconds, row.name_holders) == (600, False)


def test_what_was_saved_is_told_in_its_section_and_has_the_focus(administrator: Visitor) -> None:
    page = administrator.post("advanced", section="seats", inactivity_seconds=600).content.decode()
    section = page[page.index('id="seats"') : page.index('name="section" value="seats"')]
    assert "2 settings were changed" in section
    assert "autofocus" in section
    assert page.count("settings were changed") == 1


def test_a_value_out_of_its_limits_is_told_at_the_field(administrator: Visitor) -> None:
    text = save(administrator, "seats", inactivity_seconds=69)
    assert "greater than or equal to 70" in text
    assert configuration().inactivity_seconds == 1800


def test_a_rule_between_fields_is_told_at_the_field(administrator: Visitor) -> None:
    page = administrator.post("advanced", section="proxy", proxy_host="proxy.lan")
    assert 'id="id_proxy_port_error"' in page.content.decode()


def test_passwords_are_write_only(administrator: Visitor) -> None:
    fields = {"proxy_host": "proxy.lan", "proxy_port": 3128, "proxy_login": "anna"}
    save(administrator, "proxy", **fields, proxy_password="zażółć gęślą")
    page = administrator.get("advanced")
    assert "zażółć" not in page.content.decode()
    assert "A password is stored." in words(page)
    save(administrator, "proxy", **fields | {"proxy_login": "ewa"}, proxy_password="")
    assert Configuration.objects.get().proxy_password == "zażółć gęślą"
    save(administrator, "proxy", **fields, forget_proxy_password="on")
    assert Configuration.objects.get().proxy_password is None


def test_moving_the_proxy_drops_its_password(administrator: Visitor) -> None:
    save(administrator, "proxy", proxy_host="proxy.lan", proxy_port=3128, proxy_password="sekret")
    save(administrator, "proxy", proxy_host="other.lan", proxy_port=3128)
    assert Configuration.objects.get().proxy_password is None


def test_an_unknown_section_changes_nothing(administrator: Visitor) -> None:
    assert administrator.post("advanced", section="nonsense", log_level=3).status_code == 200
    assert configuration().log_level == 0


def test_defaults_are_restored_after_a_list_of_what_changes(administrator: Visitor) -> None:
    assert "at its default already" in administrator.reads("defaults")
    change_configuration(NOW, COMMAND, inactivity_seconds=70, admin_email="a@example.com")
    text = administrator.reads("defaults")
    assert "Time to release an inactive module (seconds) 70 1800" in text
    assert "Administrator's e-mail a@example.com –" in text
    administrator.post("defaults")
    assert configuration().inactivity_seconds == 1800


def test_who_changed_what_stands_in_the_events(administrator: Visitor) -> None:
    save(administrator, "seats", inactivity_seconds=600, name_holders="on")
    text = administrator.reads("events", kind="configuration_changed")
    assert "Time to release an inactive module (seconds): 1800 → 600" in text
    assert administrator.user.username in text


def test_a_test_mail_is_sent_at_once_and_what_the_server_says_is_told(administrator: Visitor) -> None:
    page = administrator.post("test_mail", recipient="anna@example.com")
    assert "No SMTP server is configured" in words(page)
    page = administrator.post("test_mail", recipient="nobody")
    assert "Enter an e-mail address for the test." in words(page)


def test_the_test_mail_travels_by_the_stored_settings(administrator: Visitor) -> None:
    with smtp_server() as box:
        settings = {"smtp_host": "127.0.0.1", "smtp_port": box.port, "smtp_security": "none"}
        change_configuration(NOW, COMMAND, **settings, mail_sender="km@example.com")
        page = administrator.post("test_mail", recipient="anna@example.com")
        assert "The SMTP server took a test mail to anna@example.com." in words(page)
        assert [mail["To"] for mail in box.mails] == ["anna@example.com"]
    page = administrator.post("test_mail", recipient="anna@example.com")
    assert f"cannot be reached on port {box.port}" in words(page)


@pytest.mark.parametrize("name", SECTIONS)
def test_beside_every_setting_stands_its_help(name: str) -> None:
    assert [field for field, control in SECTIONS[name].base_fields.items() if not control.help_text] == []


def test_settings_with_names_for_their_values_are_told_by_name(administrator: Visitor) -> None:
    change_configuration(NOW, COMMAND, smtp_security="none")
    assert "SMTP security None STARTTLS" in administrator.reads("defaults")
    assert "SMTP security: STARTTLS → None" in administrator.reads("events")
