"""What every test stands on: a data folder of its own, the database asked for, chromium.

``KEYMANAGER_TEST_DATABASE=sqlite`` (the default) runs every test on a SQLite file, as in production;
``postgresql`` runs those that touch the database on a PostgreSQL server that this run starts itself.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
from cryptography.fernet import Fernet

from tests.postgresql import PostgresServer, new_database

if TYPE_CHECKING:
    from tests.factories import Portal
    from tests.slapd import Slapd

DATABASE = os.environ.get("KEYMANAGER_TEST_DATABASE", "sqlite")
SERVER_URL = "KEYMANAGER_TEST_SERVER_URL"  # how the first process tells its workers of the server
DATABASE_FIXTURES = {"db", "transactional_db", "live_server", "django_db_setup"}
MEASURED = "measured"
LEFT_TO_TESTS = ("KEYMANAGER_TEST_DATABASE", SERVER_URL)

hypothesis.settings.register_profile("ci", derandomize=True, deadline=None, database=None, print_blob=True)
hypothesis.settings.register_profile("full", deadline=None, database=None, print_blob=True, max_examples=1000)
hypothesis.settings.load_profile(os.environ.get("KEYMANAGER_HYPOTHESIS", "ci"))

data_folder = Path(tempfile.mkdtemp(prefix="km-tests-"))
server: PostgresServer | None = None


def forget_the_deployment() -> None:
    """Drop the settings of whoever runs the tests: no test may depend on them."""
    for name in [name for name in os.environ if name.startswith("KEYMANAGER_") and name not in LEFT_TO_TESTS]:
        del os.environ[name]


def start_server() -> str:
    """Return the URL of the run's PostgreSQL server; the first process starts it, its workers find it."""
    global server
    if SERVER_URL not in os.environ:
        server = PostgresServer()
        os.environ[SERVER_URL] = server.url()
    return os.environ[SERVER_URL]


def prepare_data_folder() -> None:
    """Make what the first start of a portal makes: key file, machine id, folder of static files."""
    machine_id = data_folder / "machine-id"
    machine_id.write_text("0123456789abcdef0123456789abcdef\n")
    (data_folder / "keymanager.key").write_bytes(Fernet.generate_key())
    (data_folder / "static").mkdir()
    os.environ["KEYMANAGER_DATA"] = str(data_folder)
    os.environ["KEYMANAGER_MACHINE_ID_FILE"] = str(machine_id)


def set_up_django() -> None:
    """Load the product's settings, with what only costs time left out."""
    import django
    from django.conf import settings

    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    static_files = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.STORAGES = {**settings.STORAGES, "staticfiles": static_files}
    django.setup()


def hands_out_tests(config: pytest.Config) -> bool:
    """Tell whether this process leaves the tests to workers.

    Its surroundings are theirs from the start: if it had a data folder, Django would be set up on that one
    before they make their own, and tests at work side by side would write into the same logs.
    """
    return bool(config.getoption("numprocesses", None)) and not hasattr(config, "workerinput")


def pytest_configure(config: pytest.Config) -> None:
    """Give Django its surroundings before anything of ours is imported."""
    if DATABASE not in ("sqlite", "postgresql"):
        raise pytest.UsageError(f"KEYMANAGER_TEST_DATABASE is {DATABASE!r}; expected sqlite or postgresql")
    forget_the_deployment()
    if hands_out_tests(config):
        if DATABASE == "postgresql":
            start_server()
        return
    prepare_data_folder()
    if DATABASE == "postgresql":
        os.environ["KEYMANAGER_DATABASE_URL"] = start_server()
    os.environ["DJANGO_SETTINGS_MODULE"] = "keymanager.settings"
    # Playwright keeps an event loop running in the thread of the tests, which Django takes for async code.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    set_up_django()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave nothing behind."""
    if server is not None:
        server.stop()
        os.environ.pop(SERVER_URL, None)
    shutil.rmtree(data_folder, ignore_errors=True)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests have measured, also those that passed in a worker's process."""
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            for name, seen in report.user_properties:
                if name == MEASURED:
                    terminalreporter.write_line(f"{report.nodeid}: {seen}")


def touches_the_database(item: pytest.Item) -> bool:
    """Tell whether a test depends on which database it runs on."""
    if item.get_closest_marker("sqlite_only") is not None:
        return False
    marked = item.get_closest_marker("django_db") or item.get_closest_marker("both_databases")
    return marked is not None or not DATABASE_FIXTURES.isdisjoint(getattr(item, "fixturenames", ()))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the files that need a browser last, and leave out what PostgreSQL would only repeat.

    Playwright keeps an event loop running in the thread of the tests to the end, which no other test bears
    that starts a loop of its own.
    """
    browsing = {item.path for item in items if "browser" in getattr(item, "fixturenames", ())}
    items.sort(key=lambda item: item.path in browsing)
    if DATABASE == "postgresql":
        config.hook.pytest_deselected(items=[item for item in items if not touches_the_database(item)])
        items[:] = [item for item in items if touches_the_database(item)]


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    """Put SQLite's test database into a file: Django's own choice, memory, knows neither WAL nor threads."""
    from django.conf import settings

    if DATABASE == "sqlite":
        settings.DATABASES["default"].setdefault("TEST", {})["NAME"] = str(data_folder / "test.sqlite3")


@pytest.fixture(scope="session")
def postgresql_url() -> Iterator[str]:
    """Return the URL of a PostgreSQL server, whichever database the run is on (started when first asked)."""
    if SERVER_URL in os.environ:
        yield os.environ[SERVER_URL]
        return
    with PostgresServer() as own:
        yield own.url()


@pytest.fixture
def postgresql_database(postgresql_url: str) -> Iterator[str]:
    """Return the URL of an empty PostgreSQL database of the test's own."""
    with new_database(postgresql_url) as url:
        yield url


@pytest.fixture
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of an empty database of the run's kind, for a portal in a process of its own.

    Mark the tests that use it ``both_databases``.
    """
    if DATABASE == "postgresql":
        return str(request.getfixturevalue("postgresql_database"))
    return f"sqlite:///{tmp_path / 'portal.sqlite3'}"


@pytest.fixture
def measured(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Return what a test calls with its measurements in a line, which is printed when all have run."""
    return partial(record_property, MEASURED)


@pytest.fixture
def machine_id_file(tmp_path: Path) -> Path:
    """Return a machine id of the test's own (KEYMANAGER_MACHINE_ID_FILE)."""
    path = tmp_path / "machine-id"
    path.write_text("fedcba9876543210fedcba9876543210\n")
    return path


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, object]:
    """Run Debian's chromium, for Playwright's own is not downloaded; with patience on a busy machine."""
    from playwright.sync_api import expect

    expect.set_options(timeout=15_000)
    return {"executable_path": "/usr/bin/chromium", "args": ["--no-sandbox"]}


@pytest.fixture
def portal(db: None, settings: Any, tmp_path: Path) -> "Portal":
    """Return an installation without keys, which trusts the vendor of the tests (tests/factories.py)."""
    from tests.factories import make_portal

    settings.KEYMANAGER = settings.KEYMANAGER  # noted, so that it is put back
    return make_portal(tmp_path)


@pytest.fixture(scope="session")
def slapd(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Slapd]":
    """Return a real directory, Debian's slapd, that runs for all tests of a worker (tests/slapd.py)."""
    from tests.slapd import Slapd

    server = Slapd(tmp_path_factory.mktemp("slapd"))
    yield server
    server.stop()
