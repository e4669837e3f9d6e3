"""The reference authority judged by the vendor protocol, from outside, by requests made by hand."""

import json
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from joserfc.jwk import ECKey

from tests.authority_process import RunningAuthority, authority_process, module
from tests.journeys.installation import Installation, payload, sha256

KEY, OTHER = "5000006622", "5000006623"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningAuthority]:
    with authority_process(tmp_path_factory.mktemp("authority")) as authority:
        yield authority


@pytest.fixture
def authority(running: RunningAuthority) -> RunningAuthority:
    """The program with two keys as new."""
    running.mode("ok")
    running.move_clock(0)
    for number in (KEY, OTHER):
        running.add_key(number)
        running.reset(number)
        running.suspend(number, False)
    return running


@pytest.fixture
def first(authority: RunningAuthority) -> Installation:
    return Installation(authority)


@pytest.fixture
def second(authority: RunningAuthority) -> Installation:
    return Installation(authority, "SRV-TWO")


# Form


def test_the_key_set_is_public_and_has_both_uses(authority: RunningAuthority) -> None:
    keys = json.loads(authority.jwks_path.read_text())["keys"]
    assert {key["use"] for key in keys} == {"sig", "enc"}
    assert all(key["kid"] and "d" not in key and key["crv"] == "P-256" for key in keys)


def test_a_grant_has_the_contracts_shape(first: Installation) -> None:
    said = first.answer(first.request(bind=[KEY]))
    assert set(said) >= {
        "v",
        "request_id",
        "request_sha256",
        "installation",
        "answered_at",
        "keys",
        "released",
    }
    (key,) = said["keys"]
    assert set(key) == {"number", "result", "grant"}
    grant = first.opened(key["grant"], "km-grant+jws")
    assert set(grant) == {
        "v", "key", "customer", "installation", "serial", "issued_at", "valid_until", "modules"
    }  # fmt: skip
    assert (grant["v"], grant["key"], grant["customer"], grant["installation"]) == (
        1,
        KEY,
        "123456",
        first.id,
    )
    issued, until = (datetime.fromisoformat(grant[name]) for name in ("issued_at", "valid_until"))
    assert until - issued == timedelta(hours=72)
    assert set(grant["modules"][0]) == {"code", "name", "seats", "expires_on", "warranty_until"}
    pack = first.opened(said["codes"], "km-codes+jws")
    assert set(pack) == {
        "v", "installation", "pack", "issued_at", "keys", "challenge_key", "first_slot", "commitments"
    }  # fmt: skip
    assert (pack["keys"], len(pack["commitments"])) == ({KEY: grant["serial"]}, 30)


def test_white_space_around_a_request_is_no_part_of_it(first: Installation) -> None:
    request = first.request(bind=[KEY])
    response = first.send(f"\r\n {request} \n")
    assert payload(response.text)["request_sha256"] == sha256(request)


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none"}, {"alg": "HS256"}, {"alg": None}, {"kid": None}, {"typ": None}, {"jwk": None},
        {"typ": "km-grant+jws"}, {"kid": "x" * 43}, {"crit": []}, {"crit": ["typ"]}, {"b64": False},
        {"b64": True}, {"zip": "DEF"}, {"more": 1}, {"jwk": {"kty": "oct", "k": "AAAA"}}, {"jwk": "x"},
    ],
)  # fmt: skip
def test_a_wrong_header_is_a_bad_signature(first: Installation, header: dict[str, object]) -> None:
    refused = first.send(first.sign(payload(first.request(bind=[KEY])), **header))
    assert (refused.status_code, refused.json()["code"]) == (401, "bad_signature")
    assert refused.headers["content-type"].startswith("application/problem+json")


def test_a_private_padded_or_foreign_key_is_a_bad_signature(first: Installation) -> None:
    body = payload(first.request(bind=[KEY]))
    good = first.key.as_dict(private=False)
    stranger = ECKey.generate_key("P-256").as_dict(private=False)
    larger = ECKey.generate_key("P-384").as_dict(private=False)
    padded = {**good, "x": "AAAA" + good["x"]}
    for jwk in (first.key.as_dict(private=True), stranger, larger, padded):
        assert first.send(first.sign(body, jwk=jwk)).status_code == 401
    assert first.send(first.sign({**body, "installation": {**first.who, "id": "x" * 43}})).status_code == 401


@pytest.mark.parametrize(
    "change",
    [
        {"v": 2}, {"v": "1"}, {"v": True}, {"more": 1}, {"request_id": "x"}, {"sent_at": "yesterday"},
        {"sent_at": "2026-11-24T08:00:00+01:00"}, {"keys": {}}, {"keys": [{"number": "5000006622"}]},
        {"keys": [{"number": "4000006622", "serial": 0}]}, {"keys": [{"number": KEY, "serial": -1}]},
        {"keys": [{"number": KEY, "serial": True}]}, {"keys": [{"number": KEY, "serial": 1.5}]},
        {"keys": [{"number": KEY, "serial": 0, "more": 0}]},
        {"keys": [{"number": KEY, "serial": 0}, {"number": KEY, "serial": 0}]},
        {"keys": [{"number": f"50000{n:05}", "serial": 0} for n in range(51)]},
        {"release": None}, {"release": ["x"]}, {"installation": "x"},
    ],
)  # fmt: skip
def test_a_wrong_payload_is_malformed_and_does_nothing(
    first: Installation, change: dict[str, object]
) -> None:
    refused = first.send(first.sign({**payload(first.request(bind=[KEY])), **change}))
    assert (refused.status_code, refused.json()["code"]) == (400, "malformed")
    assert first.authority.state(KEY)["bound_to"] is None


def test_what_is_no_request_at_all_is_malformed(first: Installation) -> None:
    body = payload(first.request(bind=[KEY]))
    twice = json.dumps(body)[:-1] + ', "v": 1}'
    missing = {name: value for name, value in body.items() if name != "release"}
    for request in ("", "x", "a.b", "a.b.c.d", first.sign(twice), first.sign("[]"), first.sign(missing)):
        refused = first.send(request)
        assert (refused.status_code, refused.json()["code"]) == (400, "malformed")


def test_one_bit_of_the_signature_is_a_bad_signature(first: Installation) -> None:
    request = first.request(bind=[KEY])
    spoilt = request[:-5] + ("A" if request[-5] != "A" else "B") + request[-4:]
    assert first.send(spoilt).status_code == 401


def test_a_body_without_end_is_too_large(first: Installation) -> None:
    refused = first.send("a" * (9 * 1024 * 1024))
    assert refused.status_code == 413
    assert refused.headers["content-type"].startswith("application/problem+json")


# Binding


def test_a_key_is_bound_by_credentials_and_goes_on_without(first: Installation) -> None:
    assert first.outcome(KEY) == ["not_bound"]
    assert first.outcome(bind=[KEY]) == ["granted"]
    state = first.authority.state(KEY)
    assert (state["bound_to"], state["machine"], state["serial"]) == (
        first.id,
        first.machine,
        first.serials[KEY],
    )
    before = first.serials[KEY]
    assert first.outcome(KEY) == ["granted"]
    assert first.serials[KEY] == before + 1


@pytest.mark.parametrize(
    ("number", "members"),
    [(KEY, {"pin": "0000"}), (KEY, {"customer": "654321"}), ("5000099999", {})],
)
def test_wrong_credentials_all_look_the_same(
    first: Installation, number: str, members: dict[str, object]
) -> None:
    request_id = str(uuid.uuid4())
    sealed = first.credentials(request_id, number, **members)
    asked = [{"number": number, "serial": 0, "credentials": sealed}]
    said = first.answer(first.request(request_id=request_id, keys=asked))
    assert said["keys"] == [{"number": number, "result": "refused", "reason": "wrong_credentials"}]


def test_credentials_count_only_in_the_request_that_carries_them(
    first: Installation, second: Installation
) -> None:
    request = first.request(bind=[KEY])
    stolen = payload(request)["keys"][0]["credentials"]
    asked = [{"number": KEY, "serial": 0, "credentials": stolen}]
    assert second.answer(second.request(keys=asked))["keys"][0]["reason"] == "wrong_credentials"
    same_id = second.request(keys=asked, request_id=payload(request)["request_id"])
    assert second.answer(same_id)["keys"][0]["reason"] == "wrong_credentials"
    moved = [{**asked[0], "number": OTHER}]
    assert first.answer(first.request(keys=moved))["keys"][0]["reason"] == "wrong_credentials"
    # A stranger with the request in hand has done nothing to the key.
    assert first.answer(request)["keys"][0]["result"] == "granted"


def test_five_wrong_lock_the_guesser_alone(first: Installation, second: Installation) -> None:
    for _ in range(5):
        assert first.outcome(bind=[KEY], pin="1234") == ["wrong_credentials"]
    assert first.outcome(bind=[KEY]) == ["locked"]
    assert first.authority.state(KEY)["locked_until"] is not None
    assert second.outcome(bind=[KEY]) == ["granted"]
    first.authority.move_clock(24 * 3600 + 5)
    assert first.outcome(bind=[KEY]) == ["active_elsewhere"]


def test_a_repeated_request_counts_once(first: Installation) -> None:
    request = first.request(bind=[KEY], pin="1234")
    for _ in range(6):
        assert first.answer(request)["keys"][0]["reason"] == "wrong_credentials"
    assert first.outcome(bind=[KEY]) == ["granted"]


def test_twenty_wrong_in_a_day_lock_a_key_but_never_its_owner(authority: RunningAuthority) -> None:
    owner = Installation(authority)
    assert owner.outcome(bind=[OTHER]) == ["granted"]
    for number in (KEY, OTHER):
        for _ in range(5):
            guesser = Installation(authority)
            assert [guesser.outcome(bind=[number], pin="9999")[0] for _ in range(4)] == [
                "wrong_credentials"
            ] * 4
        assert Installation(authority).outcome(bind=[number]) == ["locked"]
    assert owner.outcome(OTHER) == ["granted"]
    assert owner.outcome(bind=[OTHER]) == ["granted"]
    authority.reset(KEY)
    assert Installation(authority).outcome(bind=[KEY]) == ["granted"]


def test_a_key_bound_elsewhere_names_the_holder_only_after_right_credentials(
    first: Installation, second: Installation
) -> None:
    first.outcome(bind=[KEY])
    refused = {"number": KEY, "result": "refused", "reason": "active_elsewhere"}
    assert second.answer(second.request(bind=[KEY]))["keys"] == [{**refused, "active_on": "SRV-ERP"}]
    assert second.answer(second.request(KEY))["keys"] == [refused]
    assert second.outcome(bind=[KEY], pin="1111") == ["wrong_credentials"]
    assert first.outcome(KEY) == ["granted"]


def test_suspended_stands_before_elsewhere_and_after_credentials(
    first: Installation, second: Installation
) -> None:
    first.outcome(bind=[KEY])
    first.authority.suspend(KEY)
    assert first.outcome(KEY) == ["suspended"]
    assert second.outcome(KEY) == ["active_elsewhere"]
    assert second.outcome(bind=[KEY]) == ["suspended"]
    assert second.outcome(bind=[KEY], pin="1111") == ["wrong_credentials"]
    first.authority.suspend(KEY, False)
    assert first.outcome(KEY) == ["granted"]


def test_another_machine_is_told_until_bound_anew(first: Installation) -> None:
    first.outcome(bind=[KEY])
    moved = Installation(first.authority, machine="sha256:" + "cd" * 32, key=first.key)
    moved.serials = dict(first.serials)
    first.authority.suspend(KEY)
    assert moved.outcome(KEY) == ["suspended"]
    first.authority.suspend(KEY, False)
    assert moved.outcome(KEY) == ["machine_changed"]
    assert moved.outcome(release=[KEY]) == []
    assert first.authority.state(KEY)["bound_to"] == first.id
    assert moved.outcome(bind=[KEY]) == ["granted"]
    assert first.outcome(KEY) == ["machine_changed"]


def test_release_unbinds_first_and_is_told_either_way(first: Installation, second: Installation) -> None:
    first.outcome(bind=[KEY])
    said = second.answer(second.request(release=[KEY]))
    assert (said["released"], first.authority.state(KEY)["bound_to"]) == ([KEY], first.id)
    said = first.answer(first.request(release=[KEY, "5000077777"]))
    assert (said["released"], first.authority.state(KEY)["bound_to"]) == ([KEY, "5000077777"], None)
    assert second.outcome(bind=[KEY]) == ["granted"]


def test_release_comes_before_the_keys(first: Installation) -> None:
    first.outcome(bind=[KEY])
    said = first.answer(first.request(KEY, release=[KEY]))
    assert (said["keys"][0]["reason"], said["released"]) == ("not_bound", [KEY])


# Serials


def test_serials_never_go_back_whoever_holds_the_key(first: Installation, second: Installation) -> None:
    first.outcome(bind=[KEY])
    first.outcome(KEY)
    before = first.serials[KEY]
    first.outcome(release=[KEY])
    assert second.outcome(bind=[KEY]) == ["granted"]
    assert second.serials[KEY] == before + 1
    second.authority.reset(KEY)
    assert first.outcome(bind=[KEY], serials={KEY: 0}) == ["granted"]
    assert first.serials[KEY] == before + 2
    second.authority.add_key(KEY, pin="9999")
    state = second.authority.state(KEY)
    assert (state["bound_to"], state["serial"]) == (first.id, before + 2)


def test_lost_answers_are_no_clone(first: Installation) -> None:
    first.outcome(bind=[KEY])
    held = first.serials[KEY]
    for _ in range(4):
        assert first.outcome(KEY, serials={KEY: held}) == ["granted"]
    assert first.outcome(KEY) == ["granted"]


def test_an_older_serial_than_reported_is_a_clone_until_bound_anew(first: Installation) -> None:
    first.outcome(bind=[KEY])
    old = first.serials[KEY]
    first.outcome(KEY)
    assert first.outcome(KEY) == ["granted"]  # reports old + 1
    newest = first.serials[KEY]
    assert first.outcome(KEY, serials={KEY: old}) == ["clone_suspected"]
    assert first.authority.state(KEY)["clone_suspected"] is True
    assert first.outcome(KEY, serials={KEY: newest}) == ["clone_suspected"]
    assert first.outcome(bind=[KEY]) == ["granted"]
    assert first.authority.state(KEY)["clone_suspected"] is False
    assert first.outcome(KEY) == ["granted"]


def test_a_serial_never_given_is_a_clone_and_the_reset_clears_it(first: Installation) -> None:
    first.outcome(bind=[KEY])
    assert first.outcome(KEY, serials={KEY: 10**6}) == ["clone_suspected"]
    first.authority.reset(KEY)
    state = first.authority.state(KEY)
    assert (state["clone_suspected"], state["bound_to"]) == (False, None)
    assert first.outcome(bind=[KEY], serials={KEY: 10**6}) == ["granted"]


# Requests repeated


def test_the_last_request_is_answered_again_with_the_same_results(first: Installation) -> None:
    request = first.request(bind=[KEY])
    said = first.answer(request)
    first.authority.move_clock(3600)
    again = first.answer(request)
    assert again["answered_at"] > said["answered_at"]
    assert {**again, "answered_at": ""} == {**said, "answered_at": ""}
    assert first.authority.state(KEY)["serial"] == first.serials[KEY]


def test_an_id_used_before_the_last_one_is_replayed(first: Installation) -> None:
    old = first.request(bind=[KEY])
    first.answer(old)
    first.outcome(KEY)
    refused = first.send(old)
    assert (refused.status_code, refused.json()["code"]) == (409, "replayed")
    assert first.authority.state(KEY)["clone_suspected"] is False
    assert first.outcome(KEY) == ["granted"]
    first.authority.move_clock(399 * 86400)
    assert first.send(old).status_code == 409


# Packs


def test_a_pack_is_the_same_bytes_for_a_day_and_new_when_what_it_covers_changes(first: Installation) -> None:
    said = first.answer(first.request(bind=[KEY]))
    assert first.answer(first.request(KEY))["codes"] == said["codes"]
    number = first.opened(said["codes"], "km-codes+jws")["pack"]
    first.authority.add_key(KEY, modules=[module("HANDEL", 4)])
    fewer = first.opened(first.answer(first.request(KEY))["codes"], "km-codes+jws")
    assert fewer["pack"] == number + 1
    both = first.opened(first.answer(first.request(KEY, bind=[OTHER]))["codes"], "km-codes+jws")
    assert (both["pack"], set(both["keys"])) == (number + 2, {KEY, OTHER})
    first.authority.move_clock(86400)
    later = first.opened(first.answer(first.request(KEY, OTHER))["codes"], "km-codes+jws")
    assert (later["pack"], later["first_slot"]) == (number + 3, both["first_slot"] + 1)


def test_an_answer_without_a_grant_has_no_pack(first: Installation) -> None:
    said = first.answer(first.request(bind=[KEY], pin="1111"))
    assert not said.get("codes")


# Control


@pytest.mark.parametrize("mode", ["error_500", "busy_503", "html", "redirect"])
def test_modes_that_do_nothing_else(first: Installation, mode: str) -> None:
    first.authority.mode(mode)
    response = first.send(first.request(bind=[KEY]))
    assert response.status_code == {"error_500": 500, "busy_503": 503, "html": 200}.get(
        mode, response.status_code
    )
    assert mode != "redirect" or 300 <= response.status_code < 400
    assert mode != "busy_503" or response.headers["retry-after"] == "60"
    assert first.authority.state(KEY)["bound_to"] is None


def test_control_tells_its_state(first: Installation) -> None:
    first.authority.move_clock(-90)
    state = first.authority.request("GET", "/_control/state").json()
    assert set(state) == {"mode", "clock_offset_seconds", "keys"}
    assert (state["mode"], state["clock_offset_seconds"]) == ("ok", -90)
    assert set(state["keys"][0]) == {
        "number", "bound_to", "machine", "serial", "suspended", "clone_suspected", "locked_until"
    }  # fmt: skip
    refused = first.authority.request("POST", "/_control/mode", json={"mode": "nothing"})
    assert refused.status_code in (400, 422)


def test_modes_leave_the_desk_alone(first: Installation) -> None:
    first.authority.mode("refuse")
    said = first.answer(first.request(bind=[KEY]), "/desk/contact")
    assert said["keys"][0]["result"] == "granted"
