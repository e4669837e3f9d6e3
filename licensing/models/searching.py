"""Searching text without regard to case, also in letters beyond ASCII, which SQLite alone does not fold."""

from typing import Any, ClassVar

from django.db.backends.signals import connection_created
from django.db.models import CharField, JSONField, TextField
from django.db.models.lookups import IContains, IExact

FUNCTION = "keymanager_casefold"


class _Folded:
    """A comparison without regard to case. What is ASCII goes the short way, by SQLite's own LIKE.

    `holds` is the condition in SQL, of the column with its case folded and of the text.
    """

    holds: ClassVar[str]
    lhs: Any
    rhs: Any

    def as_sqlite(self, compiler: Any, connection: Any) -> tuple[str, list[Any]]:
        """Let SQLite ask the function that each of its connections is given."""
        if not isinstance(self.rhs, str) or self.rhs.isascii():
            sql, params = super().as_sql(compiler, connection)  # type: ignore[misc]
            return sql, list(params)
        column, params = compiler.compile(self.lhs)
        return self.holds.format(f"{FUNCTION}({column})"), [*params, self.rhs.casefold()]


class FoldedIContains(_Folded, IContains):
    """`icontains` as PostgreSQL has it."""

    holds = "INSTR({}, %s) > 0"


class FoldedIExact(_Folded, IExact):
    """`iexact` likewise, or Łukasz and łukasz could be two accounts."""

    holds = "{} = %s"


def register() -> None:
    """Let every search of the portal go this way."""
    for field in (CharField, TextField, JSONField):
        field.register_lookup(FoldedIContains)
    for field in (CharField, TextField):
        field.register_lookup(FoldedIExact)
    connection_created.connect(_give_function, dispatch_uid=FUNCTION)


def _give_function(connection: Any, **about: Any) -> None:
    if connection.vendor == "sqlite":
        connection.connection.create_function(FUNCTION, 1, _casefold, deterministic=True)


def _casefold(text: str | None) -> str | None:
    return None if text is None else str(text).casefold()
