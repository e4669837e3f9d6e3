"""Who signs and who reads: the installation's key, the authority's public set, and its secrets."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Self

from joserfc.jwk import ECKey

from .encoding import parse_object
from .errors import BadSignature, MalformedMessage, WrongMessage
from .fields import MACHINE, NAME, TOKEN, Fields
from .jose import Header, open_jws

KEY_SET_TYPE = "km-jwks+jws"
_MOST_KEYS = 32
_ALGORITHMS = {"sig": "ES256", "enc": "ECDH-ES"}


def public_key(jwk: object) -> ECKey:
    """The P-256 public key of a JWK whose coordinates are canonical base64url of 32 bytes.

    Besides these only `kid`, `use` and `alg` may stand there, above all no private part.
    Raises MalformedMessage.
    """
    return _import_key(Fields(jwk, "a public key").only("kty", "crv", "x", "y", "kid", "use", "alg"))


def _import_key(fields: Fields, *private: str) -> ECKey:
    if fields.any("kty") != "EC" or fields.any("crv") != "P-256":
        raise MalformedMessage("a key that is not P-256")
    values = {name: fields.text(name, TOKEN) for name in ("x", "y", *private)}
    for name in values:
        fields.binary(name, 32)
    try:
        return ECKey.import_key({"kty": "EC", "crv": "P-256", **values})
    except ValueError:
        raise MalformedMessage("coordinates that are no point of P-256") from None


def thumbprint(jwk: Mapping[str, object]) -> str:
    """The JWK thumbprint (RFC 7638) of a P-256 key, from its canonical coordinates.

    Raises MalformedMessage where they are not canonical: another spelling would give another thumbprint.
    """
    return _import_key(Fields(jwk, "a key")).thumbprint()


def _jwk(key: ECKey, *, private: bool = False) -> dict[str, object]:
    members = key.as_dict(private=private)
    return {name: members[name] for name in ("kty", "crv", "x", "y", *(("d",) if private else ()))}


def machine_id_digest(text: str) -> str:
    """The machine as a request names it: the digest of the host's machine id, white space stripped.

    Raises ValueError if nothing is left.
    """
    stripped = text.strip()
    if not stripped:
        raise ValueError("the machine id is empty")
    return "sha256:" + hashlib.sha256(stripped.encode("utf-8")).hexdigest()


def cluster_machine(name: str) -> str:
    """The machine of a clustered installation: its SQL cluster's name, stripped, in upper case.

    Raises ValueError for a name that no request can carry: empty, over 128 characters, or with a control
    character.
    """
    machine = "cluster:" + name.strip().upper()
    if not MACHINE.fullmatch(machine):
        raise ValueError("the cluster's name is empty, too long or has a control character")
    return machine


@dataclass(frozen=True, slots=True)
class InstallationKey:
    """The key pair of one portal installation; its thumbprint is the installation's id."""

    id: str
    key: ECKey = field(repr=False, compare=False)

    @classmethod
    def generate(cls) -> Self:
        """A new key pair."""
        key = ECKey.generate_key("P-256")
        return cls(key.thumbprint(), key)

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """The key pair of a private JWK. Raises MalformedMessage."""
        key = _import_key(Fields(parse_object(_as_bytes(text)), "the installation key"), "d")
        return cls(key.thumbprint(), key)

    def to_json(self) -> str:
        """The private JWK: a secret."""
        return json.dumps(_jwk(self.key, private=True))

    @property
    def public_jwk(self) -> dict[str, object]:
        """The public JWK, as a request's header carries it."""
        return _jwk(self.key)


@dataclass(frozen=True, slots=True)
class NamedKey:
    """One key of the authority: its `kid` and whether it signs (`sig`) or opens (`enc`).

    Two are equal only if the keys themselves are, by `thumbprint`: results of verifying are cached by them.
    """

    kid: str
    use: str
    key: ECKey = field(repr=False, compare=False)
    thumbprint: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "thumbprint", self.key.thumbprint())

    @classmethod
    def generate(cls, use: str) -> Self:
        """A new key pair, named by its thumbprint."""
        key = ECKey.generate_key("P-256")
        return cls(key.thumbprint(), use, key)

    @classmethod
    def read(cls, value: object, *private: str) -> Self:
        """The key of one member of a JWK Set. Raises MalformedMessage."""
        fields = Fields(value, "a key of the authority")
        use = fields.any("use")
        if use not in ("sig", "enc"):
            raise MalformedMessage("a key of the authority is neither for signing nor for sealing")
        if not private and fields.has("d"):
            raise MalformedMessage("a public key set that holds a private key")
        return cls(fields.text("kid", NAME), str(use), _import_key(fields, *private))

    def jwk(self, *, private: bool = False) -> dict[str, object]:
        """The JWK with `kid`, `use` and `alg`; with `private` it is a secret."""
        names = {"kid": self.kid, "use": self.use, "alg": _ALGORITHMS[self.use]}
        return _jwk(self.key, private=private) | names


def _read_set(value: object, *private: str) -> tuple[NamedKey, ...]:
    items = Fields(value, "a key set").items("keys", _MOST_KEYS)
    keys = tuple(NamedKey.read(item, *private) for item in items)
    if len({key.kid for key in keys}) != len(keys):
        raise MalformedMessage("a key set that names one kid twice")
    if {key.use for key in keys} != {"sig", "enc"}:
        raise MalformedMessage("a key set without a signing key or without an encryption key")
    return keys


def _find(keys: Iterable[NamedKey], use: str, kid: object) -> ECKey:
    for named in keys:
        if named.use == use and named.kid == kid:
            return named.key
    raise BadSignature("a key that nobody here knows")


def _as_bytes(text: str | bytes) -> bytes:
    return text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text


@dataclass(frozen=True, slots=True)
class AuthorityKeys:
    """The authority's public keys that an installation trusts."""

    keys: tuple[NamedKey, ...]

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """The keys of a JWK Set with at least one `sig` and one `enc` key. Raises MalformedMessage."""
        return cls(_read_set(parse_object(_as_bytes(text))))

    def to_json(self) -> str:
        """The JWK Set."""
        return json.dumps({"keys": self.jwks()})

    def jwks(self) -> list[dict[str, object]]:
        """The public JWKs."""
        return [key.jwk() for key in self.keys]

    def signer(self, header: Header) -> ECKey:
        """The signing key that a header's `kid` names. Raises BadSignature if none is known."""
        return _find(self.keys, "sig", header["kid"])

    @property
    def sealing(self) -> NamedKey:
        """The key to which credentials are sealed: the first for encryption."""
        return next(key for key in self.keys if key.use == "enc")

    def updated(self, jwks_jws: str, newer_than: datetime | None = None) -> tuple[Self, datetime]:
        """The keys of a key set signed by one of these, and its `issued_at`.

        Raises BadSignature, MalformedMessage, or WrongMessage where it is not newer than `newer_than`, the
        `issued_at` of the set now known (None: a file, which every signed set follows).
        """
        members = open_jws(jwks_jws, KEY_SET_TYPE, self.signer).members
        issued_at = Fields(members, "a key set").version_1().instant("issued_at")
        if newer_than is not None and issued_at <= newer_than:
            raise WrongMessage("a key set that is not newer than the one known")
        return type(self)(_read_set(members)), issued_at


@dataclass(frozen=True, slots=True)
class AuthoritySecrets:
    """The authority's own key pairs; the first `sig` key signs."""

    keys: tuple[NamedKey, ...]

    @classmethod
    def generate(cls) -> Self:
        """A new signing key and a new encryption key."""
        return cls((NamedKey.generate("sig"), NamedKey.generate("enc")))

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """The keys of a private JWK Set. Raises MalformedMessage."""
        return cls(_read_set(parse_object(_as_bytes(text)), "d"))

    def to_json(self) -> str:
        """The private JWK Set: a secret."""
        return json.dumps({"keys": [key.jwk(private=True) for key in self.keys]})

    def public(self) -> AuthorityKeys:
        """What installations are given."""
        keys = (NamedKey(key.kid, key.use, public_key(_jwk(key.key))) for key in self.keys)
        return AuthorityKeys(tuple(keys))

    @property
    def signing(self) -> NamedKey:
        """The key that signs."""
        return next(key for key in self.keys if key.use == "sig")

    def opener(self, header: Header) -> ECKey:
        """The private key that opens what is sealed to a header's `kid`. Raises BadSignature if none does."""
        return _find(self.keys, "enc", header["kid"])
