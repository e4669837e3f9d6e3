"""The application, and what each of its processes does at the start."""

from typing import Any

from django.apps import AppConfig
from django.conf import settings


class LicensingConfig(AppConfig):
    name = "licensing"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Listen to log-ins, and to the worker's queue, which only the process that does tasks hears."""
        from django_q.signals import post_spawn, pre_execute

        from licensing.models import searching
        from licensing.web import session_end

        searching.register()
        session_end.watch()
        post_spawn.connect(_begin_tasks, dispatch_uid="begin tasks")
        pre_execute.connect(_begin_task, dispatch_uid="begin task")


def _begin_tasks(**about: Any) -> None:
    """This process forks no more, so it may have threads."""
    from licensing import logs

    logs.follow_level()


def _begin_task(**about: Any) -> None:
    from licensing.serving.signs import show_life

    show_life(settings.KEYMANAGER.data)
