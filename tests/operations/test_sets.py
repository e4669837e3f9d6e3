"""What the words of either database promise beyond being SQL."""

from types import SimpleNamespace
from typing import Any

from licensing.operations.sets import PostgresWords

KEPT = PostgresWords.DRAWN


class Sequence:
    """PostgreSQL's, as far as numbers are drawn from it; `draws` counts how often."""

    def __init__(self) -> None:
        self.last, self.draws = 0, 0

    def connected(self) -> Any:
        """A cursor on a connection of its own."""
        connection = type("Connection", (), {})()
        return SimpleNamespace(db=SimpleNamespace(connection=connection), ask=self._ask)

    def _ask(self, _sql: str, params: list[Any]) -> Any:
        self.draws += 1
        first, self.last = self.last + 1, self.last + params[1]
        return lambda: [(number,) for number in range(first, self.last + 1)]


def test_numbers_of_rows_are_drawn_many_at_once_and_never_given_twice() -> None:
    words, sequence = PostgresWords(), Sequence()
    nodes = [sequence.connected(), sequence.connected()]
    found: list[int] = []
    for count in (1, 5, KEPT - 6, 3, KEPT + 1, 2):
        for cursor in nodes:
            numbers = words.ask_numbers(cursor, "t", "c", count)()
            assert len(numbers) == count
            found += numbers
    assert len({*found}) == len(found)
    assert sequence.draws == 3 * len(nodes)


def test_numbers_of_rows_that_were_asked_for_and_never_read_are_given_to_nobody() -> None:
    words, cursor = PostgresWords(), Sequence().connected()
    lost = words.ask_numbers(cursor, "t", "c", 1)
    kept = words.ask_numbers(cursor, "t", "c", 1)()
    assert kept == [KEPT + 1]
    assert lost() == [1]
    assert not {1, KEPT + 1} & {*words.ask_numbers(cursor, "t", "c", 2 * KEPT - 2)()}
