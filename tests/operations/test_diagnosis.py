"""Testing the connection against a real authority: a contact that is watched, stored and counted."""

import dataclasses
import uuid
from typing import Any

import pytest

from licensing.models import ContactAttempt, ContactState, Role
from licensing.operations.actors import COMMAND, Actor
from licensing.operations.causes import sentence
from licensing.operations.diagnosis import diagnose, step_sentence, step_title, steps_ahead, stored_steps
from licensing.operations.errors import Refused
from licensing.vendor.diagnosis import Step
from tests.vendor_link import KEY, Link

STEPS = ["configuration", "dns", "tcp", "http", "signature", "clock"]


def walked(link: Link) -> list[Step]:
    steps: list[Step] = []
    diagnose(link.now, COMMAND, steps.append)
    return steps


def test_a_good_way_is_walked_to_its_end_and_is_a_contact(link: Link) -> None:
    link.add()
    serial = link.key().serial
    steps = walked(link)
    assert [step.name for step in steps] == STEPS == steps_ahead()
    assert all(step.ok for step in steps)
    assert link.key().serial == serial + 1
    assert ContactAttempt.objects.filter(trigger="diagnosis", outcome="ok").count() == 1
    assert ContactState.objects.get().claim is None


def test_the_steps_are_stored_with_the_attempt(link: Link) -> None:
    attempt_id = uuid.uuid4()
    diagnose(link.now, COMMAND, lambda step: None, attempt_id=attempt_id)
    row = ContactAttempt.objects.get(pk=attempt_id)
    assert [step.name for step in stored_steps(row)] == STEPS
    assert row.results == []


@pytest.mark.parametrize(
    ("mode", "step", "code"),
    [
        ("refuse", "http", "connection_lost"),
        ("error_500", "http", "http_status"),
        ("html", "http", "not_the_vendor"),
        ("bad_signature", "signature", "forged"),
        ("other_request", "signature", "wrong_answer"),
    ],
)
def test_the_way_ends_at_the_first_step_that_fails(link: Link, mode: str, step: str, code: str) -> None:
    link.add()
    link.authority.mode(mode)
    steps = walked(link)
    assert (steps[-1].name, steps[-1].ok, steps[-1].code) == (step, False, code)
    assert all(good.ok for good in steps[:-1])
    row = ContactAttempt.objects.get(trigger="diagnosis")
    assert row.outcome == code
    assert "127.0.0.1" in step_sentence(steps[-1])
    assert sentence(row.outcome, row.params) == step_sentence(steps[-1])
    assert link.state().failures == 1


def test_what_keeps_a_contact_from_being_tried_is_told_as_the_configuration(
    link: Link, settings: Any
) -> None:
    settings.KEYMANAGER = dataclasses.replace(settings.KEYMANAGER, authority_jwks=None)
    (step,) = walked(link)
    assert (step.name, step.code) == ("configuration", "authority_keys_missing")
    assert "KEYMANAGER_AUTHORITY_JWKS" in step_sentence(step)


def test_a_busy_vendor_binds_the_schedule_here_too(link: Link) -> None:
    link.add()
    link.authority.mode("busy_503")
    walked(link)
    assert link.next_in_minutes() >= 1


def test_a_viewer_may_not_test_the_connection(link: Link) -> None:
    with pytest.raises(Refused, match="not_permitted"):
        diagnose(link.now, Actor("wanda", Role.VIEWER), lambda step: None)


@pytest.mark.parametrize("name", [*STEPS, "proxy", "proxy_login", "tls"])
def test_every_step_has_a_title(name: str) -> None:
    assert step_title(name) != name
    assert KEY not in step_title(name)
