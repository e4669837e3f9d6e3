"""The room that bodies take: those that are being sent, and those whose requests wait for an answer.

Anybody can send one, without a token or a log-in, and take his time.
"""

from .http import Request

# Those of lease calls and of most forms are not reckoned: they find room however much others send.
SMALL = 16 * 1024
MOST_HELD = 64 * 1024 * 1024


class Bodies:
    """What all connections have room for together."""

    def __init__(self) -> None:
        self.left = MOST_HELD


class Share:
    """What one connection takes of it."""

    def __init__(self, bodies: Bodies) -> None:
        self._bodies = bodies
        # By the body that is being sent, and by those that were, until they are freed.
        self._taken = 0
        self.held: dict[Request, int] = {}

    def has_room(self, size: int) -> bool:
        """Whether a body of this size would find room."""
        return size <= SMALL or size - self._taken <= self._bodies.left

    def take(self, size: int) -> bool:
        """Take room for the body that is being sent and now has this size; False where there is none."""
        if not self.has_room(size):
            return False
        if size > SMALL:
            self._bodies.left -= size - self._taken
            self._taken = size
        return True

    def hold(self, request: Request) -> None:
        """The body was sent, and is this request's."""
        if self._taken:
            self.held[request] = self._taken
            self._taken = 0

    def free(self, request: Request) -> None:
        """The body of this request is needed no more."""
        self._bodies.left += self.held.pop(request, 0)

    def give_up(self) -> None:
        """The body that was being sent is not heard to its end."""
        self._bodies.left += self._taken
        self._taken = 0
