"""How long a batch waits for more to share its commit."""

# A turn of the loop in which nothing is ready takes some ten microseconds; a batch costs far more.
IDLE_TURNS, MOST_TURNS = 20, 60
# How fast a crowd is forgotten.
REMEMBERED = 0.95


class Crowd:
    """How many came together lately: a batch waits for as many while somebody comes, but not for ever."""

    def __init__(self) -> None:
        self._expected = self._seen = self._idle = self._turns = 0

    def is_awaited(self, waiting: int) -> bool:
        """Asked in each turn of the loop: whether a batch of those waiting should wait for the next."""
        if waiting >= self._expected or self._idle >= IDLE_TURNS or self._turns >= MOST_TURNS:
            return False
        self._turns += 1
        self._idle = self._idle + 1 if waiting == self._seen else 0
        self._seen = waiting
        return True

    def came(self, waiting: int) -> None:
        """A batch of so many starts."""
        self._expected = max(waiting, int(self._expected * REMEMBERED))
        self._seen = self._idle = self._turns = 0
