"""The real licence authority for tests: in a thread of this process, or as the program it is."""

import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import requests

from authority.application import open_application
from authority.folder import PUBLIC_FILE
from authority.service import Service
from licensing.protocol import AuthorityKeys
from licensing.serving.ports import free_port

Modules = Sequence[Mapping[str, object]]


def module(
    code: str, seats: int | None = 1, *, expires_on: str | None = None, warranty_until: str | None = None
) -> dict[str, object]:
    """A module as a grant and the control route write it."""
    name = {"pl": code.capitalize(), "en": code.capitalize()}
    return {
        "code": code,
        "name": name,
        "seats": seats,
        "expires_on": expires_on,
        "warranty_until": warranty_until,
    }


DEMO_MODULES = (module("HANDEL", 5), module("KASA", 5), module("FAKTURY", 3), module("SRODKI_TRWALE", None))


@dataclass
class RunningAuthority:
    """An authority that answers at `url`; `jwks_path` is its public key set, for the portal to pin."""

    url: str
    folder: Path
    ca_file: Path | None = None
    smtp_port: int | None = None
    process: subprocess.Popen[str] | None = None
    _http: requests.Session = field(default_factory=requests.Session)

    def __post_init__(self) -> None:
        self._http.trust_env = False
        self._http.verify = str(self.ca_file) if self.ca_file else True

    @property
    def jwks_path(self) -> Path:
        return self.folder / PUBLIC_FILE

    @property
    def keys(self) -> AuthorityKeys:
        return AuthorityKeys.from_json(self.jwks_path.read_bytes())

    def request(self, method: str, path: str, **options: object) -> requests.Response:
        """Any request, as its client sees the response."""
        options.setdefault("timeout", 20)
        return self._http.request(method, self.url + path, allow_redirects=False, **options)  # type: ignore[arg-type]

    def post(self, path: str, body: str | bytes, content_type: str = "application/jose") -> requests.Response:
        return self.request("POST", path, data=body, headers={"Content-Type": content_type})

    def control(self, path: str, json: Mapping[str, object] | None = None) -> dict[str, object]:
        """The answer of `POST /_control/<path>`; raises requests.HTTPError where it was refused."""
        response = self.request("POST", f"/_control/{path}", json=json or {})
        response.raise_for_status()
        return dict(response.json())

    def state(self, number: str = "5000006622") -> dict[str, object]:
        """What the authority holds about a key."""
        keys = self.request("GET", "/_control/state").json()["keys"]
        return next(dict(key) for key in keys if key["number"] == number)

    def add_key(
        self,
        number: str = "5000006622",
        *,
        customer: str = "123456",
        pin: str = "0427",
        modules: Modules = DEMO_MODULES,
    ) -> None:
        """Makes a key, or replaces its credentials and modules."""
        body = {"number": number, "customer": customer, "pin": pin, "modules": list(modules)}
        self.control("keys", body)

    def mode(self, mode: str) -> None:
        self.control("mode", {"mode": mode})

    def move_clock(self, offset_seconds: float) -> None:
        self.control("clock", {"offset_seconds": offset_seconds})

    def suspend(self, number: str, suspended: bool = True) -> None:
        self.control(f"keys/{number}/suspend", {"suspended": suspended})

    def reset(self, number: str) -> None:
        self.control(f"keys/{number}/reset")


@contextmanager
def running_authority(
    tmp_path: Path,
    control: bool = True,
    tls: tuple[Path, Path, Path] | None = None,
    smtp: bool = False,
    *,
    relay_port: int | None = None,
    port: int = 0,
) -> Iterator[RunningAuthority]:
    """An authority in a thread, with its data in `tmp_path/authority`.

    `tls` is (certificate chain, key, CA to trust); `smtp` opens the mailbox, whose answers go to
    `relay_port` on loopback.
    """
    folder = tmp_path / "authority"
    service = Service(open_application(folder, control=control), "127.0.0.1", port, tls and tls[:2])
    smtp_port = free_port() if smtp else None
    try:
        if smtp_port is not None:
            service.open_mailbox(smtp_port, ("127.0.0.1", relay_port or free_port()))
        # A certificate is made out to a name.
        url = service.url.replace("127.0.0.1", "localhost") if tls else service.url
        yield RunningAuthority(url, folder, tls and tls[2], smtp_port)
    finally:
        service.stop()


@contextmanager
def authority_process(tmp_path: Path, *arguments: str, control: bool = True) -> Iterator[RunningAuthority]:
    """The program itself, `python -m authority`, on a free port; killed at the end if it still runs."""
    folder = tmp_path / "authority"
    command = [sys.executable, "-m", "authority", "--port", "0", "--data", str(folder), *arguments]
    command += ["--control"] if control else []
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield RunningAuthority(_ready_url(process), folder, process=process)
        finally:
            process.kill()


def _ready_url(process: "subprocess.Popen[str]") -> str:
    assert process.stderr is not None
    told = []
    for line in process.stderr:
        if line.startswith("authority ready on "):
            # Somebody must go on reading, or the program would stand still once the pipe is full.
            threading.Thread(target=process.stderr.read, daemon=True).start()
            return line.removeprefix("authority ready on ").strip()
        told.append(line)
    raise AssertionError("the authority did not start: " + "".join(told))
