"""What the lease path keeps in memory: ERP clients, and portal time.

Every operation that changes an ERP client, a key, the Configuration or the clock raises the
installation's `version`; it is looked at every half second, so that nothing kept outlives its change by
more than a second, in whichever process the change was made. Where the database does not answer, what is kept
is trusted for that second and no longer.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic

from licensing.api.auth import Caller, admitted, all_callers, known_caller, may_call, token_digest
from licensing.models import Installation
from licensing.operations import clock
from licensing.operations.errors import Refused

from .relay import address_of

# How often it is looked, and for how long after the beginning of a look its callers are trusted.
LOOK_SECONDS, TRUSTED_SECONDS = 0.5, 1.0
MOST_NAMES = 10_000


@dataclass(frozen=True, slots=True)
class _Learned:
    """The ERP clients by their tokens' digests, and those who have called.

    Those by the text of their Authorization header, and by `address:port`: a connection that is kept sends
    the same with each call. What is learned together is forgotten together: what one thread finds in the
    old does not get into the new that another has learned meanwhile.
    """

    clients: dict[str, Caller]
    names: dict[tuple[str | None, str], Caller] = field(default_factory=dict)


class Callers:
    """Who calls, as far as memory tells.

    That anything has changed costs one query for all clients, not one for each connection: thousands of
    programs go on calling, and each would wait for those of the others.
    """

    def __init__(self, seconds: Callable[[], float] = monotonic) -> None:
        self._seconds = seconds
        self._trusted_until = 0.0
        self._learned = _Learned({})
        self._version = -1
        self._clock: clock.ClockRecord | None = clock.ClockRecord()

    def caller(self, authorization: str | None, client: str) -> Caller | None:
        """The caller, who may call; None where the database must be asked.

        Args:
            client: `address:port`.
        """
        if self._seconds() > self._trusted_until:
            return None
        learned = self._learned
        caller = learned.names.get((authorization, client))
        if caller is None:
            caller = _recognized(learned.clients, authorization, client)
            if caller is not None:
                if len(learned.names) >= MOST_NAMES:
                    learned.names.clear()
                learned.names[authorization, client] = caller
        return caller

    def ask(self, authorization: str | None, client: str) -> Caller:
        """The caller as the database knows it.

        Raises:
            Refused: token_missing, token_invalid, too_many_requests, client_not_allowed.
        """
        digest = token_digest(authorization)
        return admitted(known_caller(digest) if digest else None, address_of(client))

    def forget(self) -> None:
        """Keep nobody in memory until the next look."""
        self._learned, self._version = _Learned({}), -1

    def look(self) -> None:
        """Look whether anything changed, and learn it anew."""
        began = self._seconds()
        version = Installation.objects.values_list("version", flat=True).filter(pk=1).first() or 0
        if version != self._version:
            # After the version: what is changed meanwhile raises it once more.
            self._learned = _Learned(all_callers())
            self._version = version
        self._trusted_until = began + TRUSTED_SECONDS
        self.read_clock()

    def read_clock(self) -> None:
        """Read again what portal time goes by."""
        self._clock = clock.clock_record()

    def now(self) -> datetime:
        """Portal time."""
        return clock.portal_time(self._clock, clock.clocks())


def _recognized(clients: dict[str, Caller], authorization: str | None, client: str) -> Caller | None:
    try:
        digest = token_digest(authorization)
    except Refused:
        return None
    caller = clients.get(digest or "")
    return caller if caller is not None and may_call(caller, address_of(client)) else None
