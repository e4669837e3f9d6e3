"""The rules by which a key is bound, granted, refused and released (vendor-protocol: Binding, Serials)."""

import sqlite3
from datetime import datetime

from licensing.protocol import (
    GRANT_LIFE,
    GRANTED,
    REFUSED,
    ContactRequest,
    Grant,
    InstallationInfo,
    KeyAnswer,
    KeyRequest,
    sign_grant,
)

from .credentials import check_credentials
from .folder import Vault
from .virtual_keys import VirtualKey, find_key, save_key


def release_keys(tx: sqlite3.Connection, request: ContactRequest) -> None:
    """Unbinds what the request releases, as far as it is bound to this very installation and machine.

    A key under suspicion stays: only credentials or the vendor's reset free it, or one of two copies
    could give away the key of the other.
    """
    for number in request.release:
        key = find_key(tx, number)
        if key and _is_bound_here(key, request.installation) and not key.clone_suspected:
            key.unbind()
            save_key(tx, key)


def answer_key(
    tx: sqlite3.Connection, vault: Vault, request: ContactRequest, asked: KeyRequest, now: datetime
) -> KeyAnswer:
    """The word on one key: a new grant, or the first reason against one."""
    key = find_key(tx, asked.number)
    if asked.credentials is None:
        reason = _judge_bound(key, request.installation, asked.serial)
    else:
        reason = check_credentials(tx, vault, request, asked.credentials, asked.number, key, now)
        reason = reason or _judge_credentialed(key, request.installation)
    grant = _grant(vault, key, now) if key and reason is None else None
    if key:
        save_key(tx, key)
    if grant is not None:
        return KeyAnswer(asked.number, GRANTED, grant=grant)
    active_on = None
    if key and reason == "active_elsewhere" and asked.credentials is not None:
        active_on = _name_of(tx, key.bound_to)
    return KeyAnswer(asked.number, REFUSED, reason=reason, active_on=active_on)


def _is_bound_here(key: VirtualKey, installation: InstallationInfo) -> bool:
    return (key.bound_to, key.machine) == (installation.id, installation.machine)


def _judge_credentialed(key: VirtualKey | None, installation: InstallationInfo) -> str | None:
    """What stands against binding a key once its credentials proved right; binds it if nothing does."""
    if key is None:
        return "wrong_credentials"
    if key.suspended:
        return "suspended"
    if key.bound_to not in (None, installation.id):
        return "active_elsewhere"
    key.bind(installation)
    return None


def _judge_bound(key: VirtualKey | None, installation: InstallationInfo, serial: int) -> str | None:
    """What stands against another grant for a key that was bound before."""
    if key is None or key.bound_to is None:
        return "not_bound"
    if key.bound_to != installation.id:
        return "active_elsewhere"
    if key.suspended:
        return "suspended"
    if key.machine != installation.machine:
        return "machine_changed"
    return _judge_serial(key, serial)


def _judge_serial(key: VirtualKey, serial: int) -> str | None:
    """Two copies of one installation betray themselves by the serials they hold.

    Honest is the last serial given, or the highest reported before, when the answers since were lost.
    """
    if key.clone_suspected or serial not in (key.serial, key.reported):
        key.clone_suspected = True
        return "clone_suspected"
    key.reported = max(serial, key.reported or 0)
    return None


def _grant(vault: Vault, key: VirtualKey, now: datetime) -> str:
    key.serial += 1
    grant = Grant(
        key=key.number,
        customer=key.customer,
        installation=key.bound_to or "",
        serial=key.serial,
        issued_at=now,
        valid_until=now + GRANT_LIFE,
        modules=key.modules,
    )
    return sign_grant(grant, vault.keys)


def _name_of(tx: sqlite3.Connection, installation: str | None) -> str | None:
    row = tx.execute("SELECT name FROM installation WHERE id = ?", (installation,)).fetchone()
    return None if row is None else str(row["name"])
