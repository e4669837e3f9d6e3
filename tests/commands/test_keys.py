"""Commands about keys: each stores, contacts the vendor and prints its line."""

from collections.abc import Callable

import pytest

from licensing.models import Configuration, KeyState, PendingRelease, VirtualKey
from tests.commands.conftest import Ran
from tests.vendor_link import Link

KEY = "5000006622"
Command = Callable[..., Ran]
ADD = ("add_key", "--number", KEY, "--customer", "123456", "--pin", "0427")


def test_add_key_stores_and_activates(link: Link, command: Command) -> None:
    assert command(*ADD) == Ran(f"Key {KEY} added.\n{KEY} granted\n", "", 0)
    assert VirtualKey.objects.get().state == KeyState.ACTIVE


def test_add_key_refuses_a_number_that_is_here(link: Link, command: Command) -> None:
    command(*ADD)
    ran = command(*ADD)
    assert (ran.out, ran.status) == ("", 1)
    assert ran.err == f"key_exists: Key {KEY} is already here.\n"


def test_add_key_names_what_is_wrong(link: Link, command: Command) -> None:
    ran = command("add_key", "--number", "42", "--customer", "123456", "--pin", "0427")
    assert (ran.out, ran.status) == ("", 1)
    assert ran.err.startswith("validation_failed: ")
    assert len(ran.err.splitlines()) == 1


def test_add_key_is_done_once_stored_whatever_the_vendor_says(link: Link, command: Command) -> None:
    ran = command("add_key", "--number", KEY, "--customer", "123456", "--pin", "9999")
    assert ran == Ran(f"Key {KEY} added.\n{KEY} refused wrong_credentials\n", "", 0)


def test_add_key_is_done_once_stored_though_the_vendor_is_away(link: Link, command: Command) -> None:
    link.authority.mode("refuse")
    ran = command(*ADD)
    assert (ran.status, ran.err) == (0, "")
    added, line, cause = ran.lines
    code = cause.split(":")[0]
    assert (added, line) == (f"Key {KEY} added.", f"{KEY} unanswered {code}")
    assert code in ("connection_lost", "connect_refused", "not_the_vendor")


def test_the_pin_is_never_printed(link: Link, command: Command) -> None:
    ran = command("add_key", "--number", KEY, "--customer", "123456", "--pin", "98 76")
    assert "76" not in ran.out + ran.err.replace(KEY, "")


def test_edit_key_activates_a_key_that_was_refused(link: Link, command: Command) -> None:
    command("add_key", "--number", KEY, "--customer", "123456", "--pin", "9999")
    assert command("edit_key", KEY, "--pin", "0427") == Ran(f"Key {KEY} changed.\n{KEY} granted\n", "", 0)


def test_edit_key_refuses_an_active_key(link: Link, command: Command) -> None:
    command(*ADD)
    ran = command("edit_key", KEY, "--pin", "0427")
    assert (ran.out, ran.status) == ("", 1)
    assert ran.err.startswith("key_is_active: ")


def test_remove_key_releases_it_at_the_vendor(link: Link, command: Command) -> None:
    command(*ADD)
    assert command("remove_key", KEY) == Ran(f"Key {KEY} removed.\n{KEY} released\n", "", 0)
    assert link.authority.state(KEY)["bound_to"] is None


def test_remove_key_says_when_the_release_is_pending(link: Link, command: Command) -> None:
    command(*ADD)
    link.authority.mode("refuse")
    ran = command("remove_key", KEY)
    assert ran.status == 0
    assert ran.lines[1].startswith(f"{KEY} release_pending ")
    assert ran.lines[-1] == f"{KEY}: release pending, done at the next contact."
    assert PendingRelease.objects.filter(number=KEY).exists()


NEEDS_VENDOR = "Still bound at the vendor: only the vendor’s reset frees it for another Key Manager."


@pytest.mark.parametrize(
    ("pin", "line", "way_out"),
    [
        ((), "needs_vendor", ""),
        (
            ("--pin", "9999"),
            "needs_vendor wrong_credentials",
            " The PIN was wrong: you can also add the key again with the right one and remove it.",
        ),
    ],
)
def test_remove_key_says_when_only_the_vendor_frees_it(
    link: Link, command: Command, pin: tuple[str, ...], line: str, way_out: str
) -> None:
    command(*ADD)
    VirtualKey.objects.update(bound_machine="cluster:OTHER")
    ran = command("remove_key", KEY, *pin)
    told = f"Key {KEY} removed.\n{KEY} {line}\n{KEY}: {NEEDS_VENDOR}{way_out}\n"
    assert ran == Ran(told, "", 0)


def test_contact_fails_where_only_the_vendor_frees_a_key(link: Link, command: Command) -> None:
    command(*ADD)
    VirtualKey.objects.update(bound_machine="cluster:OTHER")
    link.authority.mode("refuse")
    command("remove_key", KEY)
    link.authority.mode("ok")
    error = f"needs_vendor: {KEY}: {NEEDS_VENDOR}\n"
    assert command("contact") == Ran(f"{KEY} needs_vendor\n", error, 1)


def test_remove_key_refuses_an_unknown_one(link: Link, command: Command) -> None:
    ran = command("remove_key", KEY)
    assert (ran.out, ran.status) == ("", 1)
    assert ran.err.startswith("key_unknown: ")


def test_contact_prints_a_line_per_key(link: Link, command: Command) -> None:
    link.authority.add_key("5000006623", pin="1111")
    command(*ADD)
    command("add_key", "--number", "5000006623", "--customer", "123456", "--pin", "1111")
    assert command("contact") == Ran(f"{KEY} granted\n5000006623 granted\n", "", 0)


def test_contact_fails_where_a_key_is_refused(link: Link, command: Command) -> None:
    command(*ADD)
    link.authority.suspend(KEY)
    ran = command("contact")
    assert (ran.out, ran.status) == (f"{KEY} refused suspended\n", 1)
    assert ran.err == f"suspended: {KEY} refused\n"


def test_contact_fails_with_the_cause_where_the_vendor_is_away(link: Link, command: Command) -> None:
    command(*ADD)
    link.authority.mode("error_500")
    ran = command("contact")
    assert (ran.out, ran.status) == (f"{KEY} unanswered http_status\n", 1)
    assert ran.err.startswith("http_status: ")
    assert len(ran.err.splitlines()) == 1


def test_a_contact_that_fails_tells_which_keys_it_did_not_ask_about(link: Link, command: Command) -> None:
    command("add_key", "--number", KEY, "--customer", "123456", "--pin", "9999")
    link.authority.mode("error_500")
    assert command("contact").lines == [f"{KEY} not_asked wrong_credentials"]


def test_contact_without_keys_says_so(link: Link, command: Command) -> None:
    assert command("contact") == Ran("There is no key to ask the vendor about.\n", "", 0)


def test_status_tells_light_reasons_and_keys(link: Link, command: Command) -> None:
    assert command("status").lines == ["red no_active_key"]
    command(*ADD)
    lines = command("status").lines
    assert lines[0] == "green"
    assert lines[1].startswith(f"{KEY} active works until 20")


def test_restore_defaults_prints_what_changed(link: Link, command: Command) -> None:
    Configuration.objects.update(inactivity_seconds=70, proxy_host="proxy", proxy_port=3128)
    Configuration.objects.filter(pk=1).update(proxy_password="geheim")
    ran = command("restore_defaults")
    assert "inactivity_seconds: 70 → 1800" in ran.lines
    assert "proxy_password" in ran.lines
    assert ran.lines[-1] == "Settings put back to their defaults: 4"
    assert "geheim" not in ran.out
    assert command("restore_defaults").lines == ["Settings put back to their defaults: 0"]


def test_diagnose_walks_step_by_step(link: Link, command: Command) -> None:
    command(*ADD)
    ran = command("diagnose")
    assert (ran.status, ran.err) == (0, "")
    assert ran.lines[-1] == f"{KEY} granted"
    assert len(ran.lines) > 4
    assert all(": ok (" in line for line in ran.lines[:-1])


def test_diagnose_ends_at_the_first_step_that_fails(link: Link, command: Command) -> None:
    command(*ADD)
    link.authority.mode("html")
    ran = command("diagnose")
    assert ran.status == 1
    assert ran.err.startswith("not_the_vendor: ")
    assert "not_the_vendor (" in ran.lines[-1]
