"""Why a contact with the vendor failed: one class per cause, each with a code and a sentence.

Nothing above this package sees an error of `requests`, `ssl` or `socket`. The sentences are English message
ids with named parameters; an edge translates them: ``sentence(error.code, error.params, gettext)``.
"""

from collections.abc import Callable, Mapping

from licensing.vendor.faults import (
    Misconfigured,
    Param,
    ProxyFault,
    RequestRefused,
    TlsFault,
    Unreachable,
    UnusableAnswer,
    VendorError,
    fill,
    gettext_noop,
)
from licensing.vendor.unreachable import (
    ConnectionLost,
    ConnectRefused,
    ConnectTimeout,
    DnsFailed,
    NoRoute,
    ProxyDnsFailed,
    ProxyLogin,
    ProxyLost,
    ProxyRefused,
    ProxyTooSlow,
    ProxyUnreachable,
    TlsExpired,
    TlsFailed,
    TlsNotYetValid,
    TlsUntrusted,
    TlsWrongHost,
    TooSlow,
)

__all__ = [
    "KINDS",
    "SENTENCES",
    "AnswerDamaged",
    "Busy",
    "CaFileUnreadable",
    "ClockOff",
    "ConnectRefused",
    "ConnectTimeout",
    "ConnectionLost",
    "DnsFailed",
    "Forged",
    "HttpStatus",
    "Misconfigured",
    "NoRoute",
    "NotConfigured",
    "NotTheVendor",
    "Param",
    "ProxyDnsFailed",
    "ProxyFault",
    "ProxyLogin",
    "ProxyLost",
    "ProxyRefused",
    "ProxyTooSlow",
    "ProxyUnreachable",
    "Redirected",
    "RequestMalformed",
    "RequestRefused",
    "RequestReplayed",
    "RequestUnauthentic",
    "TlsExpired",
    "TlsFailed",
    "TlsFault",
    "TlsNotYetValid",
    "TlsUntrusted",
    "TlsWrongHost",
    "TooLarge",
    "TooSlow",
    "Unreachable",
    "UnusableAnswer",
    "VendorError",
    "WrongAnswer",
    "sentence",
]


class NotConfigured(Misconfigured):
    code = "not_configured"
    msgid = gettext_noop(
        "The address of the vendor's server, “%(url)s”, cannot be used: it must be https://HOST or "
        "https://HOST:PORT (http only on this computer), with no user name in it. Correct "
        "KEYMANAGER_AUTHORITY_URL and start the portal again."
    )


class CaFileUnreadable(Misconfigured):
    code = "ca_file_unreadable"
    msgid = gettext_noop(
        "The company's certificates (%(ca_file)s), set for contacts with %(host)s:%(port)s, cannot be read: "
        "a PEM file is expected. Correct the file or the setting KEYMANAGER_CA_FILE."
    )


class HttpStatus(UnusableAnswer):
    code = "http_status"
    msgid = gettext_noop(
        "%(host)s:%(port)s answered with status %(status)s, which is no answer to a contact. It will be "
        "tried again; if this lasts, check KEYMANAGER_AUTHORITY_URL, or ask the vendor."
    )


class Redirected(UnusableAnswer):
    code = "redirected"
    msgid = gettext_noop(
        "%(host)s:%(port)s sent us on to “%(location)s”; redirects are not followed. A log-in page of the "
        "network looks like this: let this computer reach %(host)s:%(port)s without it, or correct "
        "KEYMANAGER_AUTHORITY_URL."
    )


class NotTheVendor(UnusableAnswer):
    code = "not_the_vendor"
    msgid = gettext_noop(
        "What answered at %(host)s:%(port)s is not the vendor's server (it sent %(content)s). A web page of "
        "a proxy, a firewall or a hotel looks like this: let %(host)s:%(port)s pass untouched, or correct "
        "KEYMANAGER_AUTHORITY_URL."
    )


class TooLarge(UnusableAnswer):
    code = "too_large"
    msgid = gettext_noop(
        "The answer of %(host)s:%(port)s is larger than %(limit)s bytes, so it is not the vendor's. Check "
        "what answers at %(host)s:%(port)s, and KEYMANAGER_AUTHORITY_URL."
    )


class Forged(UnusableAnswer):
    code = "forged"
    msgid = gettext_noop(
        "The answer of %(host)s:%(port)s is not signed by the vendor, so it was left aside and nothing has "
        "changed. Check what answers at %(host)s:%(port)s and that KEYMANAGER_AUTHORITY_JWKS is the vendor's "
        "present file."
    )


class AnswerDamaged(UnusableAnswer):
    code = "answer_damaged"
    msgid = gettext_noop(
        "What %(host)s:%(port)s sent is no whole answer, so it was left aside and nothing has changed. "
        "It will be tried again; a proxy or firewall that changes or cuts answers looks like this."
    )


class WrongAnswer(UnusableAnswer):
    code = "wrong_answer"
    msgid = gettext_noop(
        "The answer of %(host)s:%(port)s is signed by the vendor, but is no answer to what was asked, so it "
        "was left aside and nothing has changed. It will be tried again; if this lasts, ask the vendor."
    )


class ClockOff(UnusableAnswer):
    code = "clock_off"
    msgid = gettext_noop(
        "The connection works, but this computer's clock differs by %(minutes)s min from the one of "
        "%(host)s:%(port)s. Set the clock and the date of this computer, best by a time server."
    )


class RequestUnauthentic(RequestRefused):
    code = "bad_signature"
    msgid = gettext_noop(
        "%(host)s:%(port)s does not accept the signature under the request. If it was not changed on the way "
        "by a proxy or firewall, this installation's key is damaged: restore the key file from where it is "
        "kept, or ask the vendor."
    )


class RequestMalformed(RequestRefused):
    code = "malformed"
    gives_up_request = True
    msgid = gettext_noop(
        "%(host)s:%(port)s could not read the request. A new one will be sent; if this happens again, a "
        "newer version of the portal is needed."
    )


class RequestReplayed(RequestRefused):
    code = "replayed"
    gives_up_request = True
    msgid = gettext_noop(
        "%(host)s:%(port)s has seen this request before a later one. A new one will be sent; if this happens "
        "again, a copy of this installation may be at work elsewhere."
    )


class Busy(RequestRefused):
    code = "busy"
    msgid = gettext_noop(
        "%(host)s:%(port)s is busy (status %(status)s) and asks to be tried later. Nothing needs to be done: "
        "the portal tries again by itself."
    )

    def __init__(self, *, retry_after: int | None, **params: Param) -> None:
        self.retry_after = retry_after
        super().__init__(retry_after=retry_after, **params)


def _leaves(kind: type[VendorError]) -> list[type[VendorError]]:
    found = [leaf for child in kind.__subclasses__() for leaf in _leaves(child)]
    return found or [kind]


KINDS: Mapping[str, type[VendorError]] = {leaf.code: leaf for leaf in _leaves(VendorError)}
"""Every cause by its code."""

SENTENCES: Mapping[str, str] = {code: kind.msgid for code, kind in KINDS.items()}
"""Every code of this package and its English sentence (the message id)."""


def sentence(code: str, params: Mapping[str, Param], translate: Callable[[str], str] = gettext_noop) -> str:
    """The sentence of a stored code and its params; an unknown code (of a newer version) is told as it is."""
    return fill(translate(SENTENCES[code]), params) if code in SENTENCES else code
