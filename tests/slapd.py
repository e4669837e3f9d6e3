"""A directory of the tests' own: Debian's slapd on free loopback ports, with TLS and a few people."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import ldap3
import trustme

from keymanager.directory import read_directory
from licensing.directory import Directory
from licensing.serving.ports import free_port

PROGRAM = "/usr/sbin/slapd"
BASE = "dc=firma,dc=example"
PORTAL, PORTAL_PASSWORD = f"cn=portal,{BASE}", "portal’s own p=w: ż"
ROOT, ROOT_PASSWORD = f"cn=root,{BASE}", "root"
PASSWORD = "hasło użytkownika 7#"

CONFIGURATION = """
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/nis.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {folder}/slapd.pid
TLSCertificateFile {folder}/cert.pem
TLSCertificateKeyFile {folder}/key.pem
security simple_bind=112
database mdb
maxsize 1048576
suffix "{base}"
rootdn "{root}"
rootpw {root_password}
directory {folder}/db
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="{portal}" read by * none
"""

# Each role by another class of group, as companies have them.
GROUPS = {
    "KEYMANAGER_LDAP_ADMINISTRATORS": f"cn=admins,ou=groups,{BASE}",
    "KEYMANAGER_LDAP_OPERATORS": f"cn=operators,ou=groups,{BASE}",
    "KEYMANAGER_LDAP_VIEWERS": f"cn=viewers,ou=groups,{BASE}",
}


def dn_of(name: str) -> str:
    """The DN of a person. Commas and brackets in it are what filters must bear."""
    return f"cn={name.title()} Kowalski\\, (IT),ou=people,{BASE}"


def _entry(dn: str, *lines: str) -> str:
    return "\n".join([f"dn: {dn}", *lines]) + "\n"


def _person(name: str, *lines: str) -> str:
    common = f"{name.title()} Kowalski, (IT)"
    return _entry(
        dn_of(name),
        "objectClass: inetOrgPerson",
        f"cn: {common}",
        "sn: Kowalski",
        f"uid: {name}",
        f"userPassword: {PASSWORD}",
        *lines,
    )


def _people() -> str:
    entries = [
        _entry(BASE, "objectClass: dcObject", "objectClass: organization", "dc: firma", "o: Firma"),
        _entry(f"ou=people,{BASE}", "objectClass: organizationalUnit", "ou: people"),
        _entry(f"ou=groups,{BASE}", "objectClass: organizationalUnit", "ou: groups"),
        _entry(
            PORTAL,
            "objectClass: organizationalRole",
            "objectClass: simpleSecurityObject",
            "cn: portal",
            f"userPassword: {PORTAL_PASSWORD}",
        ),
        _person("ewa", "mail: ewa@firma.example"),
        *(_person(name) for name in ("jan", "ola", "piotr", "zenon.odszedł", "zofia wolna")),
        _entry(
            GROUPS["KEYMANAGER_LDAP_ADMINISTRATORS"],
            "objectClass: groupOfUniqueNames",
            "cn: admins",
            f"uniqueMember: {dn_of('ewa')}",
        ),
        _entry(
            GROUPS["KEYMANAGER_LDAP_OPERATORS"],
            "objectClass: groupOfNames",
            "cn: operators",
            *(f"member: {dn_of(name)}" for name in ("ewa", "jan", "zenon.odszedł", "zofia wolna")),
        ),
        _entry(
            GROUPS["KEYMANAGER_LDAP_VIEWERS"],
            "objectClass: posixGroup",
            "cn: viewers",
            "gidNumber: 7",
            "memberUid: ola",
        ),
    ]
    return "\n".join(entries)


class Slapd:
    """The running server; `url` speaks TLS from the first byte, `plain_url` by StartTLS."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ports = free_port(), free_port()
        self.ca_file = folder / "ca.pem"
        self._write()
        # A copy: Debian's AppArmor lets the program at its usual place read only its usual files.
        self._program = shutil.copy(PROGRAM, folder / "slapd")
        self._run("-T", "add", "-l", str(folder / "people.ldif"))
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"ldaps://localhost:{self.ports[1]}"

    @property
    def plain_url(self) -> str:
        return f"ldap://localhost:{self.ports[0]}"

    def _write(self) -> None:
        authority = trustme.CA()
        issued = authority.issue_cert("localhost")
        authority.cert_pem.write_to_path(self.ca_file)
        issued.private_key_pem.write_to_path(self.folder / "key.pem")
        issued.cert_chain_pems[0].write_to_path(self.folder / "cert.pem")
        (self.folder / "db").mkdir()
        (self.folder / "people.ldif").write_text(_people(), encoding="utf-8")
        names = {"base": BASE, "portal": PORTAL, "root": ROOT, "root_password": ROOT_PASSWORD}
        (self.folder / "slapd.conf").write_text(CONFIGURATION.format(folder=self.folder, **names))

    def _run(self, *arguments: str) -> None:
        command = [self._program, *arguments, "-f", str(self.folder / "slapd.conf")]
        subprocess.run(command, check=True, capture_output=True, timeout=30)

    def start(self) -> None:
        """Serve, and wait until it answers."""
        urls = f"ldap://127.0.0.1:{self.ports[0]} ldaps://127.0.0.1:{self.ports[1]}"
        command = [self._program, "-d", "0", "-h", urls, "-f", str(self.folder / "slapd.conf")]
        with (self.folder / "slapd.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        end = time.monotonic() + 20
        while not (self.folder / "slapd.pid").exists():
            if self._process.poll() is not None or time.monotonic() > end:
                raise RuntimeError((self.folder / "slapd.log").read_text())
            time.sleep(0.02)

    def stop(self) -> None:
        """End it; its ports answer nobody."""
        if self._process is not None:
            os.kill(self._process.pid, signal.SIGTERM)
            self._process.wait(timeout=20)
            self._process = None

    def change(self, dn: str, changes: dict[str, Any]) -> None:
        """Change an entry, as the company's administrator does."""
        with self._as_root() as root:
            assert root.modify(dn, changes), root.result

    def rename(self, dn: str, cn: str) -> None:
        """Give a person another DN, as the company's administrator does."""
        with self._as_root() as root:
            assert root.modify_dn(dn, f"cn={cn}"), root.result

    def _as_root(self) -> ldap3.Connection:
        server = ldap3.Server("localhost", self.ports[1], use_ssl=True, get_info=ldap3.NONE)
        return ldap3.Connection(server, ROOT, ROOT_PASSWORD)

    def settings(self, **others: str) -> dict[str, str]:
        """The settings of a deployment that asks this directory."""
        return {
            "KEYMANAGER_LDAP_URL": self.url,
            "KEYMANAGER_LDAP_BASE_DN": f"ou=people,{BASE}",
            "KEYMANAGER_LDAP_BIND_DN": PORTAL,
            "KEYMANAGER_LDAP_BIND_PASSWORD": PORTAL_PASSWORD,
            **GROUPS,
            **others,
        }

    def directory(self, **others: str) -> Directory:
        """This directory, as those settings tell of it."""
        found = read_directory(self.settings(**others), self.ca_file)
        assert found is not None
        return found
