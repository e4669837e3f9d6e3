"""The front as its process runs it: Django is set up before anything of ours is imported."""

import gc
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .application import Front


def application() -> "Front":
    """The one application of this process."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "keymanager.settings")
    # The loop's own thread writes: waiting for a thread to do it costs a third of the throughput.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    import django

    django.setup()
    from licensing import logs
    from licensing.engine.planning import plan_once

    from .application import Front

    # Before anything connects: connections come from a pool, which is set up by the first of them.
    plan_once()
    logs.follow_level()
    front = Front()
    # What is loaded now stays: the collector need not look through it again, and calls leave no cycles.
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    return front
