"""A change of the authority's keys, told to installations in their answers (`jwks`)."""

import sqlite3
from datetime import datetime
from pathlib import Path

from licensing.protocol import AuthoritySecrets, sign_key_set
from licensing.protocol.keys import NamedKey

from .folder import Vault, store_vault
from .store import Store, read_setting, write_setting

_SETTING = "published_key_set"


def published_key_set(tx: sqlite3.Connection) -> str | None:
    """The key set that answers carry; None as long as the keys of the first start are in use."""
    return read_setting(tx, _SETTING)


def add_signing_key(store: Store, folder: Path, vault: Vault, now: datetime) -> Vault:
    """A new signing key, told in every answer from now on; it signs only from the next change on.

    Until then answers are signed by the key that the last change told, so that installations learn each key
    from an answer that they can verify. Older keys stay known: grants and packs at work were signed by them.
    """
    signing = [key for key in vault.keys.keys if key.use == "sig"]
    others = [key for key in vault.keys.keys if key.use != "sig"]
    signer = signing[1] if len(signing) > 1 else signing[0]
    older = [key for key in signing if key is not signer]
    keys = AuthoritySecrets((signer, NamedKey.generate("sig"), *older, *others))
    changed = Vault(keys, vault.codes, vault.digests)
    with store.transaction() as tx:
        write_setting(tx, _SETTING, sign_key_set(keys.public(), now, vault.keys))
        store_vault(folder, changed)
    return changed
