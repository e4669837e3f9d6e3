"""Django's settings for the baseline: nothing that it does not need."""

import os

import environ

SECRET_KEY = "of no use: the baseline signs nothing"
ALLOWED_HOSTS = ["*"]
INSTALLED_APPS = ["benchmarks.baseline"]
MIDDLEWARE: list[str] = []
ROOT_URLCONF = "benchmarks.baseline.urls"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

_database = environ.Env.db_url_config(os.environ["BASELINE_DATABASE_URL"])
_database["CONN_MAX_AGE"] = None
if _database["ENGINE"] == "django.db.backends.sqlite3":
    # As durable as the product.
    _database["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 30,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
    }
DATABASES = {"default": _database}
