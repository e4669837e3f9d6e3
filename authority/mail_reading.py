"""What an incoming mail says, to whom an answer would go, and whether it may be answered at all."""

import re
from collections.abc import Iterable
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import getaddresses
from html.parser import HTMLParser
from itertools import islice

from licensing.protocol import Mistyped, parse_challenge

ANSWERED_BY = "X-Licence-Authority"
"""The header that our own answers carry, so that none of them is ever answered."""

_MOST_CANDIDATES = 100
_BEGIN = re.compile(r"\bERP\s+(PL|EN)\s+", re.ASCII | re.IGNORECASE)
_SYMBOLS = re.compile(r"(?:[0-9A-Z][\s-]*){1,28}", re.ASCII | re.IGNORECASE)
_QUOTE_MARKS = re.compile(r"^[>\s]+", re.MULTILINE)
_LIKE_A_SPACE = re.compile(r"[\s\u00a0\u2000-\u200d\u202f\u2060\ufeff]+")
_LIKE_A_HYPHEN = re.compile(r"[\u00ad\u2010-\u2015\u2212]")
_BREAKS = frozenset({"br", "p", "div", "tr", "td", "th", "li", "h1", "h2", "h3", "pre", "blockquote"})
_UNSEEN = frozenset({"script", "style", "head", "title", "template"})
_BULK = frozenset({"bulk", "junk", "list", "auto_reply"})
_MACHINES = frozenset({"mailer-daemon", "postmaster", "noreply", "no-reply", "donotreply", "do-not-reply"})


def find_message(mail: EmailMessage) -> str | None:
    """The first `ERP <language> <code>` in a mail's text, plain or HTML; None if it holds none."""
    for kind in ("text/plain", "text/html"):
        for part in mail.walk():
            if part.get_content_type() == kind and part.get_content_disposition() != "attachment":
                text = _decoded(part)
                found = _find_in(_visible_text(text) if kind == "text/html" else text)
                if found is not None:
                    return found
    return None


def reply_address(mail: EmailMessage) -> str | None:
    """The one address that an answer goes to: Reply-To, else From; None where there is no plain one."""
    addresses = _addresses(mail, "Reply-To") or _addresses(mail, "From")
    return next((address for address in addresses if _is_plain(address)), None)


def is_automatic(mail: EmailMessage, envelope_sender: str | None, own_addresses: Iterable[str]) -> bool:
    """Whether a program sent it, a bounce, an automatic answer, a list, or it comes from ourselves."""
    if not envelope_sender or envelope_sender == "<>":
        return True
    own = {address.lower() for address in own_addresses}
    for address in _addresses(mail, "From") + _addresses(mail, "Reply-To"):
        if address.lower() in own or address.rpartition("@")[0].lower() in _MACHINES:
            return True
    if _text(mail, "Auto-Submitted", "no").split(";")[0].strip() != "no":
        return True
    if _text(mail, "Precedence") in _BULK or mail.get_content_type() == "multipart/report":
        return True
    marks = (ANSWERED_BY, "X-Autoreply", "X-Autorespond", "X-Auto-Response-Suppress", "List-Id", "X-Loop")
    return any(mark in mail for mark in marks)


def _addresses(mail: EmailMessage, name: str) -> list[str]:
    values = [str(value) for value in mail.get_all(name, [])]
    return [address for _, address in getaddresses(values) if address]


def _text(mail: EmailMessage, name: str, default: str = "") -> str:
    return str(mail.get(name, default)).strip().lower()


def _is_plain(address: str) -> bool:
    if len(address) > 254 or not address.isascii() or not address.isprintable() or " " in address:
        return False
    try:
        return bool(Address(addr_spec=address).domain)
    except (ValueError, IndexError, LookupError):
        return False


def _decoded(part: EmailMessage) -> str:
    data = part.get_payload(decode=True)
    if not isinstance(data, bytes):
        return ""
    try:
        return data.decode(part.get_content_charset("utf-8"), "replace")
    except LookupError:
        return data.decode("latin-1")


def _find_in(text: str) -> str | None:
    """The first message that is not mistyped, or else the first.

    Each is cut after its 28th symbol, so that a greeting below is left out. Prose that merely speaks of
    "ERP PL" has no digit there, and is no message.
    """
    text = _LIKE_A_HYPHEN.sub("-", _LIKE_A_SPACE.sub(" ", _QUOTE_MARKS.sub(" ", text)))
    candidates = []
    for begin in islice(_BEGIN.finditer(text), _MOST_CANDIDATES):
        symbols = _SYMBOLS.match(text, begin.end())
        if symbols and any(symbol.isdigit() for symbol in symbols[0]):
            candidates.append((begin[1].upper(), symbols[0].strip()))
    readable = (candidate for candidate in candidates if _is_challenge(candidate[1]))
    found = next(readable, candidates[0] if candidates else None)
    return None if found is None else f"ERP {found[0]} {found[1]}"


def _is_challenge(text: str) -> bool:
    try:
        parse_challenge(text)
    except Mistyped:
        return False
    return True


class _TextOfHtml(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self._unseen = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _UNSEEN:
            self._unseen += 1
        if tag in _BREAKS:
            self.pieces.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in _UNSEEN and self._unseen:
            self._unseen -= 1
        if tag in _BREAKS:
            self.pieces.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self.pieces.append(data)


def _visible_text(html: str) -> str:
    parser = _TextOfHtml()
    parser.feed(html)
    parser.close()
    return "".join(parser.pieces)
