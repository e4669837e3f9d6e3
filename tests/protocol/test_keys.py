"""Keys: canonical P-256 alone; the authority's set changes by its own signed word."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from licensing.protocol import (
    AuthorityKeys,
    AuthoritySecrets,
    BadSignature,
    InstallationKey,
    MalformedMessage,
    ProtocolError,
    WrongMessage,
    cluster_machine,
    machine_id_digest,
    sign_key_set,
    thumbprint,
    verify_grant,
)
from licensing.protocol.keys import NamedKey
from tests.protocol.material import (
    GRANT,
    GRANT_JWS,
    INSTALLATION,
    KEY,
    KEYS,
    MESSAGES,
    SECRETS,
    STRANGER,
    b64,
    changed,
    sign,
    unb64,
)

MOMENT = datetime(2026, 11, 24, 8, tzinfo=UTC)
SET: dict[str, Any] = MESSAGES["authority_jwks"]
SIGNING, OLDER, SEALING = SET["keys"]
PUBLIC = STRANGER.public_jwk


def test_installation_key_survives_a_round_trip() -> None:
    again = InstallationKey.from_json(STRANGER.to_json())
    assert (again.id, again.public_jwk) == (STRANGER.id, PUBLIC)
    assert again.to_json() == STRANGER.to_json()
    assert set(PUBLIC) == {"kty", "crv", "x", "y"}


def test_every_new_installation_has_its_own_id() -> None:
    assert len({InstallationKey.generate().id for _ in range(5)}) == 5


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "\ud800",
        json.dumps(PUBLIC),
        json.dumps(changed(json.loads(STRANGER.to_json()), d=b64(bytes(31)))),
        json.dumps(changed(json.loads(STRANGER.to_json()), d=b64(bytes(32)))),
        json.dumps(changed(json.loads(STRANGER.to_json()), d=b64(b"\xff" * 32))),
        json.dumps(changed(json.loads(STRANGER.to_json()), d=b64(bytes(31) + b"\x01"))),
    ],
    ids=lambda text: ascii(text)[:40],
)
def test_what_is_no_private_key_is_malformed(text: str) -> None:
    with pytest.raises(MalformedMessage):
        InstallationKey.from_json(text)


def test_thumbprint_is_of_the_canonical_public_members_alone() -> None:
    assert thumbprint(INSTALLATION.public_jwk) == MESSAGES["installation"]["id"]
    assert thumbprint(json.loads(INSTALLATION.to_json()) | {"kid": "x"}) == INSTALLATION.id


@pytest.mark.parametrize(
    "jwk",
    [
        PUBLIC | {"x": f"{PUBLIC['x']}="},
        PUBLIC | {"x": "AA" + str(PUBLIC["x"])},
        PUBLIC | {"y": str(PUBLIC["y"])[:-1]},
        PUBLIC | {"y": None},
        PUBLIC | {"y": b64(b"\x00" + unb64(str(PUBLIC["y"])))},
        PUBLIC | {"crv": "P-521"},
        PUBLIC | {"kty": "OKP"},
        PUBLIC | {"x": PUBLIC["y"]},
        {"kty": "oct", "k": "AA"},
        {},
    ],
    ids=str,
)
def test_thumbprint_of_another_spelling_or_kind_is_refused(jwk: dict[str, object]) -> None:
    with pytest.raises(MalformedMessage):
        thumbprint(jwk)


def test_authority_secrets_survive_a_round_trip() -> None:
    secrets = AuthoritySecrets.generate()
    again = AuthoritySecrets.from_json(secrets.to_json())
    assert again == secrets
    assert again.to_json() == secrets.to_json()
    assert AuthorityKeys.from_json(secrets.public().to_json()) == secrets.public()
    assert AuthorityKeys.from_json(secrets.public().to_json().encode()) == secrets.public()
    assert '"d"' not in secrets.public().to_json()


@pytest.mark.parametrize(
    "keys",
    [
        None,
        {},
        [],
        [SIGNING],
        [SEALING],
        [SIGNING, SEALING, SIGNING],
        [SIGNING, None],
        [SIGNING, changed(SEALING, kid=...)],
        [SIGNING, changed(SEALING, kid=5)],
        [SIGNING, changed(SEALING, use=...)],
        [SIGNING, changed(SEALING, use="other")],
        [SIGNING, changed(SEALING, use=["enc"])],
        [SIGNING, changed(SEALING, x=...)],
        [SIGNING, changed(SEALING, x=SEALING["x"] + "=")],
        [SIGNING, changed(SEALING, kty="RSA")],
        MESSAGES["authority_private_jwks"]["keys"],
        [changed(SIGNING, kid=f"k{index}") for index in range(32)] + [SEALING],
    ],
    ids=lambda keys: str(keys)[:40],
)
def test_what_is_no_key_set_is_malformed(keys: object) -> None:
    with pytest.raises(MalformedMessage):
        AuthorityKeys.from_json(json.dumps({"keys": keys}))


def test_private_set_without_private_keys_is_malformed() -> None:
    with pytest.raises(MalformedMessage):
        AuthoritySecrets.from_json(json.dumps(SET))


def test_signed_key_set_replaces_the_one_known() -> None:
    new = AuthoritySecrets.generate()
    jws = sign_key_set(new.public(), MOMENT, SECRETS)
    assert KEYS.updated(jws) == (new.public(), MOMENT)
    assert KEYS.updated(jws, MOMENT - timedelta(microseconds=1)) == (new.public(), MOMENT)
    updated, _ = KEYS.updated(jws)
    with pytest.raises(BadSignature):
        verify_grant(GRANT_JWS, updated, installation=INSTALLATION.id, key=KEY)
    assert verify_grant(
        sign(GRANT, "km-grant+jws", key=new.signing.key, kid=new.signing.kid),
        updated,
        installation=INSTALLATION.id,
        key=KEY,
    )


def test_key_set_by_an_older_known_key_is_accepted() -> None:
    older = AuthoritySecrets(tuple(reversed(SECRETS.keys)))
    assert older.signing.kid == OLDER["kid"]
    assert KEYS.updated(sign_key_set(KEYS, MOMENT, older)) == (KEYS, MOMENT)


@pytest.mark.parametrize("known", [MOMENT, MOMENT + timedelta(seconds=1)])
def test_key_set_that_is_not_newer_is_a_wrong_message(known: datetime) -> None:
    with pytest.raises(WrongMessage):
        KEYS.updated(sign_key_set(KEYS, MOMENT, SECRETS), known)


def test_key_set_by_a_stranger_is_refused() -> None:
    stranger = AuthoritySecrets.generate()
    with pytest.raises(BadSignature):
        KEYS.updated(sign_key_set(stranger.public(), MOMENT, stranger))
    posing = AuthoritySecrets((NamedKey(SECRETS.signing.kid, "sig", STRANGER.key), *SECRETS.keys[1:]))
    with pytest.raises(BadSignature):
        KEYS.updated(sign_key_set(stranger.public(), MOMENT, posing))


@pytest.mark.parametrize(
    "payload",
    [
        {"v": 2, "issued_at": "2026-11-24T08:00:00Z", **SET},
        {"v": 1, **SET},
        {"v": 1, "issued_at": "2026-11-24T08:00:00Z"},
        {"v": 1, "issued_at": "2026-11-24T08:00:00Z", "keys": [SIGNING]},
    ],
    ids=lambda payload: str(payload)[:60],
)
def test_signed_key_set_of_another_shape_is_malformed(payload: dict[str, Any]) -> None:
    with pytest.raises(MalformedMessage):
        KEYS.updated(sign(payload, "km-jwks+jws"))


def test_grant_is_no_key_set() -> None:
    with pytest.raises(WrongMessage):
        KEYS.updated(GRANT_JWS)


def test_key_sets_with_the_same_names_but_other_keys_are_not_equal() -> None:
    other = AuthorityKeys(tuple(NamedKey(key.kid, key.use, STRANGER.key) for key in KEYS.keys))
    assert other != KEYS
    assert len({other, KEYS, AuthorityKeys.from_json(KEYS.to_json())}) == 2


def test_encryption_key_signs_nothing() -> None:
    sealing = SECRETS.keys[2]
    with pytest.raises(ProtocolError):
        verify_grant(
            sign(GRANT, "km-grant+jws", key=sealing.key, kid=sealing.kid),
            KEYS,
            installation=INSTALLATION.id,
            key=KEY,
        )


def test_machine_is_the_digest_of_the_stripped_machine_id() -> None:
    assert machine_id_digest("abc\n") == machine_id_digest("abc")
    assert machine_id_digest("abc") == (
        "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )
    with pytest.raises(ValueError, match="empty"):
        machine_id_digest(" \n")


def test_machine_of_a_cluster_is_its_name_in_upper_case() -> None:
    assert cluster_machine(" sql-Łódź ") == "cluster:SQL-ŁÓDŹ"
    for name in ("  ", "a" * 129, "ß" * 65, "a\x00b"):
        with pytest.raises(ValueError, match="cluster"):
            cluster_machine(name)
