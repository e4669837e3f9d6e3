"""Polish pages are Polish: no English is left on any of them."""

import re
from html.parser import HTMLParser

import pytest
from django.http import HttpResponse
from django.urls import reverse
from django.utils import translation

from licensing.api import pages as api_pages
from licensing.api.exchange import Call
from licensing.api.problems import PROBLEMS
from licensing.models import ContactAttempt, Event
from licensing.operations import causes
from licensing.operations.actors import PORTAL
from licensing.operations.events import record
from licensing.operations.leases import checkout
from licensing.vendor import errors
from licensing.web import words as pages_words
from licensing.web.event_sentences import KINDS, event_sentence
from tests.factories import KEY, NOW, OTHER_KEY, Portal, make_client, module, request, take

from .test_roles import ALLOWED, PATTERNS, address
from .visitors import PASSWORD, Visitor, words

# Words that stand in most English sentences and in no Polish one.
ENGLISH = re.compile(
    r"\b(the|of|and|is|are|was|were|has|have|with|without|this|that|which|from|until|only|not|your|you|for|"
    r"it|its|by|or|be|been|an|at|as|there|here|what|when|who|how|all|any|cannot|may)\b",
    re.IGNORECASE,
)
READ_ALOUD = ("title", "placeholder", "aria-label", "alt")


class _Text(HTMLParser):
    """What a person sees or hears of a page; codes, keys and names of files are no language."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.found += [given[name] or "" for name in READ_ALOUD if name in given]
        foreign = (given.get("lang") == "en" and tag != "html") or tag in (
            "code",
            "pre",
            "kbd",
            "script",
            "style",
            "svg",
        )
        if tag not in ("input", "meta", "link", "br", "hr", "img") and (self._silent or foreign):
            self._silent += 1

    def handle_endtag(self, tag: str) -> None:
        if self._silent:
            self._silent -= 1

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.found.append(data)


def english(text: str) -> str | None:
    """The text, if it is English; addresses are no language."""
    return " ".join(text.split()) if ENGLISH.search(re.sub(r"\S+@\S+", "", text)) else None


def english_in(page: bytes) -> list[str]:
    reader = _Text()
    reader.feed(page.decode())
    return [found for text in reader.found if (found := english(text))]


def english_of(response: HttpResponse) -> list[str]:
    return english_in(response.content)


@pytest.fixture
def busy(portal: Portal) -> dict[str, int]:
    """A portal of which every page has something to show."""
    portal.accept(KEY, [module("HANDEL", 1, expires_on=NOW.date()), module("BI", 1, expires_on=NOW.date())])
    portal.accept(OTHER_KEY, [module("KASA", None, warranty_until=NOW.date().replace(month=1))])
    client = make_client("Optima")
    take(client, "HANDEL")
    checkout([request(client, "HANDEL"), request(client, "XYZ")], NOW)
    for outcome in ("ok", "dns_failed"):
        ContactAttempt.objects.create(
            started_at=NOW,
            finished_at=NOW,
            trigger="schedule",
            outcome=outcome,
            params={"host": "x", "port": 1},
        )
    for kind in KINDS:
        record(kind, NOW, PORTAL, KEY)
    return {"client_id": client.pk}


def test_no_page_has_english_left_in_polish(busy: dict[str, int], administrator: Visitor) -> None:
    # What the log-in said in English is read.
    administrator.get("modules")
    administrator.client.post(reverse("set_language"), {"language": "pl", "next": "/"})
    ids = busy | {"user_id": administrator.user.pk}
    left: dict[str, list[str]] = {}
    for name in PATTERNS:
        if name in ("account_logout", "set_language", "usersessions_list") or name not in ALLOWED:
            continue
        try:
            url = address(name, ids)
        except KeyError:
            # It needs a row that only a worker makes.
            continue
        response = administrator.client.get(url, headers={"accept-language": "pl"})
        if response.get("Content-Type", "").startswith("text/html"):
            found = english_of(response)  # type: ignore[arg-type]
            if found:
                left[name] = found
    assert left == {}


def api_page(path: str, language: str) -> bytes:
    """A page of those for ERP developers, which stand before Django's."""
    call = Call("GET", path, "", {"accept-language": language}, "127.0.0.1", lambda most: b"")
    return (api_pages.docs if path == "/api/v1/docs" else api_pages.problem_page)(call).body


@pytest.mark.parametrize("path", ["/api/v1/docs", "/problems", *[f"/problems/{code}" for code in PROBLEMS]])
def test_no_page_for_erp_developers_has_english_left_in_polish(path: str) -> None:
    assert english_in(api_page(path, "pl")) == []
    assert english_in(api_page(path, "en"))


def test_the_page_of_the_api_says_what_each_call_and_message_is_in_polish() -> None:
    page = api_page("/api/v1/docs", "pl").decode()
    assert page.count('lang="en"') == 1, "the switch to English alone"
    for sentence in ("Pobierz moduły: wszystkie albo żadnego", "Program ERP, który prosi", "w ścieżce"):
        assert sentence in page


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_event_is_told_in_polish(kind: str) -> None:
    with translation.override("pl"):
        assert english(event_sentence(Event(kind=kind, at=NOW, subject=KEY))) is None


def test_every_cause_of_a_failed_contact_is_told_in_polish() -> None:
    codes = [*causes.OWN, *errors.SENTENCES]
    with translation.override("pl"):
        told = [causes.sentence(code, {}) for code in codes]
    assert [sentence for sentence in told if english(sentence)] == []


def test_every_word_for_a_code_is_polish() -> None:
    named = vars(pages_words).items()
    tables = [table for name, table in named if name.isupper() and isinstance(table, dict)]
    with translation.override("pl"):
        told = [str(text) for table in tables for text in table.values() if not isinstance(text, dict)]
    assert [sentence for sentence in told if english(sentence)] == []


def test_the_labels_of_a_passkeys_form_are_polish(administrator: Visitor) -> None:
    administrator.client.post(reverse("set_language"), {"language": "pl", "next": "/"})
    administrator.client.post(reverse("account_reauthenticate"), {"password": PASSWORD})
    labels = words(administrator.get("mfa_add_webauthn"))
    assert "Nazwa" in labels
    assert "Name" not in labels


def test_english_pages_are_found_to_be_english(busy: dict[str, int], administrator: Visitor) -> None:
    assert english_of(administrator.get("leases"))
