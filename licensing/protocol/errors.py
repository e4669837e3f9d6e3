"""The ways in which a message or a code can be refused, as one small tree."""

from typing import ClassVar


class ProtocolError(Exception):
    """A message or a code that must not be used; `code` names the reason for logs, API and tests.

    The text says what is wrong in English and never repeats a value, which may be a secret.
    """

    code: ClassVar[str] = "protocol_error"


class BadSignature(ProtocolError):
    """The header, the key or the signature is not what it must be: nobody we know said this."""

    code = "bad_signature"


class MalformedMessage(ProtocolError):
    """No message of this protocol, or a payload that breaks its shape."""

    code = "malformed"


class DuplicateMember(MalformedMessage):
    """A JSON object that names a member twice."""


class WrongMessage(ProtocolError):
    """Rightly signed, but of another kind, for another installation, key or request, or too old."""

    code = "wrong_message"


class Mistyped(ProtocolError):
    """A challenge or an activation code that a person did not type as it was given."""

    code = "mistyped"
