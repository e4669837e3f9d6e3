"""Who is told by e-mail, and in which language: `it@firma.example, boss@firma.example:en`."""

import re
from dataclasses import dataclass

from django.conf import settings
from django.core.validators import validate_email

from licensing.models import Configuration, VirtualKey


@dataclass(frozen=True)
class Recipient:
    """An address and the language of the mails to it."""

    address: str
    language: str


def read_recipients(text: str) -> list[Recipient]:
    """The recipients of a field: addresses separated by commas or spaces, each perhaps with `:en`."""
    found = {}
    for word in words_of(text):
        address, _, language = word.partition(":")
        known = language in dict(settings.LANGUAGES)
        found[address] = Recipient(address, language if known else settings.LANGUAGE_CODE)
    return list(found.values())


def check_recipients(text: str) -> None:
    """Check what was typed.

    Raises:
        ValidationError: an address or a language that cannot be one.
    """
    for word in words_of(text):
        address, colon, language = word.partition(":")
        validate_email(word if colon and language not in dict(settings.LANGUAGES) else address)


def words_of(text: str) -> list[str]:
    """What a field that may hold several things holds."""
    return [word for word in re.split(r"[\s,;]+", text) if word]


def administrators() -> list[Recipient]:
    """Those whom the Configuration names."""
    row = Configuration.objects.values_list("admin_email", flat=True).filter(pk=1).first()
    return read_recipients(row or "")


def told_of_key(key_id: int) -> list[Recipient]:
    """Who is told about a key: the administrators; where none is named, the address given with the key."""
    found = administrators()
    if found:
        return found
    email = VirtualKey.objects.values_list("email", flat=True).filter(pk=key_id).first()
    return [Recipient(email, settings.LANGUAGE_CODE)] if email else []
