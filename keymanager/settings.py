"""Django's settings. What a deployment may choose comes checked from `deployment.py`."""

import hashlib
import os
import secrets
from typing import Any

import environ
from csp.constants import NONE, SELF

from licensing.logs import logging_config

from . import deployment
from .wrong import WrongSetting

BASE_DIR = deployment.BASE
KEYMANAGER = deployment.read()
VERSION = "1.0.0"

DEBUG = False
ALLOWED_HOSTS = KEYMANAGER.allowed_hosts


def _secret_key() -> str:
    """Derived from the key file; before the first start has made one, good for this process alone."""
    try:
        key = KEYMANAGER.key_file.read_bytes()
    except FileNotFoundError:
        return secrets.token_hex(32)
    except OSError:
        raise WrongSetting(
            "KEYMANAGER_KEY_FILE", KEYMANAGER.key_file, "a file that this user may read"
        ) from None
    return hashlib.sha256(b"django secret key\n" + key).hexdigest()


SECRET_KEY = _secret_key()

INSTALLED_APPS = [
    "licensing",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    # Pages of allauth use it.
    "django.contrib.humanize",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "django_htmx",
    "django_q",
    "csp",
]

MIDDLEWARE = [
    "licensing.front.trust.FrontMiddleware",
    "licensing.api.middleware.ApiMiddleware",
    # Around all that may fail, so that what is said then is bound as well.
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    # Long lists become a tenth; Django hides the lengths that tell secrets (BREACH).
    "django.middleware.gzip.GZipMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    # Every page asks for a log-in unless it says otherwise.
    "licensing.web.entrance.EntranceMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "licensing.web.entrance.ConfirmationMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

ROOT_URLCONF = "keymanager.urls"
WSGI_APPLICATION = "keymanager.wsgi.application"
APPEND_SLASH = False

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "licensing.web.layout.layout",
            ],
        },
    }
]


def _database() -> dict[str, Any]:
    database: dict[str, Any] = environ.Env.db_url_config(KEYMANAGER.database_url)
    if database["ENGINE"] == "django.db.backends.sqlite3":
        # FULL, for NORMAL loses acknowledged commits at a power cut; IMMEDIATE, for a read that turns into
        # a write would else fail instead of waiting (docs/decisions.md).
        database["OPTIONS"] = {
            "transaction_mode": "IMMEDIATE",
            "timeout": 5,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;"
            # The front checkpoints by a thread (licensing/engine/checkpoint.py); a commit does so only where
            # that falls behind by 64,000 pages, 250 MiB. The file keeps 256: growing anew costs flushes.
            " PRAGMA wal_autocheckpoint=64000; PRAGMA journal_size_limit=268435456;",
        }
        database["CONN_MAX_AGE"] = None
    else:
        # A pool and CONN_MAX_AGE exclude each other. Left to itself it waits longer and longer between its
        # attempts, up to minutes after the database is back; giving up soon, it tries anew for each who asks.
        database["ENGINE"] = "django.db.backends.postgresql"
        database["OPTIONS"] = {
            # A server that lost its power says nothing any more: without these a call would wait for minutes.
            "tcp_user_timeout": 5000,
            "keepalives_idle": 5,
            "keepalives_interval": 2,
            "keepalives_count": 3,
            **database.get("OPTIONS", {}),
            "pool": {"min_size": 1, "max_size": 10, "timeout": 5, "reconnect_timeout": 2},
            "connect_timeout": 5,
            "options": "-c lock_timeout=5s -c idle_in_transaction_session_timeout=60s",
        }
        database["CONN_MAX_AGE"] = 0
    return database


DATABASES = {"default": _database()}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_USER_MODEL = "licensing.User"
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
    # Last: an account of the portal's own comes first, and works where the directory does not.
    *(["licensing.web.directory.DirectoryBackend"] if KEYMANAGER.directory else []),
]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 10},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_ADAPTER = "licensing.web.accounts.ClosedAccountAdapter"
ACCOUNT_REAUTHENTICATION_TIMEOUT = 15 * 60
MFA_ADAPTER = "licensing.web.accounts.SealedMFAAdapter"
MFA_TOTP_ISSUER = "Key Manager"
# Passkeys work where browsers let them: with TLS and a name, or on localhost.
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_FORMS = {
    "login_webauthn": "licensing.web.passkeys.PasskeyLoginForm",
    "add_webauthn": "licensing.web.passkeys.AddPasskeyForm",
}
CSRF_FAILURE_VIEW = "licensing.web.failures.csrf_failure"

LANGUAGE_CODE = "pl"
LANGUAGES = [("pl", "Polski"), ("en", "English")]
LOCALE_PATHS = [BASE_DIR / "licensing" / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = KEYMANAGER.time_zone

STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = KEYMANAGER.data / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

# --- security ---------------------------------------------------------------------------------------
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
        "manifest-src": [SELF],
    }
}
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CONTENT_TYPE_NOSNIFF = True
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 12 * 3600
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = KEYMANAGER.tls
SECURE_HSTS_SECONDS = 31536000 if KEYMANAGER.tls else 0
# For this name alone: what else lives below a name of the company's network is not ours to bind to TLS, and
# lists of browsers are for public names. So two warnings of Django's review do not fit.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
SECURE_SSL_REDIRECT = KEYMANAGER.tls
DATA_UPLOAD_MAX_MEMORY_SIZE = 5 * 1024 * 1024
# Else large ones would lie in a folder that others use too, which the portal may not even have.
FILE_UPLOAD_TEMP_DIR = KEYMANAGER.data

# What `serve` starts has no console: nobody might read what it prints.
LOGGING = logging_config(KEYMANAGER.data, has_console="KEYMANAGER_SUPERVISOR" not in os.environ)

# --- the worker ---------------------------------------------------------------------------------------
# No catching up of missed runs, no retries of a failing task for ever: each task is harmless when run
# twice, and the schedule brings it back. `timeout` must be below `retry`.
Q_CLUSTER = {
    "name": "keymanager",
    "orm": "default",
    "workers": 1,
    "timeout": 60,
    "retry": 90,
    "max_attempts": 1,
    "ack_failures": True,
    "catch_up": False,
    "poll": 0.5,
    "save_limit": 50,
    "label": "worker",
    "cache": "default",
}
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        # It counts wrong log-ins. From the usual 300 a guesser pushes his own out by those of other names;
        # so many as this nobody makes in the five minutes for which they count.
        "OPTIONS": {"MAX_ENTRIES": 20_000},
    }
}
