"""The ways in which `POST /v1/contact` can be made to fail, for demos and tests."""

import base64
import dataclasses
import uuid
from collections.abc import Callable

from licensing.protocol import AuthoritySecrets, ContactAnswer, InstallationKey, sign_answer

from .exchange import Problem, Response, Wire, deliver_whole, retry_after

DRIP_SECONDS = 0.5
HOLD_SECONDS = 0.2
JOSE = "application/jose"

_Spoil = Callable[[ContactAnswer, AuthoritySecrets], Response]


def signed_response(answer: ContactAnswer, secrets: AuthoritySecrets) -> Response:
    """The answer as it should be."""
    return Response(200, JOSE, sign_answer(answer, secrets).encode())


def _drop(wire: Wire, response: Response) -> None:
    wire.drop()


def _hold(wire: Wire, response: Response) -> None:
    """Says nothing until the other side or the authority ends it."""
    while not wire.stopping.wait(HOLD_SECONDS) and not wire.is_gone():
        pass
    wire.drop()


def _drip(wire: Wire, response: Response) -> None:
    wire.write_head(response, len(response.body))
    for byte in response.body:
        if wire.stopping.wait(DRIP_SECONDS) or wire.is_gone():
            break
        wire.write(bytes([byte]))
    wire.drop()


def _flood(wire: Wire, response: Response) -> None:
    """A body without end: it stops when the other side does."""
    wire.write_head(response, None)
    wire.write(response.body)
    block = b"A" * 65536
    while not wire.stopping.is_set():
        wire.write(block)
    wire.drop()


def _cut(wire: Wire, response: Response) -> None:
    wire.write_head(response, len(response.body))
    wire.write(response.body[: len(response.body) // 2])
    wire.drop()


def _delivered(deliver: Callable[[Wire, Response], None]) -> _Spoil:
    return lambda answer, secrets: dataclasses.replace(signed_response(answer, secrets), deliver=deliver)


def _bad_signature(answer: ContactAnswer, secrets: AuthoritySecrets) -> Response:
    """One bit of the signature is another."""
    signed, _, signature = sign_answer(answer, secrets).rpartition(".")
    data = bytearray(base64.urlsafe_b64decode(signature + "=="))
    data[20] ^= 1
    text = base64.urlsafe_b64encode(bytes(data)).rstrip(b"=").decode()
    return Response(200, JOSE, f"{signed}.{text}".encode())


def _wrong_key(answer: ContactAnswer, secrets: AuthoritySecrets) -> Response:
    return signed_response(answer, AuthoritySecrets.generate())


def _other_request(answer: ContactAnswer, secrets: AuthoritySecrets) -> Response:
    return signed_response(dataclasses.replace(answer, request_id=str(uuid.uuid4())), secrets)


def _other_installation(answer: ContactAnswer, secrets: AuthoritySecrets) -> Response:
    return signed_response(dataclasses.replace(answer, installation=InstallationKey.generate().id), secrets)


SPOILERS: dict[str, _Spoil] = {
    "drip": _delivered(_drip),
    "huge": _delivered(_flood),
    "truncated": _delivered(_cut),
    "bad_signature": _bad_signature,
    "wrong_key": _wrong_key,
    "other_request": _other_request,
    "other_installation": _other_installation,
    "lose_answer": _delivered(_drop),
}
"""Modes that carry the request out and spoil the answer."""

_PAGE = b"<!doctype html><html lang=en><title>Welcome</title><p>Please log in to the network.</p></html>"
_BUSY = Problem(503, "busy", "The licence server is busy; try again later.", headers=retry_after(60))

SUBSTITUTES: dict[str, Response] = {
    "refuse": Response(200, JOSE, b"", deliver=_drop),
    "blackhole": Response(200, JOSE, b"", deliver=_hold),
    "error_500": Response(500, "text/plain; charset=utf-8", b"Internal Server Error\n"),
    "busy_503": _BUSY.response(),
    "html": Response(200, "text/html; charset=utf-8", _PAGE),
    "redirect": Response(307, "text/plain; charset=utf-8", b"Moved\n", {"Location": "/v1/moved"}),
}
"""Modes that do nothing else than answer wrongly, or not at all."""

MODES = frozenset({"ok", "stale", *SUBSTITUTES, *SPOILERS})


def stale_response(last: Response | None) -> Response:
    """The last answer given, again; a server that has given none yet is merely busy."""
    return _BUSY.response() if last is None else dataclasses.replace(last, deliver=deliver_whole)
