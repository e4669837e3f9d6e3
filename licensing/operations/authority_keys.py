"""The vendor's keys that this portal trusts: the pinned file, or the newer set the vendor handed over."""

from functools import lru_cache
from pathlib import Path

from django.conf import settings

from licensing.models import Installation
from licensing.protocol.errors import ProtocolError
from licensing.protocol.keys import AuthorityKeys


def authority_keys() -> AuthorityKeys:
    """The set now known. A set from the database counts only if a key of the pinned file signed it."""
    path: Path | None = settings.KEYMANAGER.authority_jwks
    pinned = (
        _pinned(path, path.stat().st_mtime_ns) if path is not None else AuthorityKeys.from_json('{"keys":[]}')
    )
    handed_over = Installation.objects.values_list("authority_key_set", flat=True).filter(pk=1).first()
    return _updated(pinned, handed_over) if handed_over else pinned


@lru_cache(maxsize=4)
def _pinned(path: Path, changed: int) -> AuthorityKeys:
    return AuthorityKeys.from_json(path.read_text(encoding="utf-8"))


@lru_cache(maxsize=4)
def _updated(pinned: AuthorityKeys, handed_over: str) -> AuthorityKeys:
    """Follow the chain of key sets, one compact JWS a line, oldest first, each signed by a key before it."""
    known = pinned
    try:
        for line in handed_over.split():
            known, _ = known.updated(line)
    except ProtocolError:
        pass
    return known
