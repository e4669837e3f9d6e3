"""The pages and everything of the API that is not served leaner."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "keymanager.settings")
application = get_wsgi_application()

from licensing import logs  # noqa: E402
from licensing.serving import lifeline, watchman  # noqa: E402

lifeline.hold()
logs.follow_level()
watchman.start()
