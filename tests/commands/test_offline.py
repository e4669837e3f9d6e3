"""Commands for a portal without a network: codes and files."""

from collections.abc import Callable
from pathlib import Path

from tests.commands.conftest import Ran
from tests.vendor_link import Link

KEY = "5000006622"
Command = Callable[..., Ran]
ADD = ("add_key", "--number", KEY, "--customer", "123456", "--pin", "0427")


def test_a_code_from_the_desk_renews_the_modules(link: Link, command: Command) -> None:
    command(*ADD)
    challenge = command("offline_challenge")
    assert len(challenge.lines) == 1
    assert challenge.out.startswith("ERP EN ")
    answer = link.authority.request("POST", "/desk/answer", json={"message": challenge.out.strip()})
    ran = command("activate_offline", *answer.json()["code"].split("-"))
    assert (ran.status, ran.err) == (0, "")
    assert ran.lines[0].startswith(f"{KEY} works until 20")
    again = command("activate_offline", answer.json()["code"])
    assert again.err.startswith("already_used: ")


def test_the_language_of_the_message_can_be_chosen(link: Link, command: Command) -> None:
    command(*ADD)
    assert command("offline_challenge", "--language", "pl").out.startswith("ERP PL ")


def test_without_any_contact_there_is_no_message(link: Link, command: Command) -> None:
    ran = command("offline_challenge")
    assert (ran.out, ran.status) == ("", 1)
    assert ran.err.startswith("no_pack: ")


def test_a_mistyped_code_is_refused(link: Link, command: Command) -> None:
    command(*ADD)
    ran = command("activate_offline", "0000-0000-0000-000Z")
    assert (ran.out, ran.status) == ("", 1)
    assert ran.err.startswith("mistyped: ")


def test_a_key_is_activated_by_files_alone(link: Link, command: Command, tmp_path: Path) -> None:
    link.authority.mode("refuse")
    command(*ADD)
    link.authority.mode("ok")
    exported = command("export_request", str(tmp_path))
    request = next(tmp_path.glob("contact-request-*.kmreq"))
    assert exported.lines[0] == f"Request written to {request}."
    answer = link.authority.post("/desk/contact", request.read_bytes().strip())
    (tmp_path / "answer.kmans").write_bytes(answer.content)
    ran = command("import_answer", str(tmp_path / "answer.kmans"))
    assert ran == Ran(f"{KEY} granted\n", "", 0)


def test_an_answer_that_is_none_is_refused(link: Link, command: Command, tmp_path: Path) -> None:
    command(*ADD)
    for content in (b"no answer", b"\xff\xfe", b""):
        (tmp_path / "answer.kmans").write_bytes(content)
        ran = command("import_answer", str(tmp_path / "answer.kmans"))
        assert (ran.out, ran.status) == ("", 1)
        assert len(ran.err.splitlines()) == 1


def test_a_file_that_is_not_there_is_told(link: Link, command: Command, tmp_path: Path) -> None:
    missing = tmp_path / "none"
    assert (
        command("import_answer", str(missing)).err == f"file_not_read: {missing}: No such file or directory\n"
    )
    told = command("export_request", str(missing / "x.kmreq"))
    assert told == Ran("", f"file_not_written: There is no folder {missing}.\n", 1)


def test_nothing_to_export_is_told(link: Link, command: Command, tmp_path: Path) -> None:
    assert command("export_request", str(tmp_path)).err.startswith("nothing_to_ask: ")
