"""`POST /v1/contact`, and the same by request file at the desk."""

from datetime import UTC, datetime

from .clock import Clock
from .contact import ContactDesk
from .exchange import Request, Response
from .folder import Vault
from .modes import MODES, SPOILERS, SUBSTITUTES, signed_response, stale_response


class ContactRoutes:
    """Contacts on-line, which the control mode may spoil, and by file, which it does not touch."""

    def __init__(self, contacts: ContactDesk, vault: Vault, clock: Clock) -> None:
        self._contacts = contacts
        self._vault = vault
        self._clock = clock
        self._mode = "ok"
        self._last: Response | None = None

    @property
    def mode(self) -> str:
        """How `POST /v1/contact` behaves now."""
        return self._mode

    @mode.setter
    def mode(self, mode: str) -> None:
        if mode not in MODES:
            raise ValueError(mode)
        self._mode = mode

    def online(self, request: Request) -> Response:
        """The answer to a contact, as the mode of this moment has it."""
        mode = self._mode
        if mode == "stale":
            return stale_response(self._last)
        if mode in SUBSTITUTES:
            return SUBSTITUTES[mode]
        answer = self._contacts.answer(request.text(), self._clock.now())
        if mode in SPOILERS:
            return SPOILERS[mode](answer, self._vault.keys)
        self._last = signed_response(answer, self._vault.keys)
        return self._last

    def by_file(self, request: Request) -> Response:
        """The answer file to a request file."""
        return self.answer_file(request.text())

    def answer_file(self, request_jws: str) -> Response:
        """The answer file to the text of a request file, as a download."""
        now = self._clock.now()
        response = signed_response(self._contacts.answer(request_jws.strip(), now), self._vault.keys)
        name = f"contact-answer-{_day(now)}.kmans"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return Response(200, response.content_type, response.body + b"\n", headers)


def _day(now: datetime) -> str:
    return now.astimezone(UTC).date().isoformat()
