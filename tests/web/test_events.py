"""The page "Events": each kind in a sentence."""

import ast

import pytest

from licensing.models import Event
from licensing.web.event_sentences import KINDS, event_sentence
from tests.factories import NOW, Portal
from tests.house.tree import tracked

from .visitors import Visitor


def recorded_kinds() -> set[str]:
    """Every kind that an operation records by name."""
    kinds = set()
    for path in tracked("licensing/operations/*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "record":
                constants = [each.value for each in ast.walk(node.args[0]) if isinstance(each, ast.Constant)]
                kinds |= {value for value in constants if isinstance(value, str)}
    return kinds


def test_every_kind_that_is_recorded_has_a_sentence() -> None:
    assert recorded_kinds() > {"lease_released", "key_activated"}
    assert recorded_kinds() - set(KINDS) == set()


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_sentence_does_not_need_what_an_older_version_did_not_record(kind: str) -> None:
    assert event_sentence(Event(kind=kind, at=NOW, subject="5000006622"))


@pytest.mark.parametrize(
    ("kind", "data", "sentence"),
    [
        ("key_activated", {"modules": ["HANDEL", "KASA"]}, "its modules: HANDEL, KASA."),
        ("release_needs_vendor", {}, "only the vendor’s reset frees it for another Key Manager."),
        (
            "release_needs_vendor",
            {"reason": "wrong_credentials"},
            "reset frees it for another Key Manager. The PIN",
        ),
        ("release_needs_vendor", {"reason": "locked"}, "after 24 hours you can also add the key again"),
        ("key_refused", {"reason": "suspended"}, "The vendor has suspended this key."),
        (
            "lease_released",
            {"user": "anna", "workstation": "PC", "reason": "suspended"},
            ". Reason: suspended",
        ),
        ("user_added", {"role": "operator"}, "Operator."),
        ("activated_offline", {"until": "2026-11-27T08:00:00Z", "channel": "sms"}, "2026-11-27 09:00:00 CET"),
        (
            "configuration_changed",
            {
                "changes": [
                    {"field": "clustered", "before": False, "after": True},
                    {"field": "smtp_password", "before": None, "after": None},
                ]
            },
            "Clustered installation: no → yes; SMTP password.",
        ),
        ("of_the_future", {}, "of the future 5000006622"),
    ],
)
def test_a_sentence_says_what_the_event_holds(kind: str, data: dict[str, object], sentence: str) -> None:
    from django.utils import translation

    with translation.override("en"):
        assert sentence in event_sentence(Event(kind=kind, at=NOW, subject="5000006622", data=data))


def test_events_are_found_by_kind_and_subject(portal: Portal, viewer: Visitor) -> None:
    from licensing.operations.actors import PORTAL
    from licensing.operations.events import record

    record("key_released", NOW, PORTAL, "5000006699")
    assert "has freed key 5000006699" in viewer.reads("events")
    assert "5000006699" in viewer.reads("events", q="6699")
    assert "No event fits" in viewer.reads("events", q="6698")
    assert "5000006699" not in viewer.reads("events", kind="installation_made")


def test_a_long_list_comes_in_pages(portal: Portal, viewer: Visitor) -> None:
    from licensing.operations.actors import PORTAL
    from licensing.operations.events import record

    for number in range(60):
        record("key_released", NOW, PORTAL, f"50000{number:05}")
    assert "1–50 of" in viewer.reads("events")
    assert "Newer" in viewer.reads("events", page="2")


def test_who_is_no_user_is_named_in_the_readers_language(viewer: Visitor) -> None:
    from licensing.operations.actors import COMMAND

    Event.objects.create(kind="key_added", at=NOW, actor=COMMAND.name, subject="5000006622")
    page = viewer.client.get("/events", headers={"accept-language": "pl"}).content.decode()
    assert "command line" not in page
