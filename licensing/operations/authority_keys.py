"""The vendor's keys that this portal trusts: the pinned file, or the newer set the vendor handed over."""

from contextlib import suppress
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from django.conf import settings

from licensing.models import Installation
from licensing.protocol.errors import ProtocolError
from licensing.protocol.keys import AuthorityKeys

NO_KEYS = AuthorityKeys(())
# The last set read from each file: a file that is just being replaced stops nobody's work.
_last_read: dict[Path, AuthorityKeys] = {}


def authority_keys(handed_over: str | None = None) -> AuthorityKeys:
    """The set now known; empty where no file is pinned or none could be read.

    Args:
        handed_over: the installation's `authority_key_set`, where the caller has read it already.
    """
    if handed_over is None:
        handed_over = _handed_over()
    return _follow(_pinned(settings.KEYMANAGER.authority_jwks), handed_over)[0]


def learn_key_set(jwks_jws: str) -> bool:
    """Store a key set that the vendor handed over, if a key now known signed it and it is newer.

    Returns whether it was taken.
    """
    known, issued_at = _known()
    try:
        known.updated(jwks_jws, issued_at)
    except ProtocolError:
        return False
    chain = [*_handed_over().split(), jwks_jws.strip()]
    if _signed_by_file(jwks_jws):
        # What the file itself vouches for needs no chain.
        chain = chain[-1:]
    Installation.objects.filter(pk=1).update(authority_key_set="\n".join(chain))
    return True


def _known() -> tuple[AuthorityKeys, datetime | None]:
    return _follow(_pinned(settings.KEYMANAGER.authority_jwks), _handed_over())


def _signed_by_file(jwks_jws: str) -> bool:
    return _follow(_pinned(settings.KEYMANAGER.authority_jwks), jwks_jws)[1] is not None


def _handed_over() -> str:
    return Installation.objects.values_list("authority_key_set", flat=True).filter(pk=1).first() or ""


def _pinned(path: Path | None) -> AuthorityKeys:
    if path is None:
        return NO_KEYS
    with suppress(OSError, ProtocolError):
        _last_read[path] = _read(path, path.stat().st_mtime_ns)
    return _last_read.get(path, NO_KEYS)


@lru_cache(maxsize=4)
def _read(path: Path, changed: int) -> AuthorityKeys:
    return AuthorityKeys.from_json(path.read_bytes())


@lru_cache(maxsize=4)
def _follow(pinned: AuthorityKeys, handed_over: str) -> tuple[AuthorityKeys, datetime | None]:
    """Follow the chain of key sets, one compact JWS a line, oldest first, each signed by a key before it.

    A database row proves nothing, so the chain is verified from the pinned file on.
    """
    known, issued_at = pinned, None
    with suppress(ProtocolError):
        for line in handed_over.split():
            known, issued_at = known.updated(line, issued_at)
    return known, issued_at
