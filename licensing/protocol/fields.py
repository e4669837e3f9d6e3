"""Typed reading of JSON members: each method takes one member and refuses what the contract does.

Refusals name the place and the member, never the value, which may be a secret.
"""

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Final, Self, TypeVar

from .encoding import decode_bytes
from .errors import MalformedMessage
from .times import parse_day, parse_instant

KEY_NUMBER: Final = re.compile(r"50000[0-9]{5}")
CUSTOMER: Final = re.compile(r"[0-9]{1,20}")
PIN: Final = re.compile(r"[0-9]{4}")
MODULE_CODE: Final = re.compile(r"[A-Z0-9_]{1,32}")
DIGEST: Final = re.compile(r"[A-Za-z0-9_-]{43}")
INSTALLATION_ID: Final = DIGEST
"""The thumbprint of the installation's public key."""
REQUEST_ID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
MACHINE: Final = re.compile(r"sha256:[0-9a-f]{64}|cluster:[^\x00-\x1f\x7f-\x9f]{1,128}")
TOKEN: Final = re.compile(r"[\x21-\x7e]+")
"""A compact JWS or JWE whose own shape is judged by whoever opens it."""
TEXT: Final = re.compile(r".*", re.DOTALL)
"""Any string: what is in it is judged later."""
NAME: Final = re.compile(r"[^\x00-\x1f\x7f-\x9f]{1,255}")
"""Text for people on one line: no control characters."""
EMAIL: Final = re.compile(r"[^\x00-\x1f\x7f-\x9f]{1,4096}")
"""An e-mail address, of which nothing is proved: its form is for whoever writes to it."""

MOST_KEYS: Final = 50
LARGEST_COUNT: Final = 2**53 - 1
"""The largest whole number that every JSON parser keeps exactly."""

_T = TypeVar("_T")


class Fields:
    """The members of one JSON object, read by name."""

    def __init__(self, value: object, where: str) -> None:
        if not isinstance(value, dict):
            raise MalformedMessage(f"{where} is not an object")
        self._members: Mapping[str, object] = value
        self._where = where

    def wrong(self, name: str, what: str) -> MalformedMessage:
        """The refusal of the member `name` because of `what`."""
        return MalformedMessage(f"{self._where}: {name} {what}")

    def only(self, *names: str) -> Self:
        """Refuse unknown members: for requests and credentials."""
        if not self._members.keys() <= set(names):
            raise MalformedMessage(f"{self._where} has an unknown member")
        return self

    def version_1(self) -> Self:
        """Refuse every version of the protocol but 1."""
        if self.whole("v", 0, LARGEST_COUNT) != 1:
            raise self.wrong("v", "is not 1")
        return self

    def names(self, pattern: re.Pattern[str], most: int) -> tuple[str, ...]:
        """The members' names, where these are data: one to `most`, each of which `pattern` matches."""
        if not 1 <= len(self._members) <= most or not all(map(pattern.fullmatch, self._members)):
            raise MalformedMessage(f"{self._where} has a name that is none, or too many or few")
        return tuple(self._members)

    def any(self, name: str) -> object:
        """The member as it is; it must be there."""
        if name not in self._members:
            raise self.wrong(name, "is missing")
        return self._members[name]

    def has(self, name: str) -> bool:
        """Whether the member is there and not null."""
        return self._members.get(name) is not None

    def text(self, name: str, pattern: re.Pattern[str]) -> str:
        """A string that `pattern` matches as a whole."""
        value = self.any(name)
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise self.wrong(name, "is not text of the right form")
        return value

    def whole(self, name: str, low: int, high: int) -> int:
        """A whole number from `low` to `high`; a boolean or 1.0 is none."""
        value = self.any(name)
        if type(value) is not int or not low <= value <= high:
            raise self.wrong(name, "is not a whole number in range")
        return value

    def instant(self, name: str) -> datetime:
        """An instant, RFC 3339 in UTC."""
        return parse_instant(self.text(name, NAME))

    def day(self, name: str) -> date:
        """A last good day."""
        return parse_day(self.text(name, NAME))

    def binary(self, name: str, size: int) -> bytes:
        """`size` bytes in canonical base64url."""
        return exact_bytes(self.any(name), size, f"{self._where}: {name}")

    def items(self, name: str, most: int) -> list[object]:
        """An array of at most `most` items."""
        value = self.any(name)
        if not isinstance(value, list) or len(value) > most:
            raise self.wrong(name, "is not an array of allowed length")
        return value

    def numbers(self, name: str, most: int) -> tuple[str, ...]:
        """An array of different key numbers."""
        numbers = tuple(self.items(name, most))
        if not all(isinstance(number, str) and KEY_NUMBER.fullmatch(number) for number in numbers):
            raise self.wrong(name, "holds what is no key number")
        return self.different(name, tuple(str(number) for number in numbers))

    def different(self, name: str, values: tuple[str, ...]) -> tuple[str, ...]:
        """`values`, refused where one of them comes twice."""
        if len(set(values)) != len(values):
            raise self.wrong(name, "names one thing twice")
        return values

    def or_none(self, name: str, read: Callable[[], _T]) -> _T | None:
        """None where the member is null (it must be there), else what `read` makes of it."""
        return None if self.any(name) is None else read()


def exact_bytes(value: object, size: int, where: str) -> bytes:
    """The `size` bytes that `value` spells in canonical base64url."""
    if not isinstance(value, str):
        raise MalformedMessage(f"{where} is not base64url")
    data = decode_bytes(value)
    if len(data) != size:
        raise MalformedMessage(f"{where} is not of {size} bytes")
    return data
