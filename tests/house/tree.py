"""The tree as git knows it."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def tracked(*patterns: str) -> list[Path]:
    """Return the files under git (and new ones not ignored) that fit the patterns."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", "--", *patterns]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def lines_of(*patterns: str) -> list[tuple[str, str]]:
    """Return ("path:line", text) of every line of every tracked text file that fits."""
    found = []
    for path in tracked(*patterns):
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # a picture, a font, a compiled catalogue
        place = path.relative_to(ROOT)
        found += [(f"{place}:{number}", line) for number, line in enumerate(text.splitlines(), 1)]
    return found
