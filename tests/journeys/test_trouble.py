"""The database really gone under a running portal, and real workers killed: nothing is lost or told twice."""

import contextlib
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from email.message import EmailMessage
from pathlib import Path

import psutil
import psycopg
import pytest
import requests

from tests.authority_process import running_authority
from tests.journeys.test_clock import KEY, FakedPortal
from tests.portal_process import ROOT, Serve, environment, wait_until
from tests.postgresql import PostgresServer, new_database
from tests.smtp import MailBox, smtp_server

pytestmark = pytest.mark.full
LADDER = [4, 24, 48, 66, 72]
MAILS = """
from licensing.operations.actors import COMMAND
from licensing.operations.clock import portal_now
from licensing.operations.configuration import change_configuration
change_configuration(portal_now(), COMMAND, smtp_host="127.0.0.1", smtp_port={port}, smtp_security="none",
                     mail_sender="klucze@firma.example", admin_email="it@firma.example:en")
"""
# What the schedules do each minute, asked for at once.
ASK = "from django_q.tasks import async_task; async_task('licensing.tasks.{task}')"
TOLD = """
from licensing.models import OutgoingMail
for fact in OutgoingMail.objects.order_by("pk").values_list("fact", flat=True): print(fact)
"""
# While such a trigger is there, whoever writes down a mail about contact stays inside its transaction.
HELD_ON_SQLITE = """
CREATE TRIGGER held BEFORE INSERT ON licensing_outgoingmail WHEN NEW.fact LIKE 'contact%' BEGIN
SELECT count(*) FROM django_migrations a, django_migrations b, django_migrations c, django_migrations d,
                     django_migrations e, django_migrations f; END
"""
LOCK = 4711
HELD_ON_POSTGRESQL = f"""
CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM pg_advisory_xact_lock({LOCK}); RETURN NEW; END $$;
CREATE TRIGGER held BEFORE INSERT ON licensing_outgoingmail FOR EACH ROW WHEN (NEW.fact LIKE 'contact%')
EXECUTE FUNCTION hold()
"""
WAITING = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"


def mail_to(portal: FakedPortal, inbox: MailBox) -> None:
    portal.manage("shell", "-v", "0", "-c", MAILS.format(port=inbox.port))


@pytest.fixture
def inbox() -> Iterator[MailBox]:
    with smtp_server() as box:
        yield box


# --- the database gone ---------------------------------------------------------------------------------


@pytest.fixture
def own_server() -> Iterator[PostgresServer]:
    with PostgresServer() as server:
        yield server


def test_a_database_that_was_gone_is_told_of_by_mail_when_it_is_back(
    tmp_path: Path, own_server: PostgresServer, inbox: MailBox
) -> None:
    with ExitStack() as stack:
        authority = stack.enter_context(running_authority(tmp_path))
        portal = FakedPortal(tmp_path, authority)
        portal.settings["KEYMANAGER_DATABASE_URL"] = stack.enter_context(new_database(own_server.url()))
        serve = stack.enter_context(Serve(tmp_path / "var", **portal.settings)).wait_until_ready()
        mail_to(portal, inbox)
        # The watchman looks every 30 s and must have seen that all is well.
        time.sleep(35)
        own_server.halt()
        ready = requests.get(f"{serve.url}/readyz", timeout=60)
        assert (ready.status_code, ready.json()["failing"]) == (503, ["database"])
        page = requests.get(f"{serve.url}/accounts/login/", timeout=60)
        assert (page.status_code, page.headers.get("Retry-After")) == (503, "5")
        time.sleep(150)
        own_server.go_on()
        wait_until(lambda: is_well(serve), 10, serve.output)
        # That the worker, too, stood still meanwhile is another mail.
        wait_until(lambda: about_the_database(inbox), 150, serve.output)
        (told,) = about_the_database(inbox)
        body = told.get_body(("plain",))
        assert body is not None
        assert "could not use its database from" in " ".join(body.get_content().split())
        assert serve.stop() < 12


def is_well(serve: Serve) -> bool:
    """Whether pages and lease API find their database."""
    pages = requests.get(f"{serve.url}/readyz", timeout=60)
    front = requests.post(
        f"{serve.url}/api/v1/leases", headers={"Authorization": "Bearer km_" + "x" * 43}, timeout=60
    )
    return (pages.status_code, front.status_code) == (200, 401)


def about_the_database(inbox: MailBox) -> list[EmailMessage]:
    return [mail for mail in inbox.mails if "database" in str(mail["Subject"])]


# --- the worker killed ---------------------------------------------------------------------------------


@contextmanager
def mails_held_on_sqlite(path: str) -> Iterator[Callable[[], bool]]:
    """Nobody gets a mail about contact written in the block; gives what tells that somebody is at it."""

    def is_at_it() -> bool:
        with contextlib.suppress(sqlite3.OperationalError):
            with closing(sqlite3.connect(path, timeout=1)) as other:
                other.execute("BEGIN IMMEDIATE")
            return False
        return True

    with closing(sqlite3.connect(path, timeout=20)) as connection:
        connection.execute(HELD_ON_SQLITE)
        yield is_at_it
        connection.execute("DROP TRIGGER held")


@contextmanager
def mails_held_on_postgresql(url: str) -> Iterator[Callable[[], bool]]:
    """The same."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        connection.execute(HELD_ON_POSTGRESQL)
        yield lambda: connection.execute(WAITING).fetchone() == (1,)
        connection.execute("SELECT pg_advisory_unlock(%s)", [LOCK])
        connection.execute("DROP TRIGGER held ON licensing_outgoingmail; DROP FUNCTION hold")


def mails_held(url: str) -> AbstractContextManager[Callable[[], bool]]:
    """The same on either database."""
    path = url.removeprefix("sqlite:///")
    return mails_held_on_postgresql(url) if path == url else mails_held_on_sqlite(path)


@contextmanager
def worker(portal: FakedPortal) -> Iterator[None]:
    """A real worker, which is killed with all its processes at the end of the block."""
    process = psutil.Popen(
        [sys.executable, str(ROOT / "manage.py"), "worker"],
        env=environment(portal.folder / "var", **portal.settings),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        family = [process, *process.children(recursive=True)]
        for member in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.send_signal(signal.SIGKILL)
        psutil.wait_procs(family, timeout=10)


def ask(portal: FakedPortal, task: str) -> None:
    """Have the worker do now what it does each minute."""
    portal.manage("shell", "-v", "0", "-c", ASK.format(task=task))


def told(portal: FakedPortal) -> list[str]:
    """The rungs of the ladder that have been told, in order."""
    facts = portal.manage("shell", "-v", "0", "-c", TOLD).split()
    return [fact.rsplit(":", 1)[-1] if "_step:" in fact else "72" for fact in facts if "contact" in fact]


def about_contact(inbox: MailBox) -> list[str]:
    return [str(mail["Message-ID"]) for mail in inbox.mails if KEY in str(mail["Subject"])]


@pytest.mark.both_databases
def test_a_worker_killed_at_every_step_of_an_outage_tells_the_same_ladder(
    tmp_path: Path, database_url: str, inbox: MailBox
) -> None:
    with running_authority(tmp_path) as authority:
        authority.add_key()
        portal = FakedPortal(tmp_path, authority)
        portal.settings["KEYMANAGER_DATABASE_URL"] = database_url
        portal.manage("add_key", "--number", KEY, "--customer", "123456", "--pin", "0427")
        mail_to(portal, inbox)
        authority.mode("refuse")
        for climbed, hour in enumerate(LADDER):
            portal.clock(f"+{hour * 60 + 1}m", wall_only=False)
            with mails_held(database_url) as somebody_writes, worker(portal):
                ask(portal, "raise_alerts")
                wait_until(somebody_writes, 60)
            assert told(portal) == [str(step) for step in LADDER[:climbed]], "killed in its transaction"

            portal.clock(f"+{hour * 60 + 10}m", wall_only=False)
            with socket.create_server(("127.0.0.1", 0)) as hanging, worker(portal):
                portal.manage("shell", "-v", "0", "-c", MAILS.format(port=hanging.getsockname()[1]))
                hanging.settimeout(60)
                ask(portal, "raise_alerts")
                ask(portal, "send_mail")
                hanging.accept()
            assert told(portal) == [str(step) for step in LADDER[: climbed + 1]]

            portal.clock(f"+{hour * 60 + 50}m", wall_only=False)
            mail_to(portal, inbox)
            with worker(portal):
                ask(portal, "raise_alerts")
                ask(portal, "send_mail")
                wait_until(lambda rungs=climbed + 1: len(about_contact(inbox)) == rungs, 60)
        received = about_contact(inbox)
        assert len(received) == len(set(received)) == len(LADDER)
        assert told(portal) == [str(step) for step in LADDER]
