"""Taking secrets out of text that is kept or given away: logs, and what is packed of them."""

import re

_NAMED = re.compile(
    r"""((?:pin|password|hasło|passwd|secret|token|private_key|challenge_key|authorization)["']?\s*[:=]\s*)"""
    r"""(?:(["']).*?\2|(?:bearer|basic)\s+\S+|[^\s,;&}\])]+)""",
    re.IGNORECASE,
)
_SHAPED = (
    (re.compile(r"km_[A-Za-z0-9_-]{20,}"), "km_…"),
    # An encrypted message holds a PIN: five parts, the second of them empty.
    (re.compile(r"eyJ[A-Za-z0-9_-]*\.\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+"), "<encrypted>"),
    (re.compile(r"(://[^/\s:@]*):[^/\s@]+@"), r"\1:…@"),
    # Whoever reads the link of an invitation may set the password.
    (re.compile(r"(/invitations/)[^\s'\"<>]+"), r"\1…"),
    (re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9+/=._~-]{8,}"), r"\1 …"),
)


def without_secrets(text: str) -> str:
    """The text with everything taken out that is named, or looks, like a secret."""
    text = _NAMED.sub(r"\1…", text)
    for pattern, instead in _SHAPED:
        text = pattern.sub(instead, text)
    return text
