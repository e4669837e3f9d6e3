"""Which language a caller reads: Polish unless English is preferred."""

from contextlib import AbstractContextManager
from functools import lru_cache

from django.utils import translation

LANGUAGES = ("pl", "en")


@lru_cache(maxsize=256)
def language_of(accept_language: str | None) -> str:
    """The better of Polish and English by an `Accept-Language` header (RFC 9110, 12.5.4), else Polish."""
    best, best_quality = "pl", 0.0
    for part in (accept_language or "").split(","):
        tag, _, parameters = part.strip().partition(";")
        language = tag.strip().lower().partition("-")[0]
        quality = _quality(parameters)
        if language in LANGUAGES and quality > best_quality:
            best, best_quality = language, quality
    return best


def _quality(parameters: str) -> float:
    name, _, value = parameters.strip().partition("=")
    if name.strip().lower() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0


def speaking(language: str) -> AbstractContextManager[None]:
    """Within this, lazy sentences come out in `language`."""
    return translation.override(language)
