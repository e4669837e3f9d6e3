"""What the parts of `make bench-full` have in common: where they work, what they give back."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from .rounds import Seen
from .verdicts import Verdict


@dataclass(frozen=True)
class Bench:
    """The surroundings of a part: a folder of its own, the load generator, this disk's commit, the pace."""

    folder: Path
    program: Path
    commit_ms: float
    rounds: int
    seconds: float
    tell: Callable[[str], None]

    @property
    def log(self) -> Path:
        """What the servers print."""
        return self.folder / "servers.log"


@dataclass
class Part:
    """What a part saw, and what must hold; `facts` are single numbers with their units."""

    title: str
    seen: dict[str, Seen] = field(default_factory=dict)
    facts: dict[str, str] = field(default_factory=dict)
    verdicts: list[Verdict] = field(default_factory=list)
