"""This installation: its key pair, made at the first start and sealed with the key file."""

import os
import tempfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from cryptography.fernet import Fernet
from django.conf import settings
from django.db import connection, transaction
from django.db.models import F
from django.utils.translation import gettext_lazy as _

from licensing.models import (
    Challenge,
    Configuration,
    ContactState,
    HeldCodePack,
    Installation,
    KeyState,
    OfflineActivation,
    OpenRequest,
    PendingRelease,
    Role,
    VirtualKey,
)
from licensing.models.sealed import SealBroken, seal
from licensing.protocol.errors import ProtocolError
from licensing.protocol.keys import InstallationKey

from . import clock
from .actors import PORTAL, Actor
from .errors import Refused
from .events import record
from .machine import installation_name, machine
from .second_factors import remove_unopenable
from .transactions import in_transaction

__all__ = [
    "bump_version",
    "changing_terms",
    "ensure_installation",
    "installation_key",
    "lock_installation",
    "machine",
    "new_installation",
]
Result = TypeVar("Result")


def ensure_installation(now: datetime) -> None:
    """Make the installation at the first start; at every other, check that the key file opens it.

    Raises:
        Refused: `key_file_missing`, `key_file_wrong`, `machine_id_missing`; each sentence names the setting.
    """
    if not Installation.objects.filter(pk=1).exists():
        _make_key_file(settings.KEYMANAGER.key_file)
    with transaction.atomic():
        _make_rows(now)
        if not Installation.objects.filter(pk=1).exists():
            _make_installation(now)
            record("installation_made", now, PORTAL)
    installation_key()
    machine()
    Installation.objects.filter(pk=1).update(name=installation_name())


def installation_key() -> InstallationKey:
    """The key pair of this installation: a secret.

    Raises:
        Refused: `key_file_missing`, `key_file_wrong`.
    """
    path: Path = settings.KEYMANAGER.key_file
    if not path.is_file():
        raise Refused(
            "key_file_missing",
            _(
                "KEYMANAGER_KEY_FILE: found no file %(path)s, expected the key file of this installation. "
                "Put it back from where it is kept; if it is lost, run the command new_installation."
            )
            % {"path": path},
            path=str(path),
        )
    try:
        row = Installation.objects.only("thumbprint", "private_key").get(pk=1)
        key = InstallationKey.from_json(row.private_key)
    except (SealBroken, ProtocolError):
        raise _wrong_key_file(path) from None
    if key.id != row.thumbprint:
        raise _wrong_key_file(path)
    return key


def bump_version() -> None:
    """Tell every process that what leases depend on has changed."""
    Installation.objects.filter(pk=1).update(version=F("version") + 1)


def lock_installation() -> None:
    """Lock the installation's row, which comes before every other (`operations.locking`).

    For whoever may raise the version, but only later. Where a transaction holds the whole database there is
    nothing to do.
    """
    if connection.features.has_select_for_update:
        Installation.objects.select_for_update().filter(pk=1).exists()


def changing_terms(change: Callable[[], Result]) -> Result:
    """Carry out what somebody changes of what leases depend on: in one transaction, the installation first.

    Should the database end it all the same, it is done again; within another transaction it is part of that.
    Where it refuses, nothing of it is kept.

    Raises:
        Refused: as `change` does; `unavailable`.
    """

    def work(_: object) -> Result:
        with transaction.atomic():
            lock_installation()
            return change()

    try:
        return in_transaction(work)
    except Refused as refused:
        if refused.code == "unavailable" and not refused.detail:
            refused.detail = _(
                "The database cannot be reached, or stayed busy for too long. Nothing was changed. Try again "
                "in a moment."
            )
        raise


def new_installation(now: datetime, actor: Actor) -> list[str]:
    """Begin anew after the key file was lost: another key pair, which the vendor does not know.

    The keys stay listed and are asked for again once their PIN is entered; until the vendor has reset them
    they count as active in the old installation. What was sealed (passwords, PINs, second factors) is gone.

    Returns:
        The names of the users whose second factors are gone.
    """
    from .leases import end_leases_of_key  # leases need the configuration, and that needs this module

    actor.require(Role.ADMINISTRATOR)
    _make_key_file(settings.KEYMANAGER.key_file)

    def begin_anew() -> list[str]:
        _make_rows(now)
        for number in VirtualKey.objects.order_by("pk").values_list("number", flat=True):
            end_leases_of_key(number, "key_inactive", now)
        VirtualKey.objects.update(
            state=KeyState.INACTIVE,
            grant=None,
            pin=None,
            serial=0,
            refusal="",
            active_on="",
            revision=F("revision") + 1,
        )
        for model in (OpenRequest, PendingRelease, HeldCodePack, Challenge, OfflineActivation):
            model._default_manager.all().delete()
        Configuration.objects.update(proxy_password=None, smtp_password=None)
        ContactState.objects.update(next_at=now, not_before=None, failures=0, claim=None, claimed_until=None)
        _make_installation(now)
        record("new_installation", now, actor)
        return remove_unopenable(now, actor)

    return changing_terms(begin_anew)


def _make_rows(now: datetime) -> None:
    """The rows of which there is one each; of two processes at once, both find them made."""
    Configuration.objects.bulk_create([Configuration(pk=1)], ignore_conflicts=True)
    ContactState.objects.bulk_create([ContactState(pk=1, next_at=now)], ignore_conflicts=True)
    # Whoever holds this row makes the installation.
    ContactState.objects.select_for_update().get(pk=1)


def _make_installation(now: datetime) -> None:
    # None is made that could report no machine.
    machine()
    key = InstallationKey.generate()
    _check_key_file(settings.KEYMANAGER.key_file)
    values: dict[str, Any] = {
        "thumbprint": key.id,
        "private_key": key.to_json(),
        "name": installation_name(),
        "clock_offset": clock.new_record(),
        "newest_serials": None,
        "authority_key_set": "",
        "created_at": now,
    }
    # The version of an installation that was there goes on: whoever keeps what it told compares that alone.
    if not Installation.objects.filter(pk=1).update(**values, version=F("version") + 1):
        Installation.objects.create(**values)


def _make_key_file(path: Path) -> None:
    """Make the key file where there is none; it appears whole, and readable by its owner alone."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    with os.fdopen(descriptor, "wb") as file:
        file.write(Fernet.generate_key() + b"\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        # A link, unlike a rename, never replaces the file that another process has just made.
        os.link(draft, path)
    except FileExistsError:
        pass
    except OSError:
        # No links on this file system.
        Path(draft).replace(path)
    Path(draft).unlink(missing_ok=True)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Let the file's name survive a power cut, as the database does that it opens."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _check_key_file(path: Path) -> None:
    try:
        seal("check", "")
    except SealBroken:
        raise _wrong_key_file(path) from None


def _wrong_key_file(path: Path) -> Refused:
    return Refused(
        "key_file_wrong",
        _(
            "KEYMANAGER_KEY_FILE: found a file %(path)s that does not open this installation, expected the "
            "key file that it was made with."
        )
        % {"path": path},
        path=str(path),
    )
