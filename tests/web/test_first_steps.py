"""The first steps of a new portal: each tells what is there and what comes next."""

from collections.abc import Callable

from django.urls import reverse

from licensing.models import Configuration, ContactAttempt
from tests.factories import KEY, NOW, Portal, make_client, module, take

from .visitors import PASSWORD, Visitor


def log_in_again(visitor: Visitor) -> str:
    """Where the log-in page leads."""
    visitor.client.logout()
    response = visitor.client.post(
        reverse("account_login"), {"login": visitor.user.username, "password": PASSWORD}
    )
    return str(response["Location"])


def next_step(visitor: Visitor) -> str:
    page = visitor.get("first_steps").content.decode()
    before, mark, _ = page.partition('aria-current="step"')
    return before.rpartition('id="')[2].partition('"')[0] if mark else ""


def test_an_administrator_of_an_empty_portal_is_led_to_the_first_steps(administrator: Visitor) -> None:
    assert log_in_again(administrator) == reverse("first_steps")


def test_a_viewer_is_not_led_to_the_first_steps(viewer: Visitor) -> None:
    assert log_in_again(viewer) == reverse("modules")


def test_with_a_key_and_an_erp_client_the_log_in_leads_to_the_modules(
    administrator: Visitor, portal: Portal
) -> None:
    portal.accept(KEY, [module()])
    make_client()
    assert log_in_again(administrator) == reverse("modules")


def test_the_next_step_follows_from_what_is_there(administrator: Visitor, portal: Portal) -> None:
    assert next_step(administrator) == "key"
    portal.accept(KEY, [module()])
    assert next_step(administrator) == "client"
    client = make_client()
    assert next_step(administrator) == "lease"
    assert "Waiting for the first program" in administrator.reads("first_steps")
    take(client)
    assert next_step(administrator) == ""
    assert "All is done: a program has taken a module." in administrator.reads("first_steps")


def test_mail_and_proxy_are_set_up_from_here(administrator: Visitor) -> None:
    mail = {"admin_email": "it@firma.example", "smtp_host": "mail.firma.example", "smtp_port": "25"}
    mail |= {"smtp_security": "none", "mail_sender": "km@firma.example"}
    page = administrator.post("first_steps", section="mail", **mail)
    assert page.redirect_chain == [(reverse("first_steps"), 302)]  # type: ignore[attr-defined]
    step = page.content.decode().split('id="mail"')[1].split('id="proxy"')[0]
    assert "Saved." in step
    assert "autofocus" in step
    administrator.post("first_steps", section="proxy", proxy_host="proxy.firma.example", proxy_port="8080")
    row = Configuration.objects.get(pk=1)
    assert (row.smtp_host, row.admin_email) == ("mail.firma.example", "it@firma.example")
    assert (row.proxy_host, row.proxy_port) == ("proxy.firma.example", 8080)
    assert row.contact_warning_hours == "4, 24, 48, 66", "what is not on the page stays as it was"
    assert "Send a test e-mail" in administrator.reads("first_steps")


def test_a_mistake_is_shown_at_its_field(administrator: Visitor) -> None:
    text = administrator.post("first_steps", section="proxy", proxy_host="proxy.example").content.decode()
    assert "A proxy needs a port" in text


def test_a_contact_that_succeeded_is_told(administrator: Visitor) -> None:
    ContactAttempt.objects.create(started_at=NOW, finished_at=NOW, trigger="test", outcome="ok")
    text = administrator.reads("first_steps")
    assert "The way to the vendor done" in text


def test_a_new_token_comes_with_a_line_that_takes_a_module(
    administrator: Visitor, portal: Portal, log_in: Callable[[str], Visitor]
) -> None:
    portal.accept(KEY, [module("KASA")])
    page = administrator.post("client_add", name="Optima", networks="").content.decode()
    assert "http://testserver/api/v1/leases" in page
    assert "&quot;modules&quot;: [&quot;KASA&quot;]" in page


def test_the_glossary_tells_what_a_seat_is(viewer: Visitor) -> None:
    assert "The right of one user at one workstation" in viewer.reads("glossary")
