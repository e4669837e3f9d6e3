"""The page "Test the connection": the way to the vendor walked step by step, live."""

import threading
import uuid
from dataclasses import dataclass
from typing import Any

from django.db import connections, transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from licensing.models import ContactAttempt, Role
from licensing.operations.actors import Actor
from licensing.operations.clock import portal_now
from licensing.operations.diagnosis import diagnose, step_sentence, step_title, steps_ahead, stored_steps
from licensing.operations.errors import Refused

from .access import actor, needs
from .configuration import attempt_line


@dataclass(frozen=True)
class StepLine:
    """One step: `good`, `bad` or `ahead`; what it took, and what a failure means."""

    title: str
    state: str
    seconds: float
    sentence: str = ""


@needs(Role.OPERATOR)
def diagnosis(request: HttpRequest) -> HttpResponse:
    """What the test does, and the button that starts it."""
    if request.method == "POST":
        attempt_id = uuid.uuid4()
        # In this process: it is wanted most just when the worker stands still, and shows this node's way.
        walk = threading.Thread(target=_walk, args=(actor(request), attempt_id), daemon=True)
        transaction.on_commit(walk.start)
        return redirect("diagnosis_progress", attempt_id)
    return render(request, "contacts/diagnosis.html", {"steps": [StepLine(t, "ahead", 0) for t in _ahead()]})


@needs(Role.OPERATOR)
def progress(request: HttpRequest, attempt_id: uuid.UUID) -> HttpResponse:
    """The steps so far; the middle of the page alone for htmx."""
    row = ContactAttempt.objects.filter(pk=attempt_id).first()
    done = row is not None and row.finished_at is not None
    context: dict[str, Any] = {
        "attempt_id": attempt_id,
        "begun": row is not None,
        "done": done,
        "attempt": attempt_line(row) if row is not None and done else None,
        "steps": step_lines(row) if row is not None else [],
    }
    partial = request.headers.get("HX-Request") == "true"
    return render(request, f"contacts/{'steps' if partial else 'diagnosis'}.html", context)


def step_lines(row: ContactAttempt) -> list[StepLine]:
    """The steps of a stored diagnosis, and while it is under way those that are ahead."""
    walked = stored_steps(row)
    lines = [
        StepLine(step_title(step.name), "good" if step.ok else "bad", step.seconds, step_sentence(step))
        for step in walked
    ]
    if row.finished_at is None and all(step.ok for step in walked):
        lines += [StepLine(title, "ahead", 0) for title in _ahead()[len(walked) :]]
    return lines


def _ahead() -> list[str]:
    try:
        return [step_title(name) for name in steps_ahead()]
    except Refused:
        return []


def _walk(who: Actor, attempt_id: uuid.UUID) -> None:
    try:
        diagnose(portal_now, who, lambda step: None, attempt_id=attempt_id)
    finally:
        connections.close_all()
