"""Statements that PostgreSQL is sent together and that are waited for together (libpq, "Pipeline Mode").

psycopg has pipelines too. There each statement is a cursor of its own, is sent by itself and wakes the
server: for the dozen of a batch that costs more than what they do. Here libpq gathers them until somebody
waits for an answer, and each is prepared when it is first sent.
"""

from collections.abc import Generator, Sequence
from contextlib import suppress
from datetime import date
from itertools import count
from typing import Any
from weakref import WeakKeyDictionary

from psycopg import Connection, DataError, Error, OperationalError
from psycopg.adapt import AdaptersMap, Transformer
from psycopg.errors import error_from_result
from psycopg.pq import ConnStatus, ExecStatus
from psycopg.pq.abc import PGconn, PGresult
from psycopg.types.string import TextLoader
from psycopg.waiting import Ready, Wait

# What `Connection.wait` takes: it is told what to wait for.
Waiting = Generator[Wait, Ready | int, Any]
# No name of a statement is given twice.
_numbers = count(1)


class _Kept:
    """What goes with a connection: what it has prepared, names by text, and what reads its rows."""

    def __init__(self, connection: Connection[Any]) -> None:
        adapters = AdaptersMap(connection.adapters)
        # Hundreds of ids that nobody needs as objects.
        adapters.register_loader("uuid", TextLoader)
        self.names: dict[str, bytes] = {}
        self.transformer = Transformer(adapters)


_kept: WeakKeyDictionary[Connection[Any], _Kept] = WeakKeyDictionary()


class Answer:
    """What a statement answers."""

    __slots__ = ("_is_there", "_pipeline", "_result")
    _result: PGresult

    def __init__(self, pipeline: "Pipeline") -> None:
        self._pipeline = pipeline
        self._is_there = False

    def rows(self) -> list[tuple[Any, ...]]:
        """Its rows, after waiting for it and for all that was sent before it.

        Raises:
            psycopg.Error: it, or one of those before it, has failed.
        """
        if not self._is_there:
            self._pipeline.settle()
        return self._pipeline.rows_of(self._result)

    @property
    def tag(self) -> str:
        """What the statement did, as PostgreSQL names it; nothing before that is known."""
        told = self._result.command_status if self._is_there else None
        return told.decode() if told else ""

    def came(self, result: PGresult) -> None:
        """The server has answered so."""
        self._result, self._is_there = result, True


class Pipeline:
    """What one connection is sent within one transaction.

    Whoever speaks to the connection in another way calls `settle` first: between two settlements it is in a
    pipeline.
    """

    def __init__(self, connection: Connection[Any]) -> None:
        kept = _kept.get(connection)
        if kept is None:
            kept = _kept[connection] = _Kept(connection)
        self._connection, self._names, self._transformer = connection, kept.names, kept.transformer
        self._waiting: list[tuple[str, list[bytes | None], Answer]] = []
        # Whose results come next; None for a statement that is being prepared.
        self._expected: list[Answer | None] = []
        # Those that are being prepared, as `_names`, in the order of their results.
        self._fresh: dict[str, bytes] = {}

    def send(self, sql: str, params: Sequence[Any]) -> Answer:
        """Have a statement sent with the next that is waited for; its placeholders are PostgreSQL's own.

        The statement alone tells of what type each is. Values are texts, whole numbers, days and instants.
        """
        answer = Answer(self)
        self._waiting.append((sql, [_written(value) for value in params], answer))
        return answer

    def start(self) -> None:
        """Let the server begin with what there is; what it says is waited for by `settle`."""
        if self._waiting:
            self._hand_over()
            self._connection.wait(_flushed(self._connection.pgconn))

    def settle(self) -> None:
        """Send what there is to be sent, and wait for all of it.

        Raises:
            psycopg.Error: that of the first statement that failed; those after it were passed over.
        """
        self.begin_to_settle()
        self.end_settling()

    def begin_to_settle(self) -> None:
        """Send what there is to be sent. Nobody may use the connection before `end_settling`."""
        self._hand_over()
        if self._expected:
            self._connection.pgconn.pipeline_sync()
            self._connection.wait(_flushed(self._connection.pgconn))

    def end_settling(self) -> None:
        """Wait for what was sent.

        Raises:
            psycopg.Error: see `settle`.
        """
        expected, self._expected = self._expected, []
        fresh, self._fresh = iter(self._fresh.items()), {}
        if not expected:
            return
        results = self._connection.wait(_received(self._connection.pgconn))
        self._connection.pgconn.exit_pipeline_mode()
        for answer, result in zip(expected, results, strict=True):
            if result.status == ExecStatus.FATAL_ERROR:
                raise error_from_result(result)
            if answer is not None:
                answer.came(result)
            else:
                self._names.update([next(fresh)])

    def give_up(self) -> None:
        """Send nothing more, and have the connection as it was: the transaction is to be rolled back."""
        self._waiting.clear()
        with suppress(Error):
            self.settle()

    def rows_of(self, result: PGresult) -> list[tuple[Any, ...]]:
        """The rows of a result as Python's values."""
        self._transformer.set_pgresult(result)
        return self._transformer.load_rows(0, result.ntuples, tuple)

    def _hand_over(self) -> None:
        """Give libpq what is to be sent."""
        waiting, self._waiting = self._waiting, []
        connection = self._connection.pgconn
        if waiting and not self._expected:
            connection.enter_pipeline_mode()
        for sql, params, answer in waiting:
            name = self._names.get(sql) or self._fresh.get(sql)
            if name is None:
                name = self._fresh[sql] = b"lease_%d" % next(_numbers)
                connection.send_prepare(name, sql.encode())
                self._expected.append(None)
            connection.send_query_prepared(name, params)
            self._expected.append(answer)


def _written(value: Any) -> bytes | None:
    """A value in the text that PostgreSQL reads.

    Raises:
        psycopg.DataError: it has a character that PostgreSQL's texts cannot have.
    """
    if value is None:
        return None
    if isinstance(value, str):
        if "\0" in value:
            raise DataError("PostgreSQL text fields cannot contain NUL (0x00) bytes")
        return value.encode()
    if isinstance(value, date):
        return value.isoformat().encode()
    if isinstance(value, int):
        return b"%d" % value
    raise TypeError(f"{type(value).__name__} is not sent to the database")


def _flushed(connection: PGconn) -> Waiting:
    """Until all is with the server; what it says meanwhile is taken, so that neither waits for the other."""
    while connection.flush():
        if (yield Wait.RW) & Ready.R:
            connection.consume_input()


def _received(connection: PGconn) -> Waiting:
    """Until the server has answered all that it was sent; gives the results in their order."""
    results: list[PGresult] = []
    while True:
        while connection.is_busy():
            yield Wait.R
            connection.consume_input()
        result = connection.get_result()
        if result is None:
            # What belongs to one statement ends so, and what belongs to a lost connection.
            if connection.status == ConnStatus.BAD:
                raise OperationalError("the connection is lost")
        elif result.status == ExecStatus.PIPELINE_SYNC:
            return results
        else:
            results.append(result)
