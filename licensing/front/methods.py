"""Methods that llhttp does not know: to HTTP any word is one (RFC 9110, 9.1), and who is called judges it."""

import re

# What llhttp is told in place of such a word: a request by it is framed as any other.
STAND_IN = b"PATCH"
# Left to llhttp, with the first word of HTTP/2, which is no method of anybody's.
_USUAL = frozenset(
    (b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"PATCH", b"OPTIONS", b"TRACE", b"CONNECT", b"PRI")
)
_WORD = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}(?= )")


def unusual_method(data: bytes) -> bytes:
    """The method with which a request begins, where it is none of the usual ones; else nothing."""
    word = _WORD.match(data)
    return b"" if word is None or word[0] in _USUAL else word[0]
