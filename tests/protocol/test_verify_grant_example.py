"""The standalone checker in docs/examples judges leases by the vendor's signatures alone."""

import ast
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from licensing.protocol import (
    PACK_SLOTS,
    AuthoritySecrets,
    commitment,
    context,
    derive_code,
    sign_code_pack,
    verify_code_pack,
)
from tests.protocol.material import (
    CODES_JWS,
    GRANT,
    GRANT_JWS,
    INSTALLATION,
    KEY,
    KEYS,
    MESSAGES,
    SECRETS,
    STRANGER,
    changed,
    sign,
)

CHECKER = Path(__file__).parent.parent.parent / "docs" / "examples" / "verify_grant.py"
NOW = "2026-11-24T12:00:00Z"
HANDEL = {"code": "HANDEL", "key": KEY, "seat": 3, "expires_on": None, "warranty_until": "2027-03-31"}
KASA = {"code": "KASA", "key": KEY, "seat": None, "expires_on": None, "warranty_until": None}
LEASE: dict[str, Any] = {
    "id": "0b6f7a1e",
    "state": "active",
    "modules": [HANDEL, KASA],
    "expires_at": "2026-11-24T12:30:00.000000Z",
    "contact_deadline": "2026-11-27T08:00:00.000000Z",
    "grants": {KEY: GRANT_JWS},
    "activation": None,
}
SECRET = bytes(32)
SLOT = 2521


def activation(slot: int = SLOT, /, **changes: Any) -> dict[str, Any]:
    """The proof of an offline code of the pack that the vectors' installation holds."""
    held = verify_code_pack(CODES_JWS, KEYS, installation=INSTALLATION.id)
    contexts = [context(held.installation, held.pack, held.first_slot + day) for day in range(PACK_SLOTS)]
    codes = [derive_code(SECRET, bound_to) for bound_to in contexts]
    place = slot - held.first_slot
    commitments = [*held.commitments]
    commitments[place] = commitment(codes[place], contexts[place])
    pack = replace(held, commitments=tuple(commitments))
    return {"codes": sign_code_pack(pack, SECRETS), "slot": slot, "code": codes[place]} | changes


def judge(
    folder: Path, lease: dict[str, Any] | str, *arguments: str, jwks: Any = None
) -> tuple[int, list[str], str]:
    """Exit status, the lines printed and the complaint, run as an ERP programmer would run it."""
    lease_file, jwks_file = folder / "lease.json", folder / "jwks.json"
    lease_file.write_text(lease if isinstance(lease, str) else json.dumps(lease))
    jwks_file.write_text(json.dumps(MESSAGES["authority_jwks"] if jwks is None else jwks))
    command = [sys.executable, "-I", str(CHECKER), str(lease_file), str(jwks_file), "--now", NOW, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    return done.returncode, done.stdout.splitlines(), done.stderr


def test_checker_stands_alone() -> None:
    tree = ast.parse(CHECKER.read_text("utf-8"))
    names = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    imported = {name.split(".")[0] for name in names}
    assert imported - set(sys.stdlib_module_names) == {"cryptography"}


def test_good_lease_is_good_in_every_module(tmp_path: Path) -> None:
    status, lines, _ = judge(tmp_path, LEASE, "--installation", INSTALLATION.id)
    assert status == 0
    assert lines == [
        f"GOOD HANDEL on {KEY}: seat 3 of 5, until 2026-11-27 08:00 UTC at the latest",
        f"GOOD KASA on {KEY}: not counted, until 2026-11-27 08:00 UTC at the latest",
    ]


def test_grant_kept_from_before_is_used_where_the_answer_leaves_it_out(tmp_path: Path) -> None:
    lease = changed(LEASE, grants={})
    assert judge(tmp_path, lease)[:2] == (
        1,
        [f"BAD  HANDEL on {KEY}: no grant of its key", f"BAD  KASA on {KEY}: no grant of its key"],
    )
    known = tmp_path / "known.json"
    known.write_text(json.dumps({KEY: GRANT_JWS}))
    assert judge(tmp_path, lease, "--known", str(known))[0] == 0


def grant(**changes: Any) -> dict[str, str]:
    return {KEY: sign(changed(GRANT, **changes), "km-grant+jws")}


MODULE = GRANT["modules"][0]
FORGED = AuthoritySecrets.generate()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"modules": [changed(HANDEL, seat=6)]}, "seat 6 is not one of the 5 bought"),
        ({"modules": [changed(HANDEL, seat=0)]}, "seat 0 is not"),
        ({"modules": [changed(HANDEL, seat=None)]}, "seat None is not"),
        ({"modules": [changed(HANDEL, code="CRM")]}, "not bought on this key"),
        ({"modules": [changed(HANDEL, key="5000006623")]}, "no grant of its key"),
        ({"grants": {KEY: MESSAGES["bad_grants"][0]["grant"]}}, "signature does not hold"),
        ({"grants": {KEY: GRANT_JWS[:-4]}}, "signature does not hold"),
        ({"grants": {KEY: MESSAGES["bad_grants"][1]["grant"]}}, "signature does not hold"),
        ({"grants": {KEY: MESSAGES["bad_grants"][2]["grant"]}}, "signed by a key of the vendor"),
        ({"grants": {KEY: MESSAGES["bad_grants"][3]["grant"]}}, "signed by a key of the vendor"),
        ({"grants": {KEY: MESSAGES["bad_grants"][4]["grant"]}}, "another installation"),
        ({"grants": {KEY: sign(GRANT, "km-grant+jws", crit=[])}}, "signed by a key of the vendor"),
        ({"grants": {KEY: CODES_JWS}}, "no km-grant+jws"),
        ({"grants": {KEY: "hello"}}, "cannot be read"),
        ({"grants": {KEY: sign('{"v": 1, "v": 1}', "km-grant+jws")}}, "one member twice"),
        ({"grants": grant(v=2)}, "another version"),
        ({"grants": grant(key="5000006623")}, "the grant of another key"),
        ({"grants": grant(valid_until="2026-12-24T08:00:00Z")}, "longer than 72 hours"),
        (
            {"grants": grant(issued_at="2026-11-20T08:00:00Z", valid_until="2026-11-23T08:00:00Z")},
            "without contact with the vendor, ended 2026-11-23 08:00 UTC",
        ),
        ({"grants": grant(modules=[changed(MODULE, expires_on="2026-11-23")])}, "expired on 2026-11-23"),
        ({"expires_at": "2026-11-27T08:00:00.000001Z"}, "lasts longer than the vendor allows"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_lease_that_claims_more_than_was_signed_is_bad(
    tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    status, lines, _ = judge(tmp_path, changed(LEASE, **changes), "--installation", INSTALLATION.id)
    assert status == 1
    assert lines[0].startswith("BAD ")
    assert reason in lines[0]


def test_a_bad_module_leaves_the_others_good(tmp_path: Path) -> None:
    status, lines, _ = judge(tmp_path, changed(LEASE, modules=[changed(HANDEL, seat=9), KASA]))
    assert status == 1
    assert [line[:4] for line in lines] == ["BAD ", "GOOD"]


def test_module_is_good_on_its_last_day(tmp_path: Path) -> None:
    grants = grant(modules=[changed(MODULE, expires_on="2026-11-24")])
    assert judge(tmp_path, changed(LEASE, grants=grants, modules=[HANDEL]))[0] == 0


def test_grants_of_two_installations_are_not_one_lease(tmp_path: Path) -> None:
    other = sign(changed(GRANT, key="5000006623", installation=STRANGER.id), "km-grant+jws")
    lease = changed(
        LEASE,
        modules=[HANDEL, changed(HANDEL, key="5000006623")],
        grants={KEY: GRANT_JWS, "5000006623": other},
    )
    assert [line[:4] for line in judge(tmp_path, lease)[1]] == ["GOOD", "BAD "]


LATE = changed(LEASE, expires_at="2026-11-29T00:00:00Z")
AT_LATE = ("--now", "2026-11-28T12:00:00Z")


def test_activation_code_proves_its_day_and_72_hours_more(tmp_path: Path) -> None:
    assert judge(tmp_path, LATE, *AT_LATE)[0] == 1
    status, lines, _ = judge(tmp_path, changed(LATE, activation=activation()), *AT_LATE)
    assert status == 0
    assert lines[0].endswith("seat 3 of 5, until 2026-11-30 00:00 UTC at the latest")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"code": "0" * 16}, "a code that the vendor did not give"),
        ({"slot": SLOT + 1}, "a code that the vendor did not give"),
        ({"slot": 2600}, "a day that the code pack does not have"),
        ({"slot": 2518}, "a day that the code pack does not have"),
        ({"codes": GRANT_JWS}, "no km-codes+jws"),
        ({"codes": CODES_JWS}, "a code that the vendor did not give"),
        ({"codes": 5}, "cannot be read"),
    ],
    ids=str,
)
def test_activation_that_the_vendor_did_not_give_is_bad(
    tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    status, lines, _ = judge(tmp_path, changed(LATE, activation=activation(**changes)), *AT_LATE)
    assert status == 1
    assert reason in lines[0]


def test_activation_of_other_keys_proves_nothing_for_this_one(tmp_path: Path) -> None:
    pack = verify_code_pack(activation()["codes"], KEYS, installation=INSTALLATION.id)
    codes = sign_code_pack(replace(pack, keys={"5000006625": 1}), SECRETS)
    status, lines, _ = judge(tmp_path, changed(LATE, activation=activation(codes=codes)), *AT_LATE)
    assert status == 1
    assert "without contact" in lines[0]


def test_activation_of_another_installation_is_bad(tmp_path: Path) -> None:
    pack = verify_code_pack(activation()["codes"], KEYS, installation=INSTALLATION.id)
    codes = sign_code_pack(replace(pack, installation=STRANGER.id), SECRETS)
    status, lines, _ = judge(tmp_path, changed(LATE, activation=activation(codes=codes)), *AT_LATE)
    assert status == 1
    assert "another installation" in lines[0]


def test_lease_of_no_module_proves_nothing(tmp_path: Path) -> None:
    assert judge(tmp_path, changed(LEASE, modules=[]))[:2] == (1, [])


def test_keys_of_a_stranger_prove_nothing(tmp_path: Path) -> None:
    jwks = json.loads(FORGED.public().to_json())
    assert judge(tmp_path, LEASE, jwks=jwks)[0] == 1


@pytest.mark.parametrize("lease", ["", "[]", "{}", "hello", '{"modules": [{}]}'])
def test_files_that_cannot_be_read_give_status_2(tmp_path: Path, lease: str) -> None:
    status, _, complaint = judge(tmp_path, lease)
    assert status == 2
    assert complaint.startswith("cannot be judged")
