"""What a checkout may say, and how a wrong one is told."""

import json
import unicodedata

import pytest

from licensing.api.parsing import LONGEST_IN_PARTS, read_checkout
from licensing.models import Lease, Refusal
from licensing.operations.errors import Refused

from .calling import Api, checkout_body


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"null", b'"text"', b"12", b"{}x", b'{"modules": ["A"],}', b"\xff\xfe{}",
        b"[" * 15000, b'{"user": "\xc3"}', b'{"user": "\\ud800"}',
    ],
)  # fmt: skip
def test_what_is_no_json_object_is_malformed(api: Api, body: bytes) -> None:
    refused = api.call("POST", "/leases", body, Content_Type="application/json")
    assert (refused.status, refused.code) == (400, "malformed_json")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"modules": None}, "/modules"),
        ({"modules": []}, "/modules"),
        ({"modules": "HANDEL"}, "/modules"),
        ({"modules": [1]}, "/modules/0"),
        ({"modules": ["HANDEL", "HANDEL"]}, "/modules/1"),
        ({"modules": ["A\u0000"]}, "/modules/0"),
        ({"optional": ["A", "\u0000"]}, "/optional/1"),
        ({"program": {"name": "a\u0000", "version": "1"}}, "/program/name"),
        ({"program": {"name": "a", "version": "\u00001"}}, "/program/version"),
        ({"modules": [f"M{n}" for n in range(33)]}, "/modules"),
        ({"optional": [f"M{n}" for n in range(33)]}, "/optional"),
        ({"optional": ["HANDEL"]}, "/optional/0"),
        ({"optional": [True]}, "/optional/0"),
        ({"workstation": None}, "/workstation"),
        ({"workstation": "  "}, "/workstation"),
        ({"workstation": "x" * 65}, "/workstation"),
        ({"user": None}, "/user"),
        ({"user": 5}, "/user"),
        ({"user": "a\nb"}, "/user"),
        ({"user": "a\u200bb"}, "/user"),
        ({"user": "anna\n"}, "/user"),
        ({"program": None}, "/program"),
        ({"program": "ERP"}, "/program"),
        ({"program": {"name": "ERP"}}, "/program/version"),
        ({"program": {"name": "", "version": "1"}}, "/program/name"),
        ({"program": {"name": "x" * 65, "version": "1"}}, "/program/name"),
        ({"program": {"name": "E", "version": "x" * 33}}, "/program/version"),
        ({"program": {"name": "E", "version": "1", "built_on": "1 May"}}, "/program/built_on"),
        ({"program": {"name": "E", "version": "1", "built_on": "2026-02-30"}}, "/program/built_on"),
        ({"program": {"name": "E", "version": "1", "os": "x"}}, "/program/os"),
        ({"key": 5000006622}, "/key"),
        ({"known_grants": []}, "/known_grants"),
        ({"known_grants": {"5000006622": "42"}}, "/known_grants"),
        ({"known_grants": {"5000006622": True}}, "/known_grants"),
        ({"surprise": 1}, "/surprise"),
        ({"a/b~c": 1}, "/a~1b~0c"),
        ({"a - at `$.user`": 1}, "/a - at `$.user`"),
        ({"a` - at `$.program": 1}, "/a` - at `$.program"),
        ({"program": {"name": "E", "version": "1", "b` - at `$": 1}}, "/program/b` - at `$"),
        ({"program": {"name": "E", "version": "1", "/~": 1}}, "/program/~1~0"),
        ({"a.b[0]\n": 1}, "/a.b[0]\n"),
        ({"": 1}, "/"),
        ({"`": 1}, "/`"),
        ({"missing required field `x`": 1}, "/missing required field `x`"),
    ],
)
def test_a_wrong_member_is_named_by_its_pointer(api: Api, changes: dict[str, object], field: str) -> None:
    refused = api.call("POST", "/leases", checkout_body(**changes))
    assert (refused.status, refused.code) == (422, "validation_failed")
    error = refused.json["errors"][0]
    assert error["field"] == field
    assert error["message"]
    assert not Lease.objects.exists()


def test_an_unknown_member_that_came_twice_is_told_of_where_it_was(api: Api) -> None:
    body = json.dumps(checkout_body())
    twice = body.replace('"program": {', '"program": {"os": "x"}, "program": {')
    refused = api.call("POST", "/leases", twice.encode())
    assert (refused.code, refused.json["errors"][0]["field"]) == ("validation_failed", "/program")


# Everything but U+0000: controls, formats, what has no letter, and what writes from right to left.
ODD = "\x01\n\r\t\x1b\x7f\x85\u200b\u202e\ufeff\uffff\u2028\"\\'{};"


def test_program_may_have_any_name_and_version_that_can_be_kept(api: Api) -> None:
    reply = api.checkout("KASA", program={"name": ODD, "version": ODD})
    assert reply.status == 201
    assert Lease.objects.values_list("program_name", "program_version").get() == (ODD, ODD)


def test_code_may_have_any_letters_and_is_just_unknown(api: Api) -> None:
    lease = api.checkout("KASA", optional=[ODD]).json
    assert lease["not_taken"] == [{"code": ODD, "reason": "module_unknown"}]
    assert api.call("GET", f"/leases/{lease['id']}").json["not_taken"] == lease["not_taken"]
    refused = api.checkout("KASA", ODD, program={"name": ODD, "version": ODD})
    assert (refused.status, refused.code, refused.json["modules"]) == (422, "module_unknown", [ODD])
    kept = Refusal.objects.values_list("modules", "causes", "program_name", "program_version")
    assert kept.get() == (["KASA", ODD], [ODD], ODD, ODD)


def test_user_and_workstation_are_stripped_and_composed(api: Api) -> None:
    decomposed = "  z\u0307o\u0301\u0142w " + ""
    lease = api.checkout("KASA", user=decomposed, workstation=" PC ").json
    assert (lease["user"], lease["workstation"]) == ("żółw", "PC")


def test_white_space_around_a_name_does_not_count_however_much_it_is(api: Api) -> None:
    lease = api.checkout("KASA", user="anna" + "\u3000" * 2000, workstation=" " * 2000 + "PC").json
    assert (lease["user"], lease["workstation"]) == ("anna", "PC")
    assert api.checkout("KASA", user=" " * 5000).code == "validation_failed"


def test_a_name_that_is_too_long_in_any_form_is_not_put_into_another(monkeypatch: pytest.MonkeyPatch) -> None:
    # Its marks would be sorted one by one, for up to a quarter of a second in which nobody else is answered.
    put: list[int] = []
    normalize = unicodedata.normalize
    monkeypatch.setattr(
        unicodedata, "normalize", lambda form, text: put.append(len(text)) or normalize(form, text)
    )
    body = json.dumps(checkout_body(user="a" + "\u0301\u0323" * 3900), ensure_ascii=False).encode()
    with pytest.raises(Refused, match="validation_failed"):
        read_checkout({"content-type": "application/json"}, body, 1)
    assert put == [len("PC-017")]


def test_the_longest_name_may_come_in_four_parts_each(api: Api) -> None:
    composed = unicodedata.normalize("NFC", "\u1f82") * 64
    parts = unicodedata.normalize("NFD", composed)
    assert len(parts) == LONGEST_IN_PARTS
    assert api.checkout("KASA", user=f"  {parts}  ").json["user"] == composed


def test_64_code_points_are_taken_and_65_are_not(api: Api) -> None:
    assert api.checkout("KASA", user="ż" * 64, workstation=f" {'🙂' * 64} ").status == 201
    assert api.checkout("KASA", user="ż" * 65).code == "validation_failed"


def test_the_body_may_have_16_kib(api: Api) -> None:
    body = json.dumps(checkout_body("KASA")).encode()
    full = body + b" " * (16 * 1024 - len(body))
    assert api.call("POST", "/leases", full).status == 201
    refused = api.call("POST", "/leases", full + b" ")
    assert (refused.status, refused.code) == (413, "body_too_large")


@pytest.mark.parametrize(
    "media_type", ["", "text/plain", "application/x-www-form-urlencoded", "application/jsonx"]
)
def test_a_body_that_is_not_json_is_unsupported(api: Api, media_type: str) -> None:
    refused = api.call("POST", "/leases", json.dumps(checkout_body()).encode(), Content_Type=media_type)
    assert (refused.status, refused.code) == (415, "unsupported_media_type")


def test_a_charset_may_be_named(api: Api) -> None:
    assert (
        api.call("POST", "/leases", checkout_body(), Content_Type="application/json; charset=utf-8").status
        == 201
    )


def test_the_type_is_judged_before_the_size_and_the_size_before_the_body(api: Api) -> None:
    large = b"x" * (16 * 1024 + 1)
    assert api.call("POST", "/leases", large, Content_Type="text/plain").status == 415
    assert api.call("POST", "/leases", large, Content_Type="application/json").status == 413
