"""The authority's data folder: its secrets, made at the first start, and its public key set."""

import hashlib
import hmac
import json
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from licensing.protocol import AuthoritySecrets, MalformedMessage, encode_bytes
from licensing.protocol.encoding import parse_object
from licensing.protocol.fields import Fields

SECRETS_FILE = "authority-secrets.json"
PUBLIC_FILE = "authority-jwks.json"
DATABASE_FILE = "authority.sqlite3"


@dataclass(frozen=True, slots=True)
class Vault:
    """Everything the authority keeps to itself: its key pairs, the secret of codes, that of PIN digests."""

    keys: AuthoritySecrets = field(repr=False)
    codes: bytes = field(repr=False)
    digests: bytes = field(repr=False)

    @classmethod
    def generate(cls, keys: AuthoritySecrets | None = None) -> Self:
        """New secrets; `keys` where the key pairs are given from outside."""
        return cls(keys or AuthoritySecrets.generate(), secrets.token_bytes(32), secrets.token_bytes(32))

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        """The secrets kept in a file. Raises MalformedMessage."""
        members = Fields(parse_object(data), "the authority's secrets")
        keys = AuthoritySecrets.from_json(json.dumps({"keys": members.any("keys")}))
        return cls(keys, members.binary("codes", 32), members.binary("digests", 32))

    def to_json(self) -> str:
        """The file's text: a secret."""
        keys: dict[str, object] = json.loads(self.keys.to_json())
        return json.dumps(keys | {"codes": encode_bytes(self.codes), "digests": encode_bytes(self.digests)})

    def credentials_digest(self, number: str, customer: str, pin: str) -> str:
        """What is kept in place of a PIN, so that the database alone tells none."""
        proof = hmac.new(self.digests, f"{number}|{customer}|{pin}".encode(), hashlib.sha256)
        return proof.hexdigest()


class BadFolder(Exception):
    """The data folder cannot be used; the text says why in one line."""


def open_folder(folder: Path) -> Vault:
    """The secrets of a data folder, made now where it is new; writes the public key set beside them.

    Raises BadFolder.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        secrets_file = folder / SECRETS_FILE
        if not secrets_file.exists():
            _write_new(secrets_file, Vault.generate().to_json())
        vault = Vault.from_json(secrets_file.read_bytes())
        _replace(folder / PUBLIC_FILE, vault.keys.public().to_json())
    except OSError as error:
        raise BadFolder(f"{folder}: {error.strerror}") from error
    except MalformedMessage as error:
        raise BadFolder(f"{SECRETS_FILE}: {error}") from error
    return vault


def store_vault(folder: Path, vault: Vault) -> None:
    """Puts `vault` in place of a folder's secrets, and its public half beside them."""
    _replace(folder / SECRETS_FILE, vault.to_json())
    _replace(folder / PUBLIC_FILE, vault.keys.public().to_json())


def _write_new(path: Path, text: str) -> None:
    """Whoever starts at the same moment finds either nothing or the whole file, and the first one wins."""
    draft = _draft(path, text)
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    except OSError:
        # A file system without links: two first starts at the same moment are not told apart there.
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    _sync(path.parent)


def _replace(path: Path, text: str) -> None:
    _draft(path, text).replace(path)
    _sync(path.parent)


def _draft(path: Path, text: str) -> Path:
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    mode = 0o644 if path.name == PUBLIC_FILE else 0o600
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    return draft


def _sync(folder: Path) -> None:
    """Makes the names in a folder durable, where the system can do that."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
