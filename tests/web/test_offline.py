"""The window "Update of modules without an internet connection", with the vendor's real desk."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from licensing.models import Event, OfflineActivation, Role, SlotAttempts, VirtualKey
from licensing.operations.actors import COMMAND
from licensing.operations.configuration import change_configuration
from licensing.operations.keys import add_key, remove_key
from licensing.protocol.symbols import ALPHABET
from licensing.web.offline import CodeForm, qr_svg
from licensing.web.spelling import ENGLISH, POLISH, spelled
from tests.authority_process import running_authority
from tests.vendor_link import KEY, Link, link_to

from .visitors import Visitor, foreign_marks, logged_in, words

BOXES = ("first", "second", "third", "fourth")


@pytest.fixture(autouse=True)
def _clock() -> None:
    """Here time passes: the authority and the portal are both real."""


@pytest.fixture
def link(db: None, settings: Any, tmp_path: Path) -> Iterator[Link]:
    settings.KEYMANAGER = settings.KEYMANAGER  # noted, so that it is put back
    with running_authority(tmp_path) as authority:
        authority.add_key()
        yield link_to(authority)


@pytest.fixture
def dark(link: Link) -> Link:
    """An active key, and a vendor out of reach since."""
    link.add()
    link.authority.mode("refuse")
    return link


@pytest.fixture
def olga(link: Link) -> Visitor:
    return logged_in(Role.OPERATOR, "olga")


def message(visitor: Visitor) -> str:
    found = re.search(r'id="message">(ERP [A-Z]{2} [0-9A-Z-]+)<', visitor.get("offline").content.decode())
    assert found
    return found.group(1)


def enter(visitor: Visitor, code: str, channel: str = "sms") -> str:
    groups = re.findall("[^-]+", code)
    return words(visitor.post("offline_code", **dict(zip(BOXES, groups, strict=False)), channel=channel))


def test_the_window_shows_the_message_and_three_channels(dark: Link, olga: Visitor) -> None:
    text = olga.reads("offline")
    assert message(olga) in text
    assert re.fullmatch(r"ERP EN ([0-9A-Z]{4}-){6}[0-9A-Z]{4}", message(olga))
    assert "Send it to 7148 ." in text
    assert "1 zł + VAT" in text
    assert "Write to mk@comarch.pl with this text:" in text
    assert "Call +48 12 681 4300 and read it out:" in text
    assert f"{KEY} · 71 h 59 min left" in text
    page = olga.get("offline")
    body = message(olga).replace(" ", "%20")
    assert (
        f"mailto:mk@comarch.pl?subject=Activation%20of%20ERP%20modules&amp;body={body}"
        in page.content.decode()
    )
    assert [mark for mark in foreign_marks(page) if "mailto:" not in mark] == []


def test_the_message_is_in_the_readers_language(dark: Link, olga: Visitor) -> None:
    olga.client.post("/language", {"language": "pl", "next": "/"})
    assert message(olga).startswith("ERP PL ")


def test_numbers_and_addresses_are_those_of_the_configuration(dark: Link, olga: Visitor) -> None:
    change_configuration(
        dark.now(), COMMAND, activation_sms="", activation_email="x@vendor.example", activation_phone="12 345"
    )
    text = olga.reads("offline")
    assert "By SMS" not in text
    assert "Write to x@vendor.example" in text
    assert "Call 12 345 and read it out:" in text


def test_the_qr_code_decodes_to_the_message(tmp_path: Path) -> None:
    text = "SMSTO:7148:ERP PL 2JM1-GBVR-3KJE-G069-TWHM-VKH3-V14Y"
    picture = tmp_path / "qr.pgm"
    picture.write_bytes(_drawn(qr_svg(text)))
    read = subprocess.run(
        ["zbarimg", "--quiet", "--raw", picture], capture_output=True, text=True, check=True
    )
    assert read.stdout.strip() == text


def _drawn(svg: str) -> bytes:
    """The picture that a browser draws of our SVG: one path of squares, 10 units each."""
    root = ET.fromstring(svg)
    size = float(root.attrib["viewBox"].split()[2])
    (path,) = [element for element in root.iter() if element.tag.endswith("path")]
    scale, cells = 40 / 4, set()
    for x, y in re.findall(r"M([\d.]+),([\d.]+)H", path.attrib["d"]):
        cells.add((float(x), float(y)))
    step = min(
        b - a for a, b in zip(sorted({x for x, _ in cells}), sorted({x for x, _ in cells})[1:], strict=False)
    )
    count, pixels = round(size / step), []
    dark = {(round(x / step), round(y / step)) for x, y in cells}
    wide = int(scale)
    for row in range(count):
        line = b"".join((b"\x00" if (column, row) in dark else b"\xff") * wide for column in range(count))
        pixels.append(line * wide)
    return b"P5 %d %d 255\n" % (count * wide, count * wide) + b"".join(pixels)


def test_a_code_renews_and_says_until_when_and_how_many_are_left(dark: Link, olga: Visitor) -> None:
    text = enter(olga, dark.code(message(olga)), "telephone")
    assert "The modules work until" in text
    assert "The pack has codes for 29 more days." in text
    assert "Today's code has been accepted already." in text
    row = OfflineActivation.objects.get()
    assert (row.actor, row.channel) == ("olga", "telephone")
    assert "the code came by: telephone" in olga.reads("events", kind="activated_offline")


def test_the_whole_answer_can_be_entered_into_one_box(dark: Link, olga: Visitor) -> None:
    code = dark.code(message(olga)).lower()
    page = olga.post("offline_code", first=f"Twój kod: {code}. Pozdrawiamy", channel="sms")
    assert "The modules work until" in words(page)


def test_a_mistyped_code_is_told_and_not_counted(dark: Link, olga: Visitor) -> None:
    code = dark.code(message(olga))
    wrong = ALPHABET[(ALPHABET.index(code[0]) + 1) % 32] + code[1:]
    assert "a mistyped code is not counted as an attempt" in enter(olga, wrong)
    assert not SlotAttempts.objects.exists()
    assert "10 attempts are left today." in olga.reads("offline")


def test_boxes_in_another_order_are_told_apart(dark: Link, olga: Visitor) -> None:
    groups = dark.code(message(olga)).split("-")
    assert "in another order" in enter(olga, "-".join(reversed(groups)))


def test_a_refused_code_stays_in_the_boxes(dark: Link, olga: Visitor) -> None:
    page = olga.post("offline_code", first="2F57", second="3P3V", third="AAAA", fourth="BBBB", channel="mail")
    for symbols in ("2F57", "3P3V", "AAAA", "BBBB"):
        assert f'value="{symbols}"' in page.content.decode()


def test_after_ten_attempts_nothing_is_offered_that_costs_and_does_nothing(dark: Link, olga: Visitor) -> None:
    code = dark.code(message(olga))
    reordered = "-".join(reversed(code.split("-")))
    for _ in range(10):
        text = enter(olga, reordered)
    assert "in another order" in text, "the last refusal is told all the same"
    for page in (text, olga.reads("offline")):
        assert "Ten codes have been tried for today" in page
        assert re.search(r"A new one can be asked for from \d+ \w+, 0[12]:00 on", page)
        assert "Send this message" not in page
        assert "Renew the modules" not in page
        assert "Export the request" in page


def test_after_todays_code_none_is_offered_until_tomorrow(dark: Link, olga: Visitor) -> None:
    text = enter(olga, dark.code(message(olga)))
    assert re.search(r"The next one can be asked for from \d+ \w+, 0[12]:00 on", text)
    assert "Send this message" not in text


def test_without_a_key_of_the_pack_no_code_is_offered(dark: Link, olga: Visitor) -> None:
    assert "Send this message" in olga.reads("offline")
    remove_key(dark.now(), COMMAND, KEY)
    text = olga.reads("offline")
    assert "There is nothing that a code could renew" in text
    assert "Send this message" not in text
    assert "Renew the modules" not in text
    assert "Export the request" in text


def test_without_a_pack_the_window_offers_the_request_file(link: Link, olga: Visitor) -> None:
    text = olga.reads("offline")
    assert "Send this message" not in text
    assert "Export the request" in text


def test_with_nothing_to_ask_no_file_is_exported(link: Link, olga: Visitor) -> None:
    assert "There is no key to ask the vendor about." in words(olga.post("offline_export"))


def test_a_key_is_activated_by_files_alone(link: Link, olga: Visitor) -> None:
    link.authority.mode("refuse")
    add_key(link.now(), COMMAND, KEY, "123456", "0427")
    exported = olga.post("offline_export", follow=False)
    assert re.fullmatch(
        r'attachment; filename="contact-request-\d{4}-\d\d-\d\d\.kmreq"', exported["Content-Disposition"]
    )
    answer = link.authority.post("/desk/contact", exported.content.strip()).text
    upload = SimpleUploadedFile("contact-answer.kmans", answer.encode())
    page = olga.post("offline_import", file=upload)
    assert "The answer was accepted; 1 key is up to date." in words(page)
    assert VirtualKey.objects.get().state == "active"
    assert Event.objects.filter(kind="answer_imported", actor="olga").exists()
    assert "answer of the vendor was imported" in olga.reads("events", kind="answer_imported")


def test_an_answer_can_be_pasted_and_a_wrong_one_is_refused_with_help(link: Link, olga: Visitor) -> None:
    add_key(link.now(), COMMAND, KEY, "123456", "0427")
    answer = link.authority.post("/desk/contact", olga.post("offline_export").content.strip()).text
    assert "This is no whole answer" in words(olga.post("offline_import", text=answer[:100]))
    assert "Choose the answer file, or paste its text." in words(olga.post("offline_import"))
    assert "1 key is up to date" in words(olga.post("offline_import", text=f"\n {answer} \n"))
    assert "No request waits for an answer" in words(olga.post("offline_import", text=answer))


def test_a_newer_request_file_makes_the_earlier_one_worthless_and_says_so(link: Link, olga: Visitor) -> None:
    add_key(link.now(), COMMAND, KEY, "123456", "0427")
    olga.post("offline_export")
    add_key(link.now(), COMMAND, "5000006623", "123456", "1111")
    olga.post("offline_export")
    assert "an answer to it is worth nothing any more" in olga.reads("configuration")


@pytest.mark.parametrize(
    ("entered", "code"),
    [
        (["2F57", "3P3V", "AAAA", "BBBB"], "2F57-3P3V-AAAA-BBBB"),
        (["2f573p3vaaaabbbb"], "2f573p3vaaaabbbb"),
        (["Your code 2F57-3P3V-AAAA-BBBB."], "2F57-3P3V-AAAA-BBBB"),
        (["Twój kod: 2F57 3P3V AAAA BBBB, ważny dziś"], "2F57 3P3V AAAA BBBB"),
        (["2F57", "", "AAAA"], "2F57-AAAA"),
    ],
)
def test_the_code_is_found_among_the_words_around_it(entered: list[str], code: str) -> None:
    form = CodeForm({**dict(zip(BOXES, entered, strict=False)), "channel": "sms"})
    assert form.is_valid()
    assert form.code() == code


@pytest.mark.parametrize("words_of", [POLISH, ENGLISH])
def test_every_symbol_can_be_spelled_and_no_two_alike(words_of: dict[str, str]) -> None:
    assert set(words_of) == set(ALPHABET)
    assert len(set(words_of.values())) == len(ALPHABET)


def test_a_challenge_is_spelled_in_groups_of_four() -> None:
    groups = spelled("2JM1-GBVR", "en")
    assert [(group.symbols, group.words) for group in groups] == [
        ("2JM1", "two, Juliett, Mike, one"),
        ("GBVR", "Golf, Bravo, Victor, Romeo"),
    ]
