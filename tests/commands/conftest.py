"""Commands run in this process, in front of a portal in contact with a real authority."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import StringIO

import pytest
from django.core.management import call_command

from tests.operations.conftest import authority, link

__all__ = ["authority", "command", "link"]


@dataclass
class Ran:
    """What a command printed, and its exit status."""

    out: str
    err: str
    status: int

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Ran]]:
    """Return a function that runs a command as an English shell would."""
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    umask = os.umask(0o022)

    def run(name: str, *arguments: str, stdin: str = "") -> Ran:
        out, err = StringIO(), StringIO()
        monkeypatch.setattr("sys.stdin", StringIO(stdin))
        try:
            call_command(name, *arguments, stdout=out, stderr=err)
        except SystemExit as ended:
            return Ran(out.getvalue(), err.getvalue(), int(ended.code or 0))
        return Ran(out.getvalue(), err.getvalue(), 0)

    yield run
    os.umask(umask)
