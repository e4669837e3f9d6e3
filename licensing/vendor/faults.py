"""The kinds of faults that a contact with the vendor can meet, and how their sentences are told."""

import re
from collections.abc import Callable, Mapping
from typing import ClassVar

Param = str | int | float | None
_CONTROL_CHARACTER = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def gettext_noop(message: str) -> str:
    """Mark a sentence for `makemessages`, which looks for this name; translating is the edges' work."""
    return message


class VendorError(Exception):
    """A contact that failed; `params` holds host, port, proxy_host, proxy_port, seconds and what a code adds.

    `retry_after` (seconds, at most an hour) is set where the server asked to be left alone for a while;
    `gives_up_request` where the authority's word closes the open request (it is to be made anew).
    """

    code: ClassVar[str]
    msgid: ClassVar[str]
    gives_up_request: ClassVar[bool] = False
    retry_after: int | None = None

    def __init__(self, **params: Param) -> None:
        self.params: dict[str, Param] = {name: _shown(value) for name, value in params.items()}
        super().__init__(self.sentence())

    def sentence(self, translate: Callable[[str], str] = gettext_noop) -> str:
        """What happened, with host and port, and what to do about it."""
        return fill(translate(self.msgid), self.params)


class Misconfigured(VendorError):
    """A setting of this portal keeps the contact from being tried at all."""


class Unreachable(VendorError):
    """No whole answer came back: the network, a proxy or TLS stood between."""


class ProxyFault(Unreachable):
    """The proxy of the Configuration is at fault, or refused."""


class TlsFault(Unreachable):
    """The connection could not be made secure; nothing was sent."""


class UnusableAnswer(VendorError):
    """Something answered, but not with what the vendor's server answers to a contact."""


class RequestRefused(VendorError):
    """The authority refused the whole request (problem+json); unsigned, so it changes no key."""


def _shown(value: Param) -> Param:
    """A param as it may be kept and shown: a stranger may write what no database or terminal takes."""
    return _CONTROL_CHARACTER.sub("\ufffd", value) if isinstance(value, str) else value


class _Known(dict[str, Param]):
    """Params in which what is not known is shown as a dash, so that a sentence can always be told."""

    def __missing__(self, key: str) -> str:
        return "–"


def fill(message: str, params: Mapping[str, Param]) -> str:
    """Put the params into a sentence."""
    known = {name: value for name, value in params.items() if value is not None}
    return message % _Known(known)
