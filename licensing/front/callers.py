"""What the lease path keeps in memory: callers by their token, and portal time.

Every operation that changes an ERP client, a key, the Configuration or the clock raises the
installation's `version`; it is looked at every half second, so that nothing kept outlives its change by
more than a second, in whichever process the change was made.
"""

from datetime import datetime

from licensing.api.auth import Caller, admitted, known_caller, token_digest
from licensing.models import Installation
from licensing.operations import clock

LOOK_SECONDS = 0.5
MOST_CALLERS = 10_000


class Callers:
    """Callers by the text of their Authorization header."""

    def __init__(self) -> None:
        self._known: dict[str, Caller] = {}
        self._admitted: set[tuple[int, str]] = set()
        self._version = -1
        self._clock: clock.ClockRecord | None = clock.ClockRecord()

    def caller(self, authorization: str | None, address: str) -> Caller | None:
        """The caller kept in memory, admitted from this address; None where the database must be asked."""
        caller = self._known.get(authorization or "")
        if caller is not None and (caller.id, address) in self._admitted:
            return caller
        return None

    def ask(self, authorization: str | None, address: str) -> Caller:
        """The caller as the database knows it, kept from now on.

        Raises:
            Refused: token_missing, token_invalid, too_many_requests, client_not_allowed.
        """
        digest = token_digest(authorization)
        caller = admitted(known_caller(digest) if digest else None, address)
        if len(self._known) >= MOST_CALLERS or len(self._admitted) >= MOST_CALLERS:
            self.forget()
        self._known[authorization or ""] = caller
        self._admitted.add((caller.id, address))
        return caller

    def forget(self) -> None:
        """Keep nobody in memory."""
        self._known.clear()
        self._admitted.clear()

    def look(self) -> None:
        """Look whether anything changed; forget what may be old."""
        version = Installation.objects.values_list("version", flat=True).filter(pk=1).first() or 0
        if version != self._version:
            self.forget()
            self._version = version
        self._clock = clock.clock_record()

    def now(self) -> datetime:
        """Portal time."""
        return clock.portal_time(self._clock, clock.clocks())
