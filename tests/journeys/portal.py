"""A demo as an ERP client, an administrator at the command line and the vendor's people see it.

Nothing of the product is imported: the contracts are judged through its doors alone.
"""

import json
import re
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Any

import requests

from tests.journeys.administrator import Administrator
from tests.portal_process import ROOT, Demo, environment

INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
INSTANTS = {"taken_at", "expires_at", "ended_at", "contact_deadline", "server_time", "last_contact_at"}

# Loads the portal's program once, and forks for each command: what a command does is the same, but its start.
FORK_SERVER = """
import importlib, json, os, pkgutil, sys
import django
sys.argv = ["manage.py"]
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "keymanager.settings")
django.setup()
import licensing.management.commands as commands
for found in pkgutil.iter_modules(commands.__path__):
    importlib.import_module(f"{commands.__name__}.{found.name}")
import manage
for line in sys.stdin:
    order = json.loads(line)
    child = os.fork()
    if child == 0:
        for number, name in enumerate(order["streams"]):
            os.dup2(os.open(name, os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT, 0o600), number)
        sys.argv = ["manage.py", *order["arguments"]]
        manage.main()
        sys.exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@dataclass(frozen=True)
class Ran:
    """What a command said and its exit status."""

    status: int
    out: list[str]
    err: list[str]


class Commands:
    """`manage.py` on one data folder."""

    def __init__(self, data: Path, **settings: str) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="km-commands-"))
        self._process = subprocess.Popen(
            [sys.executable, "-c", FORK_SERVER],
            cwd=ROOT,
            env=environment(data, **settings),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __call__(self, *arguments: str, stdin: str = "") -> Ran:
        """Run one command to its end."""
        streams = [self._folder / name for name in ("stdin", "stdout", "stderr")]
        for stream, text in zip(streams, (stdin, "", ""), strict=True):
            stream.write_text(text)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        order = {"arguments": arguments, "streams": [str(stream) for stream in streams]}
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        status = int(self._process.stdout.readline())
        return Ran(status, *(stream.read_text().splitlines() for stream in streams[1:]))

    def close(self) -> None:
        """End the program."""
        self._process.kill()
        self._process.wait()


class Portal:
    """A running demo."""

    def __init__(self, demo: Demo) -> None:
        self.demo = demo
        self.run = Commands(demo.data)
        self.http = requests.Session()
        self.http.trust_env = False
        self._numbers = count(5000010001)

    @property
    def token(self) -> str:
        return str(self.demo.told["erp_client_token"])

    def close(self) -> None:
        """End what drives the demo."""
        self.run.close()
        self.http.close()

    def api(
        self,
        method: str,
        path: str,
        *,
        token: str | None = "",
        headers: Mapping[str, str] | None = None,
        **options: Any,
    ) -> requests.Response:
        """A call of the lease API; by the demo's ERP client unless another token, or none, is given."""
        sent = {} if token is None else {"Authorization": f"Bearer {token or self.token}"}
        options.setdefault("timeout", 30)
        return self.http.request(
            method, f"{self.demo.url}/api/v1{path}", headers={**sent, **(headers or {})}, **options
        )

    def checkout(
        self,
        *modules: str,
        token: str | None = "",
        headers: Mapping[str, str] | None = None,
        **members: object,
    ) -> requests.Response:
        """`POST /leases` with good members, but for those given."""
        return self.api(
            "POST", "/leases", token=token, headers=headers, json=checkout_body(*modules, **members)
        )

    def lease(self, *modules: str, **members: Any) -> dict[str, Any]:
        """A lease that is given."""
        answer = self.checkout(*modules, **members)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def heartbeat(self, lease: Mapping[str, Any], token: str = "") -> requests.Response:
        return self.api("POST", f"/leases/{lease['id']}/heartbeat", token=token)

    def look(self, lease: Mapping[str, Any], token: str = "") -> dict[str, Any]:
        return dict(self.api("GET", f"/leases/{lease['id']}", token=token).json())

    def give_back(self, lease: Mapping[str, Any], token: str = "") -> requests.Response:
        return self.api("DELETE", f"/leases/{lease['id']}", token=token)

    def modules(self, key: str, built_on: str = "") -> dict[str, dict[str, Any]]:
        """The rows of one key, by module."""
        rows = self.api("GET", f"/modules{'?built_on=' + built_on if built_on else ''}").json()["modules"]
        return {row["code"]: row for row in rows if row["key"] == key}

    def status(self) -> dict[str, Any]:
        return dict(self.api("GET", "/status").json())

    def key_status(self, number: str) -> dict[str, Any]:
        return next(row for row in self.status()["keys"] if row["number"] == number)

    # The vendor's side

    def vendor(self, path: str, **order: object) -> requests.Response:
        """`POST` at the authority."""
        return self.http.post(f"{self.demo.told['authority']}{path}", json=order, timeout=30)

    def sell(self, number: str, *modules: Mapping[str, object], pin: str = "4711") -> None:
        """Make a key at the vendor, or replace its modules."""
        answer = self.vendor(
            "/_control/keys", number=number, customer="123456", pin=pin, modules=list(modules)
        )
        assert answer.ok, answer.text

    def vendor_state(self, number: str) -> dict[str, Any]:
        state = self.http.get(f"{self.demo.told['authority']}/_control/state", timeout=30).json()
        return next(dict(row) for row in state["keys"] if row["number"] == number)

    def mode(self, mode: str) -> None:
        assert self.vendor("/_control/mode", mode=mode).ok

    @contextmanager
    def in_mode(self, mode: str) -> Iterator[None]:
        """The vendor behaves so in the block."""
        self.mode(mode)
        try:
            yield
        finally:
            self.mode("ok")

    def new_number(self) -> str:
        return str(next(self._numbers))

    def new_key(self, *modules: Mapping[str, object], add: bool = True) -> str:
        """A key with modules, sold and (unless told otherwise) active here; its number."""
        number = self.new_number()
        self.sell(number, *modules)
        if add:
            assert self.add(number).out[-1] == f"{number} granted"
        return number

    # The administrator's side

    @cached_property
    def administrator(self) -> Administrator:
        """The demo's administrator, logged in."""
        return Administrator(self.demo.url, **self.demo.told["admin"])

    def configure(self, **settings: object) -> None:
        """Change settings of the Configuration, by the page."""
        values = {
            name: (("on" if value else None) if isinstance(value, bool) else str(value))
            for name, value in settings.items()
        }
        self.administrator.fill("/configuration/advanced", **values)

    def change_client(self, name: str, networks: str) -> None:
        """Allow an ERP client these networks alone, by the page."""
        self.administrator.fill(f"/clients/{self.client_id(name)}/edit", networks=networks)

    def disable_client(self, name: str) -> None:
        number = self.client_id(name)
        token = self.administrator.http.cookies.get("csrftoken") or ""
        page = self.administrator.get("/clients")
        field = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
        answer = self.administrator.http.post(
            f"{self.demo.url}/clients/{number}/switch",
            data={"disable": "", "csrfmiddlewaretoken": field[1] if field else token},
            headers={"Referer": page.url},
            timeout=30,
        )
        assert answer.ok, answer.text

    def client_id(self, name: str) -> int:
        return int(self.sql("SELECT id FROM licensing_erpclient WHERE name = ?", name)[0][0])

    def add(self, number: str, pin: str = "4711") -> Ran:
        return self.run("add_key", "--number", number, "--customer", "123456", "--pin", pin)

    def contact(self) -> dict[str, str]:
        """Contact the vendor now; what each key's line says after its number."""
        ran = self.run("contact")
        lines = [line.split(" ", 1) for line in ran.out + ran.err if line.startswith("50000")]
        return dict([*line, ""][:2] for line in lines)

    def sql(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """What somebody with the database file does by hand."""
        path = self.demo.data / "keymanager.sqlite3"
        with closing(sqlite3.connect(path, timeout=20)) as connection, connection:
            return connection.execute(statement, values).fetchall()


def day(days: int) -> str:
    """A date, so many days from today (UTC)."""
    return (datetime.now(UTC).date() + timedelta(days=days)).isoformat()


def at(text: str) -> datetime:
    """An instant of an answer."""
    return datetime.fromisoformat(text)


def checkout_body(*modules: str, **members: object) -> dict[str, object]:
    """A good body; a member that is `None` here is left out."""
    body: dict[str, object] = {
        "modules": list(modules),
        "workstation": "PC-017",
        "user": "anna.nowak",
        "program": {"name": "ERP Optima", "version": "2026.5.1"},
        **members,
    }
    return {name: value for name, value in body.items() if value is not None}


def refusal(answer: requests.Response) -> tuple[int, str]:
    """Status and code of a refusal, which must have the form that every refusal has."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    problem = answer.json()
    assert problem["type"] == f"/problems/{problem['code']}"
    assert problem["status"] == answer.status_code
    assert problem["title"]
    assert problem["detail"]
    return answer.status_code, str(problem["code"])


def token_of(ran: Ran) -> str:
    """The token alone on the last line of what a command printed."""
    assert ran.status == 0, ran
    return ran.out[-1]
