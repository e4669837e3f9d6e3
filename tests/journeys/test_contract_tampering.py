"""The database file edited by hand: no column of it gives a seat or an hour more."""

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from typing import Any

import pytest
from joserfc.jwk import ECKey

from tests.authority_process import module
from tests.journeys.installation import payload, sign_raw
from tests.journeys.portal import Portal, at
from tests.portal_process import Demo

LOOKS_EVERY_SECONDS = 0.6
FAR = "2036-01-01 00:00:00"


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portal]:
    with Demo(tmp_path_factory.mktemp("tampering") / "var") as demo:
        running = Portal(demo.wait_until_ready())
        yield running
        running.close()


class Edited:
    """A key whose two seats are held, and the database as it was."""

    def __init__(self, portal: Portal) -> None:
        self.portal = portal
        # What was bought before, and what somebody kept of it.
        self.number = portal.new_key(module("T_SEATS", 9), module("T_PAST", 1))
        self.rich = portal.api("GET", f"/grants/{self.number}").json()
        portal.sell(
            self.number,
            module("T_SEATS", 2),
            module("T_GONE", 1, expires_on="2026-01-01"),
            module("T_OLD", 5, warranty_until="2026-01-01"),
        )
        portal.contact()
        self.leases = [portal.lease("T_SEATS"), portal.lease("T_SEATS")]
        self.deadline = at(portal.key_status(self.number)["contact_deadline"])
        self.rows = {name: self._read(name) for name in self._tables()}

    def _tables(self) -> list[str]:
        named = self.portal.sql(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'licensing_%'"
        )
        return [row[0] for row in named]

    def _read(self, table: str) -> list[tuple[Any, ...]]:
        return self.portal.sql(f"SELECT * FROM {table}")

    def edit(self, statement: str, *values: object) -> None:
        """By somebody who turns the database's own refusals off, and tells every process to look anew."""
        path = self.portal.demo.data / "keymanager.sqlite3"
        with closing(sqlite3.connect(path, timeout=20)) as connection, connection:
            connection.execute("PRAGMA ignore_check_constraints = ON")
            connection.execute("PRAGMA foreign_keys = OFF")
            connection.execute(statement, values)
            connection.execute("UPDATE licensing_installation SET version = version + 1")

    def mend(self) -> None:
        """Put the rows of before back."""
        path = self.portal.demo.data / "keymanager.sqlite3"
        with closing(sqlite3.connect(path, timeout=20)) as connection, connection:
            connection.execute("PRAGMA ignore_check_constraints = ON")
            connection.execute("PRAGMA foreign_keys = OFF")
            for table in ("virtualkey", "module", "seat", "lease", "offlineactivation", "configuration"):
                connection.execute(f"DELETE FROM licensing_{table}")
                for row in self.rows[f"licensing_{table}"]:
                    marks = ",".join("?" * len(row))
                    connection.execute(f"INSERT INTO licensing_{table} VALUES ({marks})", row)
            connection.execute("DELETE FROM licensing_installation")
            (row,) = self.rows["licensing_installation"]
            marks = ",".join("?" * len(row))
            connection.execute(f"INSERT INTO licensing_installation VALUES ({marks})", row)
            connection.execute("UPDATE licensing_installation SET version = version + 1000")

    def forged(self, **changes: Any) -> str:
        """The grant held, with changes, signed by somebody else."""
        held = portal_grant(self.portal, self.number)
        says = {**payload(held), **changes}
        key = ECKey.generate_key("P-256")
        header = {"alg": "ES256", "kid": key.thumbprint(), "typ": "km-grant+jws"}
        return sign_raw(header, json.dumps(says), key)


def portal_grant(portal: Portal, number: str) -> str:
    return str(portal.sql("SELECT grant FROM licensing_virtualkey WHERE number = ?", number)[0][0])


@pytest.fixture(scope="module")
def held(portal: Portal) -> Edited:
    return Edited(portal)


@pytest.fixture
def edited(held: Edited) -> Iterator[Edited]:
    held.rows["licensing_installation"] = held.portal.sql("SELECT * FROM licensing_installation")
    yield held
    held.mend()
    time.sleep(LOOKS_EVERY_SECONDS)  # what the front keeps in memory, the clock among it, is a moment old
    assert held.portal.key_status(held.number)["state"] == "active"
    assert held.portal.heartbeat(held.leases[0]).status_code == 200


def gives_nothing(edited: Edited) -> None:
    """No third seat, none of a module that is gone, and nothing beyond the deadline of the vendor's words."""
    portal = edited.portal
    got = {code: portal.checkout(code) for code in ("T_SEATS", "T_PAST", "T_GONE")}
    assert {
        code: answer.status_code for code, answer in got.items() if answer.status_code in (201, 500)
    } == {}
    old = portal.checkout("T_OLD", program={"name": "E", "version": "1", "built_on": "2026-02-01"})
    assert old.status_code not in (201, 500), old.text
    for lease in edited.leases:
        answer = portal.heartbeat(lease)
        # Where portal time is not known any more, the lease counts as ended, and long ago.
        assert answer.status_code in (200, 404, 410), answer.text
        if answer.status_code == 200:
            assert at(answer.json()["expires_at"]) <= at(answer.json()["contact_deadline"]) <= edited.deadline
        seen = portal.look(lease)
        if seen.get("state") == "active":
            assert at(seen["expires_at"]) <= edited.deadline
    for row in portal.status()["keys"]:
        if row["number"] == edited.number and row["contact_deadline"] is not None:
            assert at(row["contact_deadline"]) <= edited.deadline
    for row in portal.modules(edited.number).values():
        assert at(row["contact_deadline"]) <= edited.deadline


EDITS = {
    "module.seats": "UPDATE licensing_module SET seats = 999, ceiling = 999 WHERE code = 'T_SEATS'",
    "module.ceiling": "UPDATE licensing_module SET ceiling = 999 WHERE code = 'T_SEATS'",
    "module.uncounted": "UPDATE licensing_module SET seats = NULL, ceiling = NULL WHERE code = 'T_SEATS'",
    "module.taken": "UPDATE licensing_module SET taken = 0 WHERE code = 'T_SEATS'",
    "module.taken below": "UPDATE licensing_module SET taken = -5 WHERE code = 'T_SEATS'",
    "module.all": "UPDATE licensing_module SET taken = 0, seats = 99, ceiling = 99 WHERE code = 'T_SEATS'",
    "module.code": "UPDATE licensing_module SET code = 'T_PAST' WHERE code = 'T_SEATS'",
    "module.code taken": "UPDATE licensing_module SET code = 'T_PAST' WHERE code = 'T_OLD'",
    "seat rows": "INSERT INTO licensing_seat (module_id, number) SELECT id, 3 FROM licensing_module"
    " WHERE code = 'T_SEATS'",
    "seat.number": "UPDATE licensing_seat SET number = number + 5",
    "lease.expires_at": f"UPDATE licensing_lease SET expires_at = '{FAR}' WHERE ended_at IS NULL",
    "lease.taken_at": f"UPDATE licensing_lease SET taken_at = '{FAR}', last_seen_at = '{FAR}'",
    "key.serial": "UPDATE licensing_virtualkey SET serial = 99999",
    "key.last_contact_at": f"UPDATE licensing_virtualkey SET last_contact_at = '{FAR}'",
    "key.refusal": "UPDATE licensing_virtualkey SET refusal = 'suspended', active_on = 'X'",
    "key.state": "UPDATE licensing_virtualkey SET state = 'inactive'",
    "key.customer": "UPDATE licensing_virtualkey SET customer = '1', email = 'x@y.z', revision = 77",
    "key.bound_machine": "UPDATE licensing_virtualkey SET bound_machine = 'cluster:X'",
    "key.grant": "UPDATE licensing_virtualkey SET grant = 'nonsense'",
    "key.grant cut": "UPDATE licensing_virtualkey SET grant = substr(grant, 1, length(grant) - 3)",
    "installation.clock": "UPDATE licensing_installation SET clock_offset = '-99999999'",
    "installation.clock empty": "UPDATE licensing_installation SET clock_offset = ''",
    "installation.keys": "UPDATE licensing_installation SET authority_key_set = 'e30.e30.e30'",
    "configuration": "UPDATE licensing_configuration SET inactivity_seconds = 999999999",
}


@pytest.mark.parametrize("name", list(EDITS))
def test_an_edited_column_gives_nothing(edited: Edited, name: str) -> None:
    edited.edit(EDITS[name])
    gives_nothing(edited)


def test_a_grant_that_somebody_else_signed_gives_nothing(edited: Edited) -> None:
    says = payload(portal_grant(edited.portal, edited.number))
    later = (
        (datetime.fromisoformat(says["issued_at"]) + timedelta(hours=48)).isoformat().replace("+00:00", "Z")
    )
    for changes in (
        {"modules": [{**one, "seats": 99, "expires_on": None} for one in says["modules"]]},
        {"issued_at": later, "valid_until": later[:8] + "30" + later[10:]},
        {"serial": says["serial"] + 1},
    ):
        edited.edit(
            "UPDATE licensing_virtualkey SET grant = ? WHERE number = ?",
            edited.forged(**changes),
            edited.number,
        )
        gives_nothing(edited)


def test_an_earlier_grant_of_the_vendors_put_back_gives_nothing(edited: Edited) -> None:
    edited.edit(
        "UPDATE licensing_virtualkey SET grant = ? WHERE number = ?", edited.rich["grant"], edited.number
    )
    gives_nothing(edited)
    edited.edit(
        "UPDATE licensing_virtualkey SET serial = ? WHERE number = ?", edited.rich["serial"], edited.number
    )
    gives_nothing(edited)


def test_a_grant_of_another_key_gives_nothing(portal: Portal, edited: Edited) -> None:
    other = portal.new_key(module("T_SEATS", 50), add=False)
    portal.sell(other, module("T_ELSE", 50))
    portal.add(other)
    grant = portal_grant(portal, other)
    edited.edit("UPDATE licensing_virtualkey SET grant = ? WHERE number = ?", grant, edited.number)
    assert portal.checkout("T_ELSE", key=edited.number).status_code == 422
    gives_nothing(edited)
    portal.run("remove_key", other)


def test_an_ended_lease_edited_to_live_holds_nothing(portal: Portal, edited: Edited) -> None:
    lease = edited.leases[1]
    identifier = lease["id"].replace("-", "")
    edited.edit(
        "UPDATE licensing_lease SET ended_at = taken_at, ended_reason = 'returned' WHERE id = ?", identifier
    )
    assert portal.heartbeat(lease).status_code == 410
    edited.edit("UPDATE licensing_lease SET ended_at = NULL, ended_reason = '' WHERE id = ?", identifier)
    gives_nothing(edited)


def test_a_lease_row_made_by_hand_is_given_nothing(portal: Portal, edited: Edited) -> None:
    columns = [row[1] for row in portal.sql("PRAGMA table_info(licensing_lease)") if row[1] != "row_number"]
    made = "0123456789abcdef0123456789abcdef"
    chosen = ", ".join(f"'{made}'" if name == "id" else f'"{name}"' for name in columns)
    named = ", ".join(f'"{name}"' for name in columns)
    edited.edit(
        f"INSERT INTO licensing_lease ({named}) SELECT {chosen} FROM licensing_lease WHERE id = ?",
        edited.leases[0]["id"].replace("-", ""),
    )
    answer = portal.heartbeat({"id": "01234567-89ab-cdef-0123-456789abcdef"})
    assert answer.status_code in (404, 410), answer.text
    gives_nothing(edited)


def test_a_key_under_another_number_gives_nothing(portal: Portal, edited: Edited) -> None:
    edited.edit("UPDATE licensing_virtualkey SET number = '5000088888' WHERE number = ?", edited.number)
    assert portal.checkout("T_SEATS", key="5000088888").status_code == 422
    gives_nothing(edited)


def test_check_invariants_names_what_was_edited(portal: Portal, edited: Edited) -> None:
    edited.edit(EDITS["module.taken"])
    ran = portal.run("check_invariants")
    assert ran.status == 1
    assert ran.out or ran.err


def test_an_earlier_grant_with_rows_to_match_gives_nothing(edited: Edited) -> None:
    edited.edit(
        "UPDATE licensing_virtualkey SET grant = ?, serial = ? WHERE number = ?",
        edited.rich["grant"], edited.rich["serial"], edited.number,
    )  # fmt: skip
    edited.edit("UPDATE licensing_module SET seats = 9, ceiling = 9 WHERE code = 'T_SEATS'")
    gives_nothing(edited)
