"""Activation without a network judged from outside: portal, desk, mailbox and files on one demo.

The vendor's clock leads from day to day; on each day the installation has one code.
"""

import itertools
import smtplib
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.authority_process import RunningAuthority, module
from tests.journeys import codes
from tests.journeys.installation import JOSE, Installation, payload
from tests.journeys.portal import Portal, at, refusal
from tests.portal_process import Demo, wait_until

LOST = timedelta(hours=72)


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portal]:
    with Demo(tmp_path_factory.mktemp("offline") / "var") as demo:
        running = Portal(demo.wait_until_ready())
        yield running
        running.close()


@pytest.fixture(scope="module")
def key(portal: Portal) -> str:
    return portal.new_key(module("OFFLINE", 5))


@pytest.fixture(scope="module")
def days() -> Iterator[int]:
    return itertools.count(1)


@pytest.fixture
def today(portal: Portal, key: str, days: Iterator[int]) -> Iterator[int]:
    """A day of the test's own: contact in its morning, then the vendor is in the dark. Its slot."""
    now = datetime.now(UTC)
    noon = now.replace(hour=12, minute=0, second=0) + timedelta(days=next(days))
    portal.vendor("/_control/clock", offset_seconds=(noon - now).total_seconds())
    assert portal.contact()[key] == "granted"
    with portal.in_mode("refuse"):
        yield int(noon.timestamp()) // 86400 - 18262


def pack(portal: Portal) -> dict[str, Any]:
    """The code pack that the portal holds."""
    return payload(portal.sql("SELECT jws FROM licensing_heldcodepack")[0][0])


def message(portal: Portal) -> str:
    ran = portal.run("offline_challenge")
    assert ran.status == 0, ran
    return ran.out[-1]


def desk(portal: Portal, text: str) -> requests.Response:
    return portal.vendor("/desk/answer", message=text)


def reason(answer: requests.Response) -> str:
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"].startswith("application/problem+json")
    return str(answer.json()["code"])


def tried(portal: Portal, code: str) -> str:
    """`accepted`, or the reason against a code."""
    ran = portal.run("activate_offline", code)
    if ran.status == 0:
        return "accepted"
    assert len(ran.err) == 1
    return ran.err[0].split(":")[0]


def shown(code: str) -> str:
    return code.replace("-", "")


def test_a_code_renews_every_key_for_72_hours_once(portal: Portal, key: str, today: int) -> None:
    text = message(portal)
    word, language, challenge = text.split(" ")
    assert (word, language, len(text)) == ("ERP", "EN", 41)
    assert message(portal) == text
    assert challenge == codes.challenge(pack(portal), today, codes.nonce_of(challenge))

    answer = desk(portal, text.lower().replace("-", " - "))
    assert answer.status_code == 200
    code = answer.json()["code"]
    assert code == codes.code_of(shown(code)[:15])
    assert desk(portal, text).json()["code"] == code
    commitments = pack(portal)["commitments"]
    assert codes.commitment(pack(portal), today, code) == codes.decoded(
        commitments[today - pack(portal)["first_slot"]]
    )

    # What is mistyped is told so, and not counted; the boxes in another order are.
    wrong = code[:-1] + codes.SYMBOLS[(codes.SYMBOLS.index(code[-1]) + 1) % 32]
    assert tried(portal, wrong) == "mistyped"
    assert tried(portal, code[:-1]) == "mistyped"
    boxes = code.split("-")
    assert tried(portal, "-".join([boxes[1], boxes[0], *boxes[2:]])) == "wrong_order"
    assert tried(portal, codes.code_of("0" * 15)) == "wrong_code"

    lease = portal.lease("OFFLINE")
    assert lease["activation"] is None
    before = portal.key_status(key)["contact_deadline"]
    now = at(portal.status()["server_time"])
    assert tried(portal, f" {shown(code).lower().replace('0', 'O').replace('1', 'l')} ") == "accepted"
    deadline = at(portal.key_status(key)["contact_deadline"])
    assert deadline > at(before)
    assert timedelta(0) <= deadline - LOST - now < timedelta(minutes=2)

    # The proof, for the ERP client to check for itself.
    proven = portal.lease("OFFLINE")
    assert at(proven["contact_deadline"]) == deadline
    proof = proven["activation"]
    assert (set(proof), proof["slot"], shown(proof["code"])) == (
        {"codes", "slot", "code"},
        today,
        shown(code),
    )
    proving = payload(proof["codes"])
    found = codes.commitment(proving, proof["slot"], proof["code"])
    assert found == codes.decoded(proving["commitments"][today - proving["first_slot"]])
    assert at(portal.heartbeat(lease).json()["contact_deadline"]) == deadline

    assert tried(portal, code) == "already_used"
    assert at(portal.key_status(key)["contact_deadline"]) == deadline

    # The row edited by hand gives nothing beyond what pack, code and slot prove.
    kept = portal.sql("SELECT slot, activated_at, code FROM licensing_offlineactivation")
    end = datetime.fromtimestamp((18262 + today + 1) * 86400, UTC)
    for column, value in [("activated_at", "2031-01-01 00:00:00"), ("slot", today + 1), ("code", "0" * 16)]:
        portal.sql(f"UPDATE licensing_offlineactivation SET {column} = ?", value)
        assert at(portal.key_status(key)["contact_deadline"]) <= end + LOST
        given = portal.lease("OFFLINE")
        portal.give_back(given)
        assert at(given["contact_deadline"]) <= (end + LOST if column == "activated_at" else deadline)
        portal.sql("UPDATE licensing_offlineactivation SET slot = ?, activated_at = ?, code = ?", *kept[0])
    assert at(portal.key_status(key)["contact_deadline"]) == deadline


def test_the_desk_refuses_with_a_reason(portal: Portal, key: str, today: int) -> None:
    held, good = pack(portal), message(portal).split(" ")[2]
    nonce = codes.nonce_of(good)

    def asked(slot: int = today, nonce: int = nonce, language: str = "PL", **parts: Any) -> str:
        return reason(desk(portal, f"ERP {language} {codes.challenge(held, slot, nonce, **parts)}"))

    assert asked(check=1) == "mistyped"
    assert asked(version=2) == "mistyped"
    assert reason(desk(portal, "ERP PL")) == "mistyped"
    assert reason(desk(portal, f"ERP PL {good[:-1]}")) == "mistyped"
    assert reason(desk(portal, f"ERP PL {good[:-1]}U")) == "mistyped"
    assert asked(number="5000099999") == "unknown_key"
    assert asked(mac_key=b"x" * 32) == "not_this_key"
    assert asked(slot=today - 1) == "wrong_day"
    assert asked(slot=today + 1) == "wrong_day"
    portal.vendor(f"/_control/keys/{key}/suspend", suspended=True)
    refused = desk(portal, f"ERP PL {good}")
    assert reason(refused) == "suspended"
    assert key in refused.text
    portal.vendor(f"/_control/keys/{key}/suspend", suspended=False)
    portal.sell(key, module("OFFLINE", 4))
    assert asked() == "needs_contact"
    portal.sell(key, module("OTHER", 5))
    assert asked() == "needs_contact"
    portal.sell(key, module("OFFLINE", 6))
    code = desk(portal, f"ERP EN {good}").json()["code"]
    assert asked(nonce=nonce ^ 1) == "already_answered"
    assert desk(portal, f"ERP PL {good}").json()["code"] == code
    portal.vendor(f"/_control/keys/{key}/reset")
    assert asked() == "needs_contact"
    # A code given before still is one; nothing but time and 72 hours is in it.
    assert tried(portal, code) == "accepted"
    assert portal.modules(key)["OFFLINE"]["seats"] == 5
    portal.sell(key, module("OFFLINE", 5))
    portal.mode("ok")
    portal.contact()
    assert portal.run("edit_key", key, "--pin", "4711").out[-1] == f"{key} granted"


def test_ten_attempts_a_day_and_no_more(portal: Portal, key: str, today: int) -> None:
    code = desk(portal, message(portal)).json()["code"]
    guesses = [codes.code_of(written) for written in ("1" * 15, "2" * 15, "3" * 15)]
    for guess in itertools.islice(itertools.cycle(guesses), 10):
        assert tried(portal, guess) == "wrong_code"
    before = portal.key_status(key)["contact_deadline"]
    assert tried(portal, code) == "too_many_attempts"
    assert tried(portal, "AAAA") in ("mistyped", "too_many_attempts")
    assert portal.key_status(key)["contact_deadline"] == before


def test_a_code_of_another_installation_or_an_older_day_is_wrong(
    portal: Portal, key: str, today: int
) -> None:
    told = portal.demo.told
    authority = RunningAuthority(told["authority"], Path(told["authority_jwks"]).parent)
    other, number = Installation(authority), portal.new_number()
    portal.sell(number, module("OFFLINE", 5))
    said = other.answer(other.request(bind=[number], pin="4711"), "/desk/contact")
    theirs = payload(said["codes"])
    foreign = desk(portal, f"ERP PL {codes.challenge(theirs, today, 7)}").json()["code"]
    assert tried(portal, foreign) == "wrong_code"
    old = portal.sql("SELECT code FROM licensing_offlineactivation ORDER BY slot LIMIT 1")
    assert not old or tried(portal, old[0][0]) in ("wrong_code", "already_used")


def test_two_who_enter_the_code_at_once_renew_once(portal: Portal, key: str, today: int) -> None:
    code = desk(portal, message(portal)).json()["code"]
    outcomes: list[str] = []

    def enter() -> None:
        ran = portal.demo.manage("activate_offline", code)
        outcomes.append("accepted" if ran.returncode == 0 else ran.stderr.split(":")[0])

    entering = [threading.Thread(target=enter) for _ in range(2)]
    for thread in entering:
        thread.start()
    for thread in entering:
        thread.join()
    assert sorted(outcomes) == ["accepted", "already_used"]
    assert portal.sql("SELECT COUNT(*) FROM licensing_offlineactivation WHERE slot = ?", today) == [(1,)]


# Mail


def mails(portal: Portal, subject: str) -> list[EmailMessage]:
    """What is in the outbox and came to a sender, found by the word in the address."""
    found = []
    for path in Path(portal.demo.told["outbox"]).glob("*.eml"):
        mail = message_from_bytes(path.read_bytes(), policy=policy.default)
        assert isinstance(mail, EmailMessage)
        if subject in str(mail["To"]):
            found.append(mail)
    return found


def send(portal: Portal, mail: EmailMessage, sender: str = "anna@firma.example") -> None:
    box = portal.demo.told["mailbox"]
    mail["To"] = box["address"]
    with smtplib.SMTP(box["host"], box["port"], timeout=20) as smtp:
        smtp.send_message(mail, from_addr=sender, to_addrs=[box["address"]])


def mail(text: str, who: str, subtype: str = "plain", **headers: str) -> EmailMessage:
    message = EmailMessage()
    message["From"] = f"Anna <{who}@firma.example>"
    message["Subject"] = "kod"
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    message.set_content(text, subtype=subtype)
    return message


def body(mail: EmailMessage) -> str:
    part = mail.get_body(("plain", "html"))
    assert part is not None
    return str(part.get_content())


def test_the_mailbox_answers_with_the_code_or_the_reason(portal: Portal, key: str, today: int) -> None:
    text = message(portal)
    code = desk(portal, text).json()["code"]
    send(portal, mail(f"Dzie\u0144 dobry,\nprosz\u0119 o kod:\n> {text.lower()}\nAnna", "plain"))
    send(portal, mail(f"<p>Hello, <b>{text}</b></p>", "html", "html"))
    send(portal, mail(text, "from", Reply_To="reply@firma.example"))
    send(portal, mail(text[:-1] + ("0" if text[-1] != "0" else "1"), "typo"))
    send(portal, mail(text, "robot", Auto_Submitted="auto-replied"))
    send(portal, mail(text, "bounce"), sender="")
    for who in ("plain", "html", "reply", "typo"):
        wait_until(lambda who=who: mails(portal, who), 30)
    for who in ("plain", "html", "reply"):
        (answer,) = mails(portal, f"{who}@")
        assert code in body(answer)
    assert "mistyped" in body(mails(portal, "typo")[0])
    assert mails(portal, "robot") == mails(portal, "bounce") == mails(portal, "from@") == []


# Files


def test_a_first_activation_by_files_alone(portal: Portal, key: str, today: int, tmp_path: Path) -> None:
    number = portal.new_key(module("BY_FILE", 2), add=False)
    assert portal.add(number).status == 0
    first, second = tmp_path / "first.kmreq", tmp_path / "second.kmreq"
    assert portal.run("export_request", str(first)).status == 0
    text = first.read_text()
    assert len(text.splitlines()) == 1
    assert {asked["number"] for asked in payload(text)["keys"]} == {key, number}
    # The same request again, until something changes.
    assert portal.run("export_request", str(second)).status == 0
    assert second.read_text() == text
    answer = _answer_file(portal, text, tmp_path / "a.kmans")
    imported = portal.run("import_answer", str(answer))
    assert imported.status == 0, imported
    assert f"{number} granted" in imported.out
    assert len(portal.lease("BY_FILE")["grants"]) == 1
    again = portal.run("import_answer", str(answer))
    assert again.status == 1
    assert len(again.err) == 1


def test_an_answer_to_an_earlier_file_is_worth_nothing(
    portal: Portal, key: str, today: int, tmp_path: Path
) -> None:
    one, two = tmp_path / "one.kmreq", tmp_path / "two.kmreq"
    portal.run("export_request", str(one))
    number = portal.new_key(module("CHANGED", 2), add=False)
    portal.add(number)
    portal.run("export_request", str(two))
    assert payload(one.read_text())["request_id"] != payload(two.read_text())["request_id"]
    early = _answer_file(portal, one.read_text(), tmp_path / "one.kmans")
    refused = portal.run("import_answer", str(early))
    assert (refused.status, len(refused.err)) == (1, 1)
    (tmp_path / "garbage").write_text("<html>")
    assert portal.run("import_answer", str(tmp_path / "garbage")).status == 1
    late = _answer_file(portal, two.read_text(), tmp_path / "two.kmans")
    assert portal.run("import_answer", str(late)).status == 0
    assert portal.checkout("CHANGED").status_code == 201
    # A file teaches no clock, and the next contact goes on from there.
    portal.mode("ok")
    assert portal.contact()[number] == "granted"


def test_a_removal_is_released_by_file(portal: Portal, key: str, today: int, tmp_path: Path) -> None:
    portal.mode("ok")
    number = portal.new_key(module("LEAVES", 2))
    portal.mode("refuse")
    assert portal.run("remove_key", number).status == 0
    assert number in portal.status()["release_pending"]
    portal.run("export_request", str(tmp_path / "r.kmreq"))
    answer = _answer_file(portal, (tmp_path / "r.kmreq").read_text(), tmp_path / "r.kmans")
    assert f"{number} released" in portal.run("import_answer", str(answer)).out
    assert portal.status()["release_pending"] == []
    assert portal.vendor_state(number)["bound_to"] is None
    assert refusal(portal.checkout("LEAVES")) == (422, "module_unknown")


def _answer_file(portal: Portal, request: str, path: Path) -> Path:
    answer = portal.http.post(
        f"{portal.demo.told['authority']}/desk/contact", data=request, headers=JOSE, timeout=30
    )
    assert answer.status_code == 200, answer.text
    path.write_text(answer.text)
    return path
