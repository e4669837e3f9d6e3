"""A column that only the holder of the key file can read.

The library chosen by others returns the ciphertext where the key is wrong; this field raises.
"""

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.db import models


class SealBroken(Exception):
    """A sealed value that the key file does not open: another key, or a value edited by hand."""


@lru_cache(maxsize=4)
def _fernet(path: Path) -> MultiFernet:
    try:
        lines = path.read_text(encoding="ascii").split()
        return MultiFernet([Fernet(line) for line in lines])
    except (OSError, ValueError) as error:
        raise SealBroken(f"the key file {path} cannot be used") from error


@lru_cache(maxsize=16)
def _secret(path: Path, purpose: str) -> bytes:
    try:
        # The oldest key is the one that stays when another is put before it.
        key = path.read_text(encoding="ascii").split()[-1]
    except (OSError, ValueError, IndexError) as error:
        raise SealBroken(f"the key file {path} cannot be used") from error
    return hashlib.blake2b(key.encode(), digest_size=32, key=purpose.encode()).digest()


def secret_for(purpose: str) -> bytes:
    """A secret of 32 bytes for one purpose, the same as long as the key file is.

    Raises:
        SealBroken: the key file cannot be read.
    """
    return _secret(settings.KEYMANAGER.key_file, purpose)


def seal(purpose: str, text: str) -> str:
    """Encrypt `text`; `purpose` is bound in, so that a value moved to another column does not open."""
    return _fernet(settings.KEYMANAGER.key_file).encrypt(f"{purpose}\n{text}".encode()).decode()


def unseal(purpose: str, sealed: str) -> str:
    """Decrypt what `seal` made for the same purpose.

    Raises:
        SealBroken: another key file, another purpose, or an edited value.
    """
    try:
        opened = _fernet(settings.KEYMANAGER.key_file).decrypt(sealed.encode()).decode()
    except (InvalidToken, UnicodeError) as error:
        raise SealBroken(f"the value of {purpose} does not open with this key file") from error
    bound, _, text = opened.partition("\n")
    if bound != purpose:
        raise SealBroken(f"the value of {purpose} was sealed for something else")
    return text


class SealedField(models.TextField):  # type: ignore[type-arg]
    """Text, sealed in the database and plain in Python. NULL stays NULL."""

    def _purpose(self) -> str:
        return f"{self.model._meta.db_table}.{self.column}"

    def get_prep_value(self, value: Any) -> Any:
        return None if value is None else seal(self._purpose(), str(value))

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> str | None:
        return None if value is None else unseal(self._purpose(), value)
