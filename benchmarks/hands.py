"""People at work on a portal's data folder, as processes of their own.

`python -m benchmarks.hands session` logs an administrator in and prints the cookie;
`python -m benchmarks.hands write SECONDS` changes the Configuration twenty times a second.
"""

import os
import sys
import time

PAUSE_SECONDS = 0.05


def main() -> None:
    """Set Django up on KEYMANAGER_DATA, and work."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "keymanager.settings")
    import django

    django.setup()
    if sys.argv[1] == "session":
        print(session())
    else:
        write(float(sys.argv[2]))


def session() -> str:
    """The Cookie header of an administrator who has logged in."""
    from django.conf import settings
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.sessions.backends.db import SessionStore

    from licensing.models import Role
    from licensing.operations.actors import COMMAND
    from licensing.operations.clock import portal_now
    from licensing.operations.users import create_user
    from licensing.web.session_end import BEGAN

    user = create_user(portal_now(), COMMAND, "bench", "a long password of the bench", Role.ADMINISTRATOR)
    store = SessionStore()
    store[SESSION_KEY] = str(user.pk)
    store[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    store[HASH_SESSION_KEY] = user.get_session_auth_hash()
    store[BEGAN] = time.time()
    store.create()
    return f"Cookie: {settings.SESSION_COOKIE_NAME}={store.session_key}"


def write(seconds: float) -> None:
    """Change the inactivity time to and fro."""
    from licensing.operations.actors import COMMAND
    from licensing.operations.clock import portal_now
    from licensing.operations.configuration import change_configuration

    until, turn = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        turn += 1
        change_configuration(portal_now(), COMMAND, inactivity_seconds=1800 + turn % 2)
        time.sleep(PAUSE_SECONDS)


if __name__ == "__main__":
    main()
