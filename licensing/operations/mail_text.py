"""A mail's text as HTML: written once, as plain text, and set from that."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Block:
    """A part of a mail: `paragraph`, `list` or `code`, and its lines."""

    kind: str
    lines: list[str]


def blocks(text: str) -> Iterator[Block]:
    """The parts of a text: parted by empty lines; `- ` begins an item, four spaces what is to be copied."""
    for part in text.strip("\n").split("\n\n"):
        group: list[str] = []
        kind = ""
        for line in filter(str.strip, part.splitlines()):
            if group and _kind(line) != kind:
                yield Block(kind, group)
                group = []
            kind = _kind(line)
            group.append(line.removeprefix("- ").strip())
        if group:
            yield Block(kind, group)


def _kind(line: str) -> str:
    if line.startswith("    "):
        return "code"
    return "list" if line.startswith("- ") else "paragraph"
