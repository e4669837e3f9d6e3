"""Two nodes on one PostgreSQL, and one that is killed."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
import requests

from tests.authority_process import RunningAuthority, running_authority
from tests.journeys.fight import Fight
from tests.portal_process import Serve, manage, wait_until

KEY, PIN = "5000006622", "0427"
SWITCH = """
from licensing.operations.actors import COMMAND
from licensing.operations.clock import portal_now
from licensing.operations.cluster import keys_to_bind, switch_cluster
print(keys_to_bind(True, "sql-erp"))
switch_cluster(portal_now(), COMMAND, True, "sql-erp", {"5000006622": "0427"})
"""


class Cluster:
    """What the nodes share, and a data folder and a machine id for each."""

    def __init__(self, folder: Path, database_url: str, authority: RunningAuthority) -> None:
        self.folder, self.url, self.authority = folder, database_url, authority
        self.key_file = folder / "shared.key"

    def settings(self, name: str) -> dict[str, str]:
        machine_id = self.folder / f"machine-id-{name}"
        machine_id.write_text(f"{name * 32}\n")
        return {
            "KEYMANAGER_DATABASE_URL": self.url,
            "KEYMANAGER_KEY_FILE": str(self.key_file),
            "KEYMANAGER_MACHINE_ID_FILE": str(machine_id),
            "KEYMANAGER_AUTHORITY_URL": self.authority.url,
            "KEYMANAGER_AUTHORITY_JWKS": str(self.authority.jwks_path),
        }

    def node(self, name: str) -> Serve:
        return Serve(self.folder / name, **self.settings(name))

    def manage(self, name: str, *arguments: str) -> str:
        """What a command on a node printed; it must succeed."""
        done = manage(self.folder / name, *arguments, **self.settings(name))
        assert done.returncode == 0, done.stderr
        return done.stdout

    def sql(self, query: str, *values: object) -> list[tuple[object, ...]]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(query, values)  # type: ignore[arg-type]
            return cursor.fetchall() if cursor.description else []

    def attempts(self) -> int:
        ((number,),) = self.sql("SELECT count(*) FROM licensing_contactattempt WHERE trigger = 'schedule'")
        return int(str(number))


@pytest.fixture
def cluster(tmp_path: Path, postgresql_database: str) -> Iterator[Cluster]:
    with running_authority(tmp_path) as authority:
        authority.add_key()
        yield Cluster(tmp_path, postgresql_database, authority)


def lease(node: Serve, token: str, method: str, path: str, **options: object) -> requests.Response:
    headers = {"Authorization": f"Bearer {token}"}
    url = f"{node.url}/api/v1/leases{path}"
    return requests.request(method, url, headers=headers, timeout=20, **options)  # type: ignore[arg-type]


def test_two_nodes_serve_one_database_and_one_may_be_killed(cluster: Cluster) -> None:
    with cluster.node("a") as first:
        first.wait_until_ready()
        assert cluster.manage("a", "add_key", "--number", KEY, "--customer", "123456", "--pin", PIN).endswith(
            f"{KEY} granted\n"
        )
        token = cluster.manage("a", "add_erp_client", "Optima").splitlines()[-1]
        body = {
            "modules": ["HANDEL"],
            "workstation": "PC-017",
            "user": "anna",
            "program": {"name": "ERP", "version": "1"},
        }
        taken = lease(first, token, "POST", "", json=body)
        assert taken.status_code == 201
        lease_id = taken.json()["id"]

        refused = manage(cluster.folder / "b", "serve", "--port", "1", **cluster.settings("b"))
        assert (refused.returncode, refused.stderr.split(":")[0]) == (1, "second_machine")

        assert cluster.manage("a", "shell", "-v", "0", "-c", SWITCH).strip().endswith(f"['{KEY}']")
        cluster.manage("a", "contact")
        assert cluster.authority.state(KEY)["machine"] == "cluster:SQL-ERP"
        assert lease(first, token, "POST", f"/{lease_id}/heartbeat").status_code == 200, "no lease has ended"

        with cluster.node("b") as second:
            second.wait_until_ready()
            assert lease(second, token, "GET", f"/{lease_id}").json()["state"] == "active"
            first.processes()
            first.process.kill()
            wait_until(lambda: first.left() == [], 15)
            assert lease(second, token, "POST", f"/{lease_id}/heartbeat").status_code == 200
            before = cluster.attempts()
            cluster.sql("UPDATE licensing_contactstate SET next_at = now() - interval '1 minute'")
            wait_until(lambda: cluster.attempts() > before, 120)
            assert cluster.attempts() == before + 1
            assert cluster.manage("b", "contact") == f"{KEY} granted\n", "the key stays bound"
            assert requests.get(f"{second.url}/readyz", timeout=20).status_code == 200
            names = cluster.sql("SELECT count(*) FROM licensing_clusternode")
            assert names == [(2,)]


def test_a_node_at_a_database_that_takes_no_writes_is_not_ready(cluster: Cluster) -> None:
    with cluster.node("a") as node:
        node.wait_until_ready()
        name = urlsplit(cluster.url).path[1:]
        # As on a standby: what is read goes on, what is written is refused.
        cluster.sql(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
        others = "FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()"
        cluster.sql(f"SELECT pg_terminate_backend(pid) {others}", name)
        login = f"{node.url}/accounts/login/"
        wait_until(lambda: requests.get(login, timeout=20).status_code == 200, 20, node.output)
        ready = requests.get(f"{node.url}/readyz", timeout=20)
        assert (ready.status_code, ready.json()["failing"]) == (503, ["database"])


@pytest.mark.full
def test_sixty_four_clients_fight_for_five_seats_at_two_nodes(cluster: Cluster) -> None:
    with cluster.node("a") as first:
        first.wait_until_ready()
        cluster.manage("a", "add_key", "--number", KEY, "--customer", "123456", "--pin", PIN)
        token = cluster.manage("a", "add_erp_client", "Optima").splitlines()[-1]
        cluster.manage("a", "shell", "-v", "0", "-c", SWITCH)
        cluster.manage("a", "contact")
        with cluster.node("b") as second:
            second.wait_until_ready()
            fight = Fight([first.url, second.url], token, "HANDEL", 5).run(64, 30)
            assert fight.faults == []
            assert fight.given > 100
            taken = cluster.sql("SELECT taken FROM licensing_module WHERE code = 'HANDEL'")
            assert taken == [(0,)]
            cluster.manage("b", "check_invariants")
