"""What became of a contact, as every door tells it."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from licensing.models import ContactAttempt

from .answers import KeyLine
from .causes import OK, sentence


@dataclass(frozen=True)
class ContactReport:
    """What became of a contact: `outcome` is `ok` or the code of the failure, `params` its particulars.

    `joined`: somebody else's attempt was in flight, and this is its result.
    """

    attempt_id: uuid.UUID
    outcome: str
    params: Mapping[str, Any]
    lines: tuple[KeyLine, ...]
    joined: bool = False

    @property
    def is_ok(self) -> bool:
        """Whether the vendor's answer was accepted; each line tells of its own key."""
        return self.outcome == OK

    def sentence(self) -> str:
        """What became of it, in the reader's language, with what to do about it."""
        return sentence(self.outcome, self.params)

    def followed_by(self, later: "ContactReport") -> "ContactReport":
        """One report of two contacts in a row: the last word on each key, and on the whole."""
        lines = {line.number: line for line in (*self.lines, *later.lines)}
        return replace(later, lines=tuple(lines.values()), joined=self.joined)


def report_of(row: ContactAttempt, *, joined: bool = False) -> ContactReport:
    """The report of a stored attempt."""
    lines = tuple(KeyLine(**line) for line in row.results)
    return ContactReport(row.pk, row.outcome, row.params, lines, joined)
