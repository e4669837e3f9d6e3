"""What the lease path keeps in memory: callers by their token, and portal time.

Every operation that changes an ERP client, a key, the Configuration or the clock raises the
installation's `version`; it is looked at every half second, so that nothing kept outlives its change by
more than a second, in whichever process the change was made.
"""

from datetime import datetime

from licensing.api.auth import Caller, admitted, known_caller, token_digest
from licensing.models import Installation
from licensing.operations import clock

from .relay import address_of

LOOK_SECONDS = 0.5
MOST_CALLERS = 10_000


class Callers:
    """Callers by the text of their Authorization header, and by their address.

    A connection that is kept sends the same `address:port` with every call: that text is a second name.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[str | None, str], Caller] = {}
        self._version = -1
        self._clock: clock.ClockRecord | None = clock.ClockRecord()

    def caller(self, authorization: str | None, client: str) -> Caller | None:
        """The caller kept in memory; None where the database must be asked."""
        caller = self._known.get((authorization, client))
        if caller is None:
            caller = self._known.get((authorization, address_of(client)))
            if caller is not None:
                self._keep((authorization, client), caller)
        return caller

    def ask(self, authorization: str | None, client: str) -> Caller:
        """The caller as the database knows it, kept from now on.

        Raises:
            Refused: token_missing, token_invalid, too_many_requests, client_not_allowed.
        """
        digest = token_digest(authorization)
        address = address_of(client)
        caller = admitted(known_caller(digest) if digest else None, address)
        self._keep((authorization, address), caller)
        return caller

    def _keep(self, name: tuple[str | None, str], caller: Caller) -> None:
        if len(self._known) >= MOST_CALLERS:
            self.forget()
        self._known[name] = caller

    def forget(self) -> None:
        """Keep nobody in memory."""
        self._known.clear()

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
