"""What must hold, beside what was seen."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Verdict:
    """One promise: what is wanted, what was seen."""

    what: str
    wanted: str
    seen: str
    holds: bool

    def line(self) -> str:
        """As the run prints it."""
        return (
            f"  {'holds   ' if self.holds else 'FAILS   '} {self.what}: {self.seen} (wanted: {self.wanted})"
        )


def at_least(what: str, seen: float, wanted: float, unit: str = "×") -> Verdict:
    """More is better."""
    return Verdict(what, f"≥ {wanted:g} {unit}", f"{seen:.3g} {unit}", seen >= wanted)


def at_most(what: str, seen: float, wanted: float, unit: str) -> Verdict:
    """Less is better."""
    return Verdict(what, f"≤ {wanted:.4g} {unit}", f"{seen:.4g} {unit}", seen <= wanted)


def nothing(what: str, mistakes: Sequence[str]) -> Verdict:
    """A check that found nothing, or the first things that it found."""
    seen = "nothing found" if not mistakes else f"{len(mistakes)} found: " + "; ".join(mistakes[:3])
    return Verdict(what, "nothing found", seen, not mistakes)
