"""Asking a company's LDAP or Active Directory who somebody is, and in which groups.

The password goes over TLS alone, with the server's certificate and name checked. Nothing here knows Django;
ldap3 is an extra (requirements-ldap.txt) and is imported only where a directory is asked.
"""

import re
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from ldap3 import Connection

# For each server; the next one is asked after it.
CONNECT_SECONDS = 4
ANSWER_SECONDS = 5
NO_SUCH_OBJECT, INVALID_CREDENTIALS = 32, 49


class DirectoryTrouble(Exception):
    """No server of the directory gave a usable answer. The text says why and holds no password."""


class Server(NamedTuple):
    """One server; `tls` from the first byte on, else by StartTLS before anything is said."""

    host: str
    port: int
    tls: bool


@dataclass(frozen=True)
class Person:
    """Whom the directory knows by that name and password; `group` is None where none of ours has him."""

    dn: str
    username: str
    email: str
    group: str | None


@dataclass(frozen=True)
class Directory:
    """A company's directory: where it is, and how people and groups are found in it.

    `groups` leads from a name to the DN of its group; the first one that has the person counts. In
    `member_filter` `{dn}` and `{user}` stand for the person.
    """

    servers: tuple[Server, ...]
    base_dn: str
    groups: Mapping[str, str]
    user_attribute: str = "uid"
    member_filter: str = "(|(member={dn})(uniqueMember={dn})(memberUid={user}))"
    bind_dn: str = ""
    bind_password: str = field(default="", repr=False)
    ca_file: Path | None = None

    def look_up(self, username: str, password: str) -> Person | None:
        """Who logs in with that name and password; None where there is nobody, or the password is wrong.

        Raises:
            DirectoryTrouble: no server could tell.
        """
        if not username or not password:
            # To many directories an empty password means “nobody”, and lets in.
            return None
        troubles = []
        for server in self.servers:
            try:
                return self._ask(server, username, password)
            except DirectoryTrouble as trouble:
                troubles.append(f"{server.host}:{server.port}: {trouble}")
        raise DirectoryTrouble("; ".join(troubles))

    def _ask(self, server: Server, username: str, password: str) -> Person | None:
        from ldap3.core.exceptions import LDAPException

        try:
            with self._connection(server, self.bind_dn, self.bind_password) as portal:
                if portal.result["result"] == INVALID_CREDENTIALS:
                    raise DirectoryTrouble("the directory refuses the portal's own name or password")
                _check(portal)
                found = self._find(portal, username)
                if found is None:
                    return None
                dn, name, email = found
                with self._connection(server, dn, password) as own:
                    if own.result["result"] == INVALID_CREDENTIALS:
                        return None
                    _check(own)
                return Person(dn, name, email, self._group(portal, dn, name))
        except (LDAPException, OSError) as error:
            raise DirectoryTrouble(f"{type(error).__name__}: {error}") from None

    @contextmanager
    def _connection(self, server: Server, dn: str, password: str) -> "Iterator[Connection]":
        """A connection with TLS, after a bind whose outcome is in its `result`."""
        import ldap3
        from ldap3.core.exceptions import LDAPException

        where = ldap3.Server(
            server.host,
            server.port,
            use_ssl=server.tls,
            tls=_tls(self.ca_file),
            get_info=ldap3.NONE,
            connect_timeout=CONNECT_SECONDS,
        )
        connection = ldap3.Connection(
            where,
            user=dn or None,
            password=password or None,
            receive_timeout=ANSWER_SECONDS,
            auto_referrals=False,
            read_only=True,
        )
        try:
            connection.open()
            if not server.tls and not connection.start_tls():
                raise DirectoryTrouble("no StartTLS")
            connection.bind()
            yield connection
        finally:
            # Why it failed is the better reason.
            with suppress(LDAPException, OSError):
                connection.unbind()

    def _find(self, portal: "Connection", username: str) -> tuple[str, str, str] | None:
        """DN, name as the directory spells it, and mail address of the one person of that name."""
        from ldap3.utils.conv import escape_filter_chars

        portal.search(
            self.base_dn,
            f"({self.user_attribute}={escape_filter_chars(username)})",
            attributes=[self.user_attribute, "mail"],
            size_limit=2,
        )
        entries = [entry for entry in portal.response or [] if entry["type"] == "searchResEntry"]
        if len(entries) > 1:
            raise DirectoryTrouble("several people have this name")
        if not entries:
            _check(portal, NO_SUCH_OBJECT)
            return None
        told = entries[0]["attributes"]
        return entries[0]["dn"], _first(told.get(self.user_attribute)), _first(told.get("mail"))

    def _group(self, portal: "Connection", dn: str, username: str) -> str | None:
        from ldap3 import BASE
        from ldap3.utils.conv import escape_filter_chars

        # At once: a DN may have `{user}` in it.
        person = {"{dn}": escape_filter_chars(dn), "{user}": escape_filter_chars(username)}
        member = re.sub(r"\{dn\}|\{user\}", lambda found: person[found[0]], self.member_filter)
        for name, group in self.groups.items():
            portal.search(group, member, search_scope=BASE, attributes=["1.1"])
            # A group that is not there has nobody in it.
            _check(portal, NO_SUCH_OBJECT)
            if any(entry["type"] == "searchResEntry" for entry in portal.response or []):
                return name
        return None


def _check(connection: "Connection", *also_fine: int) -> None:
    """Raise DirectoryTrouble unless the last answer was a success, or one that is fine as well."""
    if connection.result["result"] not in (0, *also_fine):
        raise DirectoryTrouble(f"the directory answers {connection.result['description']}")


def _first(value: Any) -> str:
    """The first of an attribute's values, as text."""
    values = value if isinstance(value, list) else [value]
    first = values[0] if values and values[0] is not None else ""
    return first.decode("utf-8", "replace") if isinstance(first, bytes) else str(first)


def _tls(ca_file: Path | None) -> Any:
    """ldap3's TLS by Python's own means: it would check names by code that Python has dropped."""
    import ldap3

    context = ssl.create_default_context()
    if ca_file is not None:
        context.load_verify_locations(cafile=ca_file)

    class CheckedTls(ldap3.Tls):  # type: ignore[misc]
        """Certificate and name are checked, and nothing older than TLS 1.2 is spoken."""

        def wrap_socket(self, connection: Any, do_handshake: bool = False) -> None:
            connection.socket = context.wrap_socket(
                connection.socket,
                server_hostname=connection.server.host,
                do_handshake_on_connect=do_handshake,
            )

    return CheckedTls(validate=ssl.CERT_REQUIRED)
