"""How the front's process begins."""

from types import SimpleNamespace

import pytest

from licensing import logs
from licensing.engine import planning
from licensing.front import entry


def test_plans_are_set_up_before_anything_connects(monkeypatch: pytest.MonkeyPatch) -> None:
    # The pool takes the settings of its first connection: made by the thread that reads the log level, it had
    # none of those for plans, in some starts; batches took half as long again, by reading tables whole.
    begun: list[str] = []
    monkeypatch.setattr(planning, "plan_once", lambda: begun.append("plans"))
    monkeypatch.setattr(logs, "follow_level", lambda: begun.append("log level"))
    nothing = SimpleNamespace(collect=lambda: None, freeze=lambda: None, set_threshold=lambda *_: None)
    monkeypatch.setattr(entry, "gc", nothing)
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
    entry.application()
    assert begun == ["plans", "log level"]
