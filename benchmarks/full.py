"""`make bench-full`: everything that `make bench` leaves out, one part after another."""

from . import disturbances, growth, morning, postgres
from .parts import Bench, Part


def run(bench: Bench, wanted: list[str]) -> list[Part]:
    """Run the parts that are wanted; without any, all."""
    parts: list[Part] = []
    for name, part in PARTS.items():
        if not wanted or name in wanted:
            bench.tell(f"\n{name}")
            done = part(bench)
            parts += done if isinstance(done, list) else [done]
    return parts


PARTS = {
    "morning": morning.run,
    "growth": growth.run,
    "disturbances": disturbances.run,
    "postgres": postgres.run,
}
