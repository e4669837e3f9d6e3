"""One statement about many rows, in the words of either database.

Statements over sets are what makes a batch of leases cheap: their number does not grow with the batch.
SQLite reads a set from one JSON text, PostgreSQL from arrays.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from weakref import WeakKeyDictionary

import msgspec
from django.db import DataError
from django.db.backends.utils import CursorWrapper

from .transactions import Overtaken

Row = tuple[Any, ...]
Rows = Callable[[], list[Row]]
_encode = msgspec.json.encode


class SqliteWords:
    """SQLite 3.40: sets travel as JSON, ids as hex text, instants as Django's text."""

    for_update = ""  # an IMMEDIATE transaction already holds the whole database
    greatest = "MAX"
    least = "MIN"
    same = "IS"  # as `=`, and NULL is the same as NULL
    json = ""

    def among(self, kind: str) -> str:
        """The right side of `column IN …`; its one parameter comes from `members`."""
        return "(SELECT value FROM json_each(%s))"

    def members(self, values: Iterable[Any]) -> Any:
        """The parameter of `among`."""
        return _encode(list(values)).decode()

    def rows(self, alias: str, **kinds: str) -> str:
        """A table of given rows for FROM; its parameters come from `columns`."""
        parts = ", ".join(f"value->>{place} AS {name}" for place, name in enumerate(kinds))
        return f"(SELECT {parts} FROM json_each(%s)) AS {alias}"  # noqa: S608

    def columns(self, rows: Sequence[Row]) -> list[Any]:
        """The parameters of `rows`."""
        return [_encode(rows).decode()]

    def column(self, alias: str, name: str, kind: str) -> str:
        """A table of one column for FROM; its one parameter comes from `members`.

        Its rows are looked up several times as fast as members of a set: nothing is sorted first.
        """
        return f"(SELECT value AS {name} FROM json_each(%s)) AS {alias}"  # noqa: S608

    def as_id(self, text: str) -> str:
        """An expression of 32 hex digits as an id."""
        return text

    def change(self, cursor: CursorWrapper, sql: str, params: Sequence[Any], count: int) -> None:
        """Run an UPDATE that must change so many rows.

        Raises:
            Overtaken: it has not.
        """
        cursor.execute(sql, params)
        if cursor.rowcount != count:
            raise Overtaken

    def insert(self, cursor: CursorWrapper, table: str, kinds: dict[str, str], rows: Sequence[Row]) -> None:
        """Insert the rows; `kinds` names their columns in order."""
        places = ", ".join(["%s"] * len(kinds))
        cursor.executemany(f"INSERT INTO {table} ({', '.join(kinds)}) VALUES ({places})", rows)  # noqa: S608

    def ask_numbers(
        self, cursor: CursorWrapper, table: str, column: str, count: int
    ) -> Callable[[], list[int]]:
        """So many numbers for rows of this transaction: those after the last row's."""
        last = ask(cursor, f"SELECT COALESCE(MAX({column}), 0) FROM {table}", ())()[0][0]  # noqa: S608
        return lambda: list(range(last + 1, last + count + 1))

    def array_length(self, column: str) -> str:
        """How long the JSON array of a column is; nought for what is no array."""
        return f"json_array_length({column})"

    def pairs(self, first: str, second: str) -> str:
        """All rows' pairs of two columns as one JSON array, in no order."""
        return f"json_group_array(json_array({first}, {second}))"

    def instant(self, moment: datetime) -> Any:
        """An aware instant as a parameter; exactly as Django writes it, for instants compare as text."""
        return _as_text(moment)

    def read_instant(self, value: Any) -> datetime:
        """The aware instant of a column, which Django has parsed, or of an expression, which it has not."""
        moment: datetime = datetime.fromisoformat(value) if isinstance(value, str) else value
        return moment.replace(tzinfo=UTC)

    def read_id(self, value: Any) -> str:
        """A lease's id as hex text."""
        return str(value)


@lru_cache(maxsize=1024)
def _as_text(moment: datetime) -> str:
    # The leases of a batch share their instants.
    return str(moment.astimezone(UTC).replace(tzinfo=None))


class PostgresWords:
    """PostgreSQL 15: sets travel as arrays, in the text of their literals.

    The driver writes such a literal too, at several searches for each element; a batch has hundreds.
    """

    for_update = " FOR UPDATE"
    greatest = "GREATEST"
    least = "LEAST"
    same = "IS NOT DISTINCT FROM"
    json = "::jsonb"
    # How many numbers for rows are drawn at once.
    DRAWN = 256

    def __init__(self) -> None:
        # Numbers drawn and not taken yet, by connection and sequence.
        self._drawn: WeakKeyDictionary[Any, dict[str, list[int]]] = WeakKeyDictionary()

    def among(self, kind: str) -> str:
        """The right side of `column IN …`; its one parameter comes from `members`."""
        return f"(SELECT unnest(%s::{_TYPES[kind]}[]))"

    def members(self, values: Iterable[Any]) -> Any:
        """The parameter of `among`."""
        return _array(values)

    def rows(self, alias: str, **kinds: str) -> str:
        """A table of given rows for FROM; its parameters come from `columns`."""
        arrays = ", ".join(f"%s::{_TYPES[kind]}[]" for kind in kinds.values())
        return f"unnest({arrays}) AS {alias}({', '.join(kinds)})"

    def columns(self, rows: Sequence[Row]) -> list[Any]:
        """The parameters of `rows`."""
        return [_array(column) for column in zip(*rows, strict=True)]

    def column(self, alias: str, name: str, kind: str) -> str:
        """A table of one column for FROM; its one parameter comes from `members`."""
        return self.rows(alias, **{name: kind})

    def as_id(self, text: str) -> str:
        """An expression of 32 hex digits as an id."""
        return f"({text})::uuid"

    def change(self, cursor: CursorWrapper, sql: str, params: Sequence[Any], count: int) -> None:
        """Run an UPDATE that must change so many rows; else the database itself ends the transaction.

        Nobody need wait for the number before the commit is sent.

        Raises:
            Overtaken: it has not; of a statement that is not waited for the end of the transaction tells that
                (`transactions.OVERTAKEN`).
        """
        check = "SELECT 1 / CASE COUNT(*) WHEN %s THEN 1 ELSE 0 END FROM changed"
        try:
            cursor.execute(f"WITH changed AS ({sql} RETURNING 1) {check}", [*params, count])
        except DataError as error:
            raise Overtaken from error

    def insert(self, cursor: CursorWrapper, table: str, kinds: dict[str, str], rows: Sequence[Row]) -> None:
        """Insert the rows; `kinds` names their columns in order."""
        values = ", ".join(
            f"r.{name}::jsonb" if kind == "json" else f"r.{name}" for name, kind in kinds.items()
        )
        source = self.rows("r", **kinds)
        names = ", ".join(kinds)
        cursor.execute(f"INSERT INTO {table} ({names}) SELECT {values} FROM {source}", self.columns(rows))  # noqa: S608

    def ask_numbers(
        self, cursor: CursorWrapper, table: str, column: str, count: int
    ) -> Callable[[], list[int]]:
        """So many numbers for rows of this transaction, from the column's sequence.

        Many are drawn at once, and what is left of them is kept with the connection: nobody else gets them.
        """
        sequence = f"{table}_{column}_seq"
        drawn = self._drawn.setdefault(cursor.db.connection, {}).setdefault(sequence, [])
        if len(drawn) >= count:
            taken, drawn[:] = drawn[:count], drawn[count:]
            return lambda: taken
        most = max(count, self.DRAWN)
        rows = ask(cursor, "SELECT nextval(%s::regclass) FROM generate_series(1, %s)", [sequence, most])

        def read() -> list[int]:
            found = [number for (number,) in rows()]
            drawn.extend(found[count:])
            return found[:count]

        return read

    def array_length(self, column: str) -> str:
        """How long the JSON array of a column is; nought for what is no array."""
        return f"CASE jsonb_typeof({column}) WHEN 'array' THEN jsonb_array_length({column}) ELSE 0 END"

    def pairs(self, first: str, second: str) -> str:
        """All rows' pairs of two columns as one JSON array, in no order."""
        return f"COALESCE(json_agg(json_build_array({first}, {second})), '[]')::text"

    def instant(self, moment: datetime) -> Any:
        """An aware instant as a parameter."""
        return moment

    def read_instant(self, value: Any) -> datetime:
        """The aware instant of a column."""
        moment: datetime = value
        return moment

    def read_id(self, value: Any) -> str:
        """A lease's id as hex text."""
        return str(value).replace("-", "")


def _array(values: Iterable[Any]) -> str:
    """An array's literal (PostgreSQL, "Arrays: Array Input and Output Syntax").

    JSON is written faster, and is the same but for the brackets and for control characters.
    """
    found = list(values)
    text = _encode(found).decode()
    if "\\" in text and "\\" in text.replace("\\\\", "").replace('\\"', ""):
        text = f"[{','.join(map(_element, found))}]"
    return f"{{{text[1:-1]}}}"


def _element(value: Any) -> str:
    if value is None:
        return "null"
    escaped = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


_TYPES = {
    "id": "uuid",
    "number": "bigint",
    "text": "text",
    "json": "text",
    "date": "date",
    "instant": "timestamptz",
}

Words = SqliteWords | PostgresWords
_SQLITE, _POSTGRES = SqliteWords(), PostgresWords()


def ask(cursor: CursorWrapper, sql: str, params: Sequence[Any]) -> Rows:
    """Send one statement and give what reads its rows.

    A batch on PostgreSQL (`engine.cursor`) sends what depends on nothing together, and waits for the first
    rows that it reads. Elsewhere they are there at once.
    """
    send = getattr(cursor, "ask", None)
    if send is not None:
        rows: Rows = send(sql, params)
        return rows
    cursor.execute(sql, params)
    found = cursor.fetchall()
    return lambda: found


def start(cursor: CursorWrapper) -> None:
    """Let the database begin with what was sent so far, while more is prepared; elsewhere that is done."""
    begin = getattr(cursor, "start", None)
    if begin is not None:
        begin()


def words_of(cursor: CursorWrapper) -> Words:
    """The words of the database that a cursor speaks to."""
    return _SQLITE if cursor.db.vendor == "sqlite" else _POSTGRES
